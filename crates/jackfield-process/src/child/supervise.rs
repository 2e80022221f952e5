//! Watches over one child: drains its pipes for life, notices its death, sweeps away what it left.

use std::fmt;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::Arc;

use rustix::process::Signal;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::cgroup::MemoryGroup;
use super::logs::Logs;
use super::mark::Mark;
use super::os::ProcessHandle;
use super::pipe::{Chunk, Pipe};
use super::socket_dir;
use super::spawn::{Bond, Spawned};
use crate::handshake::MAX_LINE;

/// What others hold of a child; dropping it kills the child and waits for nothing.
#[derive(Debug)]
pub(crate) struct ChildHandle {
    pid: Option<u32>,
    /// `None` if it is not known for sure, so that nobody else is killed.
    process: Option<Arc<AsyncFd<ProcessHandle>>>,
    phase: watch::Receiver<Phase>,
    bond: Bond,
}

/// The first lines of a child's output, for as long as somebody waits for more of them. It ends with the output.
pub(crate) type FirstLines = mpsc::UnboundedReceiver<String>;

/// How a plugin's process ended, and what it said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Death {
    /// The exit status; `None` if somebody else in the host's process reaped the child.
    pub status: Option<ExitStatus>,
    /// What the program said of its crash, if it crashed: the message, and the place where it names one. Nothing if a
    /// signal ended it that comes from somebody else: SIGKILL, SIGTERM or SIGINT.
    pub crash: Option<String>,
    /// The limit of memory, in bytes, over which the kernel killed it.
    pub memory_limit: Option<u64>,
    /// The end of its standard error.
    pub stderr_tail: String,
}

/// By what is found, once a child is dead, what it left behind.
pub(crate) struct Traces {
    /// What it started.
    pub(crate) mark: Mark,
    /// Where its sockets lie, and nobody else's.
    pub(crate) sockets: Option<PathBuf>,
}

#[derive(Debug, Clone)]
enum Phase {
    Running,
    Dead(Arc<Death>),
    /// Dead, and so are its descendants.
    Swept(Arc<Death>),
}

/// Takes charge of a child that was just spawned. The future must be driven, on the runtime on which
/// this is called, until it ends.
///
/// # Errors
/// If the system is out of descriptors; the child is killed then.
pub(crate) fn supervise(
    spawned: Spawned,
    logs: Logs,
    traces: Traces,
    bond: Bond,
) -> io::Result<(ChildHandle, FirstLines, impl Future<Output = ()> + Send)> {
    let Spawned { mut child, group } = spawned;
    let pid = Some(child.id());
    let adopted = adopt(&mut child);
    let (process, stdout, stderr) = adopted.inspect_err(|_| kill_and_reap(&mut child))?;
    let process = Arc::new(process);
    let (deliver, lines) = mpsc::unbounded_channel();
    let (phase, receiver) = watch::channel(Phase::Running);
    let supervisor = Supervisor {
        child,
        group,
        process: Arc::clone(&process),
        stdout,
        stderr,
        head: Some(Head { line: Vec::new(), delivered: 0, deliver }),
        logs,
    };
    let process = Some(process);
    Ok((ChildHandle { pid, process, phase: receiver, bond }, lines, supervisor.run(phase, traces)))
}

/// Takes notice of a process that somebody else started. The future must be driven as above.
///
/// # Errors
/// If the system is out of descriptors.
pub(crate) fn attend(
    pid: Option<u32>,
    process: Option<ProcessHandle>,
    bond: Bond,
) -> io::Result<(ChildHandle, impl Future<Output = ()> + Send)> {
    let process = process.map(ProcessHandle::watch).transpose()?.map(Arc::new);
    let (phase, receiver) = watch::channel(Phase::Running);
    let watched = process.clone();
    let watch = async move {
        let ended = async {
            match watched {
                Some(process) => drop(process.readable().await),
                None => pending().await,
            }
        };
        tokio::select! {
            () = ended => { phase.send_replace(Phase::Swept(Arc::default())); }
            () = phase.closed() => {}
        }
    };
    Ok((ChildHandle { pid, process, phase: receiver, bond }, watch))
}

impl ChildHandle {
    /// Its number, which is its own as long as it is not dead.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Its number, unless it is dead and another may have got it.
    pub(crate) fn running_pid(&self) -> Option<u32> {
        self.pid.filter(|_| self.death().is_none())
    }

    /// Ends once the child is dead.
    pub(crate) fn died(&self) -> impl Future<Output = Arc<Death>> + Send + use<> {
        let mut phase = self.phase.clone();
        async move {
            match phase.wait_for(|phase| phase.death().is_some()).await {
                Ok(phase) => phase.death().cloned().unwrap_or_default(),
                // The supervisor went away with its backend, and the child with it.
                Err(_) => Arc::default(),
            }
        }
    }

    /// Ends once the child and what it started are dead.
    pub(crate) async fn swept(&self) {
        let mut phase = self.phase.clone();
        let _ended_too = phase.wait_for(|phase| matches!(phase, Phase::Swept(_))).await;
    }

    /// The child's death, if it is dead.
    pub(crate) fn death(&self) -> Option<Arc<Death>> {
        self.phase.borrow().death().cloned()
    }

    /// Whether its end can be seen.
    pub(crate) fn is_known(&self) -> bool {
        self.process.is_some()
    }

    /// What ties it to this host.
    pub(crate) fn bond(&self) -> Bond {
        self.bond
    }

    /// Sends SIGKILL to the child.
    pub(crate) fn kill(&self) {
        let Some(process) = &self.process else { return };
        if let Err(error) = process.get_ref().kill() {
            tracing::error!(%error, "a plugin's process could not be killed");
        }
    }

    /// Sends SIGINT to the child.
    #[cfg(feature = "stdio")]
    pub(crate) fn interrupt(&self) {
        let Some(process) = &self.process else { return };
        if let Err(error) = process.get_ref().interrupt() {
            tracing::error!(%error, "a plugin's process could not be interrupted");
        }
    }

    /// Kills it, unless it may go on without this host.
    pub(crate) fn let_go(&self) {
        if self.bond == Bond::Tight {
            self.kill();
        }
    }
}

impl Drop for ChildHandle {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Whether it was somebody else who ended the process.
fn was_ended(status: ExitStatus) -> bool {
    let signals = [Signal::KILL, Signal::TERM, Signal::INT];
    status.signal().is_some_and(|signal| signals.iter().any(|ends| ends.as_raw() == signal))
}

impl Phase {
    fn death(&self) -> Option<&Arc<Death>> {
        match self {
            Self::Running => None,
            Self::Dead(death) | Self::Swept(death) => Some(death),
        }
    }
}

impl Death {
    /// The exit status, as the operating system words it.
    pub fn status_text(&self) -> String {
        self.status.map_or_else(|| "unknown exit status".to_owned(), |status| status.to_string())
    }

    /// What its calls say of its end: why it crashed, or else what it wrote last. Nothing if somebody else ended it: what
    /// it wrote before is not why.
    pub(crate) fn words(&self) -> String {
        let last = || self.stderr_tail.trim_end().to_owned();
        self.cause()
            .unwrap_or_else(|| if self.status.is_some_and(was_ended) { String::new() } else { last() })
    }

    /// Why it crashed: what the program said itself, or why the kernel killed it.
    pub(crate) fn cause(&self) -> Option<String> {
        let killed =
            |bytes| format!("killed by the kernel: it used more than its {bytes} bytes (memory limit)");
        self.memory_limit.map(killed).or_else(|| self.crash.clone())
    }
}

impl fmt::Display for Death {
    /// Says how the program ended and, where it crashed, why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended with {}", self.status_text())?;
        match self.cause() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

struct Supervisor {
    child: Child,
    group: Option<MemoryGroup>,
    process: Arc<AsyncFd<ProcessHandle>>,
    stdout: Pipe,
    stderr: Pipe,
    head: Option<Head>,
    logs: Logs,
}

/// The first lines of the output: that which is not complete, and how many were.
struct Head {
    line: Vec<u8>,
    delivered: usize,
    deliver: mpsc::UnboundedSender<String>,
}

impl Supervisor {
    async fn run(mut self, phase: watch::Sender<Phase>, traces: Traces) {
        self.drain_until_death().await;
        let death = Arc::new(self.bury());
        tracing::debug!(
            plugin = self.logs.plugin(),
            status = death.status_text(),
            "a plugin's process ended"
        );
        phase.send_replace(Phase::Dead(Arc::clone(&death)));
        // Searching all processes takes milliseconds, during which other plugins want their answers.
        let group = self.group.take();
        let sweep = move || {
            traces.mark.sweep();
            if let Some(group) = group {
                group.end();
            }
            if let Some(sockets) = traces.sockets {
                socket_dir::remove(&sockets);
            }
        };
        let _swept = tokio::task::spawn_blocking(sweep).await;
        phase.send_replace(Phase::Swept(death));
        self.drain_to_end().await;
    }

    /// Does not take the end of the pipes for the end of the process, or the other way round: a
    /// grandchild may hold them.
    async fn drain_until_death(&mut self) {
        loop {
            tokio::select! {
                _ = self.process.readable() => return,
                () = self.stdout.readable() => { self.read_stdout(); }
                () = self.stderr.readable() => { self.read_stderr(); }
            }
        }
    }

    async fn drain_to_end(&mut self) {
        while self.stdout.is_open() || self.stderr.is_open() {
            tokio::select! {
                () = self.stdout.readable() => { self.read_stdout(); }
                () = self.stderr.readable() => { self.read_stderr(); }
            }
        }
    }

    /// Reaps the child, and reads its last words before anybody is told of its death.
    fn bury(&mut self) -> Death {
        let status = self.child.try_wait().ok().flatten();
        for _ in 0..LAST_READS {
            let more = self.read_stdout() | self.read_stderr();
            if !more {
                break;
            }
        }
        self.logs.finish();
        self.end_head();
        let failed = status.is_none_or(|status| !status.success());
        // What it said of a panic that it survived is not why somebody killed it days later.
        let crashed = failed && !status.is_some_and(was_ended);
        Death {
            status,
            crash: self.logs.crash().filter(|_| crashed).map(str::to_owned),
            memory_limit: self.group.as_ref().filter(|_| failed).and_then(MemoryGroup::exceeded),
            stderr_tail: self.logs.tail(),
        }
    }

    fn read_stdout(&mut self) -> bool {
        let mut buffer = [0; BUFFER];
        match self.stdout.try_read(&mut buffer) {
            Chunk::Bytes(length) => {
                if let Some(head) = self.head.take() {
                    self.head = head.extend(&buffer[..length]);
                }
                true
            }
            Chunk::End => {
                self.end_head();
                false
            }
            Chunk::Nothing => false,
        }
    }

    fn read_stderr(&mut self) -> bool {
        let mut buffer = [0; BUFFER];
        match self.stderr.try_read(&mut buffer) {
            Chunk::Bytes(length) => {
                self.logs.push(&buffer[..length]);
                true
            }
            Chunk::End | Chunk::Nothing => false,
        }
    }

    /// An unfinished line is a line too, as it is for a Go host.
    fn end_head(&mut self) {
        if let Some(mut head) = self.head.take().filter(|head| !head.line.is_empty()) {
            head.deliver();
        }
    }
}

impl Head {
    /// Adds output; `None` once nobody wants more of it, or more would be too much.
    fn extend(mut self, mut bytes: &[u8]) -> Option<Self> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&bytes[..end]);
            if !self.deliver() {
                return None;
            }
            bytes = &bytes[end + 1..];
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > MAX_LINE {
            self.deliver();
            return None;
        }
        Some(self)
    }

    /// Gives the line away; whether further ones are wanted.
    fn deliver(&mut self) -> bool {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        self.delivered += 1;
        // Nobody waits any more if the plugin has said what it is, or the start was given up.
        self.deliver.send(line).is_ok() && self.delivered < MAX_LINES
    }
}

fn adopt(child: &mut Child) -> io::Result<(AsyncFd<ProcessHandle>, Pipe, Pipe)> {
    let process = ProcessHandle::of_child(child)?.watch()?;
    let stdout = Pipe::new(child.stdout.take().map(OwnedFd::from))?;
    let stderr = Pipe::new(child.stderr.take().map(OwnedFd::from))?;
    Ok((process, stdout, stderr))
}

/// Ends a child of which nobody has taken charge.
pub(super) fn kill_and_reap(child: &mut Child) {
    // It is this process's own child and was not reaped: both can only fail if it is gone.
    let _gone = child.kill();
    let _gone = child.wait();
}

const BUFFER: usize = 16 * 1024;
/// A program that prints more before it says what it is will not say it.
const MAX_LINES: usize = 100;
/// A full pipe holds 64 KiB; what comes after that is not the dead child's.
const LAST_READS: usize = 8;
