//! Starts the guard: a tiny process that outlives the host and cleans up behind it.
//!
//! Its program is `guard/guard.rs`, embedded here. It reads a lifeline of which only the host holds the
//! other end; when that closes, however the host ended, it kills what carries the host's mark and removes
//! the sockets and the plugins' cgroups. This file never kills anything itself.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Weak};

use super::mark::Mark;
use super::os::{sealed_executable, send};
use super::spawn::command;

/// The host's end of the lifeline; when it is dropped the guard does its work and ends.
#[derive(Debug)]
pub(crate) struct Guard {
    lifeline: Arc<UnixStream>,
}

/// A cgroup of which the guard knows, with whoever is in it.
#[derive(Debug)]
pub(crate) struct Entrusted {
    path: PathBuf,
    /// It must not keep the lifeline open.
    lifeline: Weak<UnixStream>,
}

/// A guard that was prepared, but whose process is not there yet.
#[derive(Debug)]
pub(crate) struct Unstarted {
    lifeline: UnixStream,
    mark: Mark,
    sockets: PathBuf,
}

impl Guard {
    /// Prepares a guard over everything that carries `mark` and over the directory `sockets`.
    ///
    /// # Errors
    /// If the system is out of descriptors.
    pub(crate) fn prepare(mark: Mark, sockets: &Path) -> Result<(Self, Unstarted), GuardError> {
        let (lifeline, far) = UnixStream::pair().map_err(GuardError::Lifeline)?;
        Ok((
            Self { lifeline: Arc::new(lifeline) },
            Unstarted { lifeline: far, mark, sockets: sockets.to_owned() },
        ))
    }

    /// Tells the guard of a socket outside the directory, which it removes in the end.
    pub(crate) fn watch(&self, socket: &Path) {
        tell(&self.lifeline, b'+', socket);
    }

    /// Tells the guard that such a socket is gone.
    pub(crate) fn forget(&self, socket: &Path) {
        tell(&self.lifeline, b'-', socket);
    }

    /// Tells the guard of a cgroup, which it removes in the end with everybody in it.
    pub(crate) fn entrust(&self, cgroup: &Path) -> Entrusted {
        tell(&self.lifeline, b'*', cgroup);
        Entrusted { path: cgroup.to_owned(), lifeline: Arc::downgrade(&self.lifeline) }
    }
}

impl Entrusted {
    /// Tells the guard that the cgroup is gone.
    pub(crate) fn forget(&self) {
        if let Some(lifeline) = self.lifeline.upgrade() {
            tell(&lifeline, b'-', &self.path);
        }
    }
}

fn tell(lifeline: &UnixStream, sign: u8, path: &Path) {
    let bytes = path.as_os_str().as_bytes();
    if !path.is_absolute() || bytes.contains(&b'\n') {
        return;
    }
    let line = [&[sign], bytes, b"\n"].concat();
    if let Err(error) = send(lifeline.as_fd(), &line) {
        tracing::warn!(%error, path = %path.display(), "the guard does not hear what it should remove");
    }
}

impl Unstarted {
    /// Starts the process, which must be reaped once the lifeline is closed.
    ///
    /// # Errors
    /// If the host's system has no guard, or forbids to run one from memory.
    pub(crate) fn start(self) -> Result<Child, GuardError> {
        if PROGRAM.is_empty() {
            return Err(GuardError::Unsupported);
        }
        let program = sealed_executable("jackfield-guard", PROGRAM).map_err(GuardError::Program)?;
        // Its environment is empty: it must not carry the mark it hunts.
        command(format!("/proc/self/fd/{}", program.as_raw_fd()))
            .arg0("jackfield-guard")
            .arg(self.mark.entry())
            .arg(self.sockets)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(self.lifeline)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(GuardError::Start)
    }
}

/// The guard, which would clean up behind a host that dies, is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The lifeline could not be made.
    #[error("failed to make the lifeline of the guard")]
    Lifeline(#[source] io::Error),
    /// The program could not be put into memory.
    #[error("failed to put the guard's program into memory")]
    Program(#[source] io::Error),
    /// The process could not be started.
    #[error("failed to start the guard's process")]
    Start(#[source] io::Error),
    /// There is no guard for this architecture.
    #[error("expected the architecture `x86_64` or `aarch64`, found `{}`", std::env::consts::ARCH)]
    Unsupported,
}

/// Made by the build script; empty where the guard does not exist.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guard"));
