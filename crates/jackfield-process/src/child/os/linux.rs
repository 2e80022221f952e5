//! Names processes by pidfd, so that a recycled process id is never signalled. Linux 5.3 and later.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getppid, getrlimit, pidfd_open, pidfd_send_signal, prlimit,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::handshake::Address;

/// One process, and never another one that got its number later.
#[derive(Debug)]
pub(crate) struct ProcessHandle(OwnedFd);

impl ProcessHandle {
    /// Names a child that nobody has waited for yet, whose number therefore is still its own.
    pub(crate) fn of_child(child: &Child) -> io::Result<Self> {
        Self::open(Pid::from_child(child))
    }

    /// Names the process that has the number `pid` at this moment, if there is one.
    pub(crate) fn of_pid(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        Self::open(pid).ok()
    }

    /// Names this process's parent.
    pub(crate) fn of_parent() -> Parent {
        // A parent outside of this process's namespace has no number here.
        let Some(parent) = getppid() else { return Parent::Hidden };
        match Self::open(parent) {
            // The number was the parent's if the parent is still there after the handle was made.
            Ok(handle) if getppid() == Some(parent) => Parent::Alive(handle),
            Ok(_) => Parent::Gone,
            Err(_) if getppid() == Some(parent) => Parent::Hidden,
            Err(_) => Parent::Gone,
        }
    }

    /// Sends SIGINT. A process that has ended already is no error.
    #[cfg(feature = "stdio")]
    pub(crate) fn interrupt(&self) -> io::Result<()> {
        self.send(Signal::INT)
    }

    /// Sends SIGKILL. A process that has ended already is no error.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.send(Signal::KILL)
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.0, signal) {
            Err(Errno::SRCH) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Makes the end of the process something that a task can wait for: the handle becomes readable.
    #[expect(unsafe_code, reason = "tokio cannot see that the descriptor is owned")]
    pub(crate) fn watch(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the handle owns its descriptor, always names the same one, and closes it only when dropped.
        let watched = unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) };
        watched.map_err(io::Error::from)
    }

    fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self(pidfd_open(pid, PidfdFlags::NONBLOCK)?))
    }
}

/// What is known of this process's parent.
#[derive(Debug)]
pub(crate) enum Parent {
    /// It is there.
    Alive(ProcessHandle),
    /// It has ended, and somebody else adopted this process.
    Gone,
    /// It cannot be seen from here.
    Hidden,
}

impl AsFd for ProcessHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ProcessHandle {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A file in memory with `content` that nobody can change any more, ready to be executed.
pub(crate) fn sealed_executable(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag and need none.
    let memfd = match memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        result => result,
    }?;
    let mut file = File::from(memfd);
    file.write_all(content)?;
    seal(&file)?;
    Ok(file.into())
}

/// Makes a file what it is for good. The kernel refuses it after a while if something else refers to a page of the
/// file; on a busy machine that is the kernel itself, for as long as it moves pages about.
fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let mut tries = 0;
    loop {
        match fcntl_add_seals(file, seals) {
            Err(Errno::BUSY) if tries < MAX_TRIES => tries += 1,
            result => return Ok(result?),
        }
    }
}

/// Of some tenths of a second each.
const MAX_TRIES: usize = 20;

/// Limits how many bytes of data a child may have that nobody has waited for yet, or leaves it with less if the host has.
pub(crate) fn limit_memory(child: &Child, bytes: u64) -> io::Result<()> {
    let bytes = getrlimit(Resource::Data).maximum.map_or(bytes, |own| own.min(bytes));
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    prlimit(Some(Pid::from_child(child)), Resource::Data, limit)?;
    Ok(())
}

/// Lets the child that `command` starts write `bytes` to `file` before it becomes another program, or go on if it cannot.
///
/// The standard library then forks, which copies the page tables of this process.
#[expect(unsafe_code, reason = "what runs after a fork must not take any lock")]
pub(crate) fn write_before_exec(command: &mut Command, file: File, bytes: &'static [u8]) {
    let write = move || {
        // Whoever spawns it looks whether it came to pass.
        let _looked_for = rustix::io::write(&file, bytes);
        Ok(())
    };
    // SAFETY: the closure makes one system call, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(write) };
}

/// Writes to a socket whose other end may be gone, without a SIGPIPE to this process.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
}

/// Whether process `pid` listens at `address`; `None` if that cannot be seen from here.
pub(crate) fn listens(pid: u32, address: &Address) -> Option<bool> {
    let inode = match address {
        Address::Tcp(address) => tcp_listener(address)?,
        Address::Unix(path) => unix_listener(&path.to_string_lossy())?,
    };
    let expected = format!("socket:[{inode}]");
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    match files {
        Ok(files) => Some(files.filter_map(Result::ok).any(|file| {
            fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == expected.as_str())
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}

/// A line is `sl local remote state queues timer retransmits uid timeout inode …`, with numbers in hexadecimal digits
/// in the order of this machine.
fn tcp_listener(address: &SocketAddr) -> Option<u64> {
    let SocketAddr::V4(address) = address else { return None };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1) == Some(&local.as_str()) && fields.get(3) == Some(&"0A");
        listens.then(|| fields.get(9)?.parse().ok())?
    })
}

/// A line is `number count protocol flags type state inode path`, where flag 0x10000 is of one that listens.
fn unix_listener(path: &str) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(7) == Some(&path) && fields.get(3) == Some(&"00010000");
        listens.then(|| fields.get(6)?.parse().ok())?
    })
}
