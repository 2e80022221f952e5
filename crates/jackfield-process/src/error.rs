//! What can go wrong while a plugin's process starts.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::Step;

use crate::checksum::ChecksumError;
use crate::child::{Death, GuardError, SpawnError};
use crate::grpc::status::innermost;
use crate::grpc::{BrokerError, ConnectError};
use crate::handshake::HandshakeError;
use crate::tls::TlsError;

/// A plugin's process could not be started, or did not become a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The host's own side could not be set up.
    #[error("failed to set up the process backend")]
    Backend(#[from] BackendError),
    /// The program is not the one that it should be.
    #[error("failed to check the program's digest")]
    Checksum(#[from] ChecksumError),
    /// The connection could not be made.
    #[error("failed to connect to the plugin")]
    Connect(#[source] ConnectError),
    /// It ended the connection before it answered anything.
    #[error(
        "the plugin ended the connection before its first answer: {reason}\n\
         (hint: do both sides bring the same TLS?)"
    )]
    Disconnected {
        /// What the wire said.
        reason: String,
    },
    /// What the host offers the plugin cannot be served.
    #[error("failed to serve what the host offers")]
    Offer(#[source] BrokerError),
    /// The process ended before it announced itself.
    #[error("plugin {death} before the handshake{}", tail(death))]
    ExitedEarly {
        /// How it ended, and its last words.
        death: Arc<Death>,
    },
    /// The line it announced itself with is of no use.
    #[error("the handshake failed{}", .death.as_ref().map(|death| format!(" (the plugin {death})")).unwrap_or_default())]
    Handshake {
        /// What is wrong with the line.
        source: HandshakeError,
        /// The end of the process, if it ended too.
        death: Option<Arc<Death>>,
    },
    /// The program needs a shared library that is not there.
    #[error(
        "the plugin needs the shared library `{library}`, which is not found\n\
         (hint: `ldd` lists what a program needs and where that is)"
    )]
    Library {
        /// The library.
        library: String,
        /// How it ended, and what the loader said.
        death: Arc<Death>,
    },
    /// It closed its output, yet goes on.
    #[error("the plugin closed its standard output without a handshake")]
    NoLine,
    /// The connection was to live on the loader's runtime, which is gone or cannot bear one.
    #[error(
        "the runtime on which the connection was to live has ended, or has its I/O or its clock disabled\n\
         (hint: build it with `enable_all`, and drive it until the plugin is loaded)"
    )]
    NoRuntime,
    /// The backend's I/O thread is gone.
    #[error("the I/O thread of the process backend has ended")]
    NoThread,
    /// It did not become a plugin where the runner runs it.
    #[error("the plugin did not start where its runner runs it\n({diagnosis})")]
    Runner {
        /// What the runner says of it.
        diagnosis: String,
        /// What went wrong.
        source: Box<Self>,
    },
    /// It does not speak net/rpc as go-plugin does, or refused to be one.
    #[cfg(feature = "netrpc")]
    #[error("failed to talk to the plugin over net/rpc")]
    Rpc(#[from] crate::netrpc::RpcError),
    /// What the plugin that it replaces has saved could not be written to where it finds it.
    #[error("failed to pass on what the plugin before this one saved")]
    Saved(#[source] io::Error),
    /// The system could not start the program.
    #[error("failed to start `{program}`")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        source: SpawnError,
    },
    /// The process could not be watched.
    #[error("failed to watch the plugin's process")]
    Supervise(#[source] io::Error),
    /// It did not announce itself, or did not answer, in time.
    #[error("expected a handshake within {} s, found none", .0.as_secs_f32())]
    Timeout(Duration),
    /// AutoMTLS could not be prepared.
    #[error("failed to prepare AutoMTLS")]
    Tls(#[from] TlsError),
    /// A program without a handshake did not come to answer, as it does once it has read what was saved.
    #[cfg(feature = "stdio")]
    #[error("expected the program to answer once it has read what was saved")]
    Unanswered(#[source] jackfield_core::CallError),
    /// It runs, but it is not well: its health check says so, or does not answer.
    #[error("the plugin is not well: {reason}")]
    Unhealthy {
        /// What it says.
        reason: String,
    },
}

impl StartError {
    /// The step of a load at which it failed.
    pub fn step(&self) -> Step {
        match self {
            Self::Checksum(_) => Step::Read,
            Self::Runner { source, .. } => source.step(),
            Self::Unhealthy { .. } => Step::Health,
            _ => Step::Start,
        }
    }
}

impl From<ConnectError> for StartError {
    /// The plugin that refuses this host may close before or after this host's first bytes; both are one event.
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Http(error) => Self::Disconnected { reason: innermost(&error) },
            error @ (ConnectError::Socket(_) | ConnectError::Tls(_)) => Self::Connect(error),
        }
    }
}

/// The host's side of the process backend could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The guard could not be prepared.
    #[error("failed to prepare the guard")]
    Guard(#[from] GuardError),
    /// The system gave no random numbers.
    #[error("failed to mark the plugins of this host")]
    Mark(#[source] io::Error),
    /// The directory for sockets could not be made.
    #[error("failed to make a directory for sockets")]
    SocketDirectory(#[source] io::Error),
    /// The I/O thread could not be started, or is gone.
    #[error("failed to start the I/O thread")]
    Thread(#[source] io::Error),
}

impl StartError {
    /// The process ended before it announced itself.
    pub(crate) fn exited(death: Arc<Death>) -> Self {
        match missing_library(&death).map(str::to_owned) {
            Some(library) => Self::Library { library, death },
            None => Self::ExitedEarly { death },
        }
    }
}

/// The shared library that a loader did not find, by its own words: glibc's, or musl's.
fn missing_library(death: &Death) -> Option<&str> {
    death.status.and_then(|status| status.code()).filter(|code| *code == NOT_LOADED)?;
    death.stderr_tail.lines().find_map(|line| {
        let glibc = line.split_once("error while loading shared libraries: ");
        let musl = || line.split_once("Error loading shared library ");
        let (_, words) = glibc.or_else(musl)?;
        // Of a library that is there it may say that it cannot be mapped, or is for another machine.
        let (library, reason) = words.split_once(": ")?;
        reason.contains("No such file").then_some(library)
    })
}

/// With which a loader ends that does not find what it needs.
const NOT_LOADED: i32 = 127;

fn tail(death: &Death) -> String {
    match death.stderr_tail.trim_end() {
        "" => String::new(),
        tail => format!("\n(its standard error ends with)\n{tail}"),
    }
}

/// An error with its causes, for people.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}
