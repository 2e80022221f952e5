//! Starts a program, the one place of this crate that does.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::cgroup::MemoryGroup;
use super::guard::Guard;
use super::os::limit_memory;
use super::spawn_error::SpawnError;
use super::supervise::kill_and_reap;
use crate::error::Chain;
use crate::handshake::inherited;

/// What to start and with what environment.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program; one without a slash is looked up in `PATH`.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Where it starts; where the host is, if `None`.
    pub(crate) directory: Option<PathBuf>,
    /// What it sees of the host's environment.
    pub(crate) environment: Environment,
    /// What is added to its environment; later entries win.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// What ties it to the host.
    pub(crate) bond: Bond,
    /// How many bytes of data it may have, and of memory with all that it starts; as many as the host, if `None`.
    pub(crate) memory: Option<u64>,
}

/// A child that nobody has taken charge of yet.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its process.
    pub(crate) child: Child,
    /// What bounds its memory, if it has a limit and the system allows it.
    pub(super) group: Option<MemoryGroup>,
}

/// What ties a plugin's process to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bond {
    /// Somebody else runs it: the host leaves it as it is.
    Lent,
    /// It goes on when the host lets go of it, and ends when the host asks it to.
    Loose,
    /// It ends when the host lets go of it, and with the host.
    Tight,
}

/// What a child sees of the host's environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    /// Only what any program needs.
    Clean,
    /// All of it, save the control variables of a handshake.
    Inherited,
}

/// Starts a program, or its `image` in memory, whose standard input is the host's and whose outputs are pipes.
///
/// It stays in the host's process group: one that reads the terminal from another group would be stopped.
/// Only a cgroup makes the standard library fork, which copies the page tables of a large host.
///
/// # Errors
/// The system says no.
pub(crate) fn spawn(launch: &Launch, image: Option<&OwnedFd>, guard: &Guard) -> Result<Spawned, SpawnError> {
    let mut command = match image {
        Some(image) => command(format!("/proc/self/fd/{}", image.as_raw_fd())),
        None => command(&launch.program),
    };
    launch.prepare(&mut command);
    command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if launch.bond != Bond::Tight {
        // A log that nobody reads would end it, and so would a signal that a terminal sends to the host's group.
        command.stdin(Stdio::null()).stderr(Stdio::null()).process_group(0);
    }
    launch.begin(command, guard)
}

/// Starts a program whose standard input and outputs are all pipes.
///
/// # Errors
/// As [`spawn`].
#[cfg(feature = "stdio")]
pub(crate) fn spawn_talking(launch: &Launch, guard: &Guard) -> Result<Spawned, SpawnError> {
    let mut command = command(&launch.program);
    launch.prepare(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    launch.begin(command, guard)
}

/// A command whose child will be owned by this room.
#[expect(clippy::disallowed_methods, reason = "this room supervises and reaps what it spawns")]
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Spawns a child, and tries again for a moment if its file is still open for writing: who has just written it may be
/// starting another program at this time, which has the file too until it is executed.
fn spawn_when_written(command: &mut Command) -> io::Result<Child> {
    for _ in 0..TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(PAUSE),
            spawned => return spawned,
        }
    }
    command.spawn()
}

const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

impl Launch {
    fn prepare(&self, command: &mut Command) {
        command.arg0(&self.program).args(&self.arguments).env_clear();
        command.envs(std::env::vars_os().filter(|(key, _)| self.environment.shows(key)));
        command.envs(self.variables.iter().map(|(key, value)| (key, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
    }

    /// Spawns the child, and limits its data from outside: to do so in between would make the standard library fork.
    fn begin(&self, mut command: Command, guard: &Guard) -> Result<Spawned, SpawnError> {
        let group = self.memory.and_then(|bytes| self.group(bytes, guard, &mut command));
        let mut child = spawn_when_written(&mut command).map_err(|error| SpawnError::explain(self, error))?;
        if let Some(bytes) = self.memory {
            let limited = limit_memory(&child, bytes).inspect_err(|_| kill_and_reap(&mut child));
            limited.map_err(SpawnError::System)?;
        }
        let group = group.filter(|group| {
            let is_in = group.holds(child.id());
            if !is_in {
                self.is_limited_alone(&"the kernel did not let it into its cgroup");
            }
            is_in
        });
        Ok(Spawned { child, group })
    }

    /// A cgroup for what `command` starts, where that is possible.
    fn group(&self, bytes: u64, guard: &Guard, command: &mut Command) -> Option<MemoryGroup> {
        let group = MemoryGroup::make(bytes, self.bond, guard)
            .inspect_err(|error| self.is_limited_alone(&Chain(error)));
        let group = group.ok()?;
        let taken_in = group.take_in(command).inspect_err(|error| self.is_limited_alone(error));
        taken_in.is_ok().then_some(group)
    }

    fn is_limited_alone(&self, reason: &dyn fmt::Display) {
        let program = self.program.display();
        tracing::debug!(%program, %reason, "no cgroup: the memory of each of a plugin's processes is limited alone");
    }

    /// Where the program's file is, as the system would find it.
    ///
    /// # Errors
    /// If it stands nowhere in `PATH`.
    pub(crate) fn file(&self) -> io::Result<PathBuf> {
        if self.program.components().count() > 1 || self.program.is_absolute() {
            let directory = self.directory.clone().unwrap_or_default();
            return Ok(directory.join(&self.program));
        }
        let own = self.variables.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
        let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(&self.program));
        candidates.find(|candidate| candidate.is_file()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Environment {
    fn shows(self, key: &OsStr) -> bool {
        match self {
            Self::Clean => {
                BASICS.iter().any(|basic| key == OsStr::new(basic))
                    || key.to_str().is_some_and(|key| key.starts_with("LC_"))
            }
            Self::Inherited => inherited(key),
        }
    }
}

const BASICS: [&str; 7] = ["HOME", "LANG", "PATH", "RUST_BACKTRACE", "TMPDIR", "TZ", "USER"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_environment_shows_no_secrets() {
        assert!(Environment::Clean.shows(OsStr::new("PATH")));
        assert!(Environment::Clean.shows(OsStr::new("LC_ALL")));
        assert!(!Environment::Clean.shows(OsStr::new("AWS_SECRET_ACCESS_KEY")));
        assert!(Environment::Inherited.shows(OsStr::new("AWS_SECRET_ACCESS_KEY")));
        assert!(!Environment::Inherited.shows(OsStr::new("PLUGIN_CLIENT_CERT")));
    }
}
