//! The backends, each with two versions of the same plugin.

use jackfield::Candidate;
use jackfield::native::NativeBackend;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield_fixtures::{Artifacts, Build};

/// Two versions of the probe, as one backend loads them.
pub(crate) struct Versions {
    pub(crate) one: Box<dyn Candidate>,
    pub(crate) two: Box<dyn Candidate>,
}

/// Linked into this program.
pub(crate) fn linked() -> Versions {
    Versions { one: Box::new(probe_one::PLUGIN), two: Box::new(probe_two::PLUGIN) }
}

/// Shared libraries.
#[expect(unsafe_code, reason = "a host writes it once")]
pub(crate) fn native() -> Versions {
    // SAFETY: the suite loads libraries of this repository only.
    let backend = unsafe { NativeBackend::new() };
    let built = build();
    Versions {
        one: Box::new(backend.library(built.library("probe-one"))),
        two: Box::new(backend.library(built.library("probe-two"))),
    }
}

/// Child processes.
pub(crate) fn process() -> Versions {
    processes(|plugin| plugin)
}

/// Child processes with TLS on the socket.
pub(crate) fn process_mtls() -> Versions {
    processes(ProcessPlugin::auto_mtls)
}

fn processes(configure: impl Fn(ProcessPlugin) -> ProcessPlugin) -> Versions {
    let backend = ProcessBackend::start().expect("processes can be started");
    let built = build();
    let plugin = |name| configure(ProcessPlugin::new(built.program(name)).backend(&backend));
    Versions { one: Box::new(plugin("probe-one")), two: Box::new(plugin("probe-two")) }
}

fn build() -> Artifacts {
    jackfield_fixtures::build(&Build::fixtures()).expect("the fixtures build")
}

/// The studio, as each lane reaches it.
pub(crate) mod studio {
    use super::{Candidate, NativeBackend, ProcessBackend, ProcessPlugin, build};

    /// Linked into this program.
    pub(crate) fn linked() -> Box<dyn Candidate> {
        Box::new(::studio::PLUGIN)
    }

    /// A shared library.
    #[expect(unsafe_code, reason = "a host writes it once")]
    pub(crate) fn native() -> Box<dyn Candidate> {
        // SAFETY: the suite loads libraries of this repository only.
        Box::new(unsafe { NativeBackend::new() }.library(build().library("studio")))
    }

    /// A child process, whose objects have sockets of their own.
    pub(crate) fn process() -> Box<dyn Candidate> {
        processes(|plugin| plugin)
    }

    /// A child process with TLS, whose objects share the one socket.
    pub(crate) fn process_multiplexed() -> Box<dyn Candidate> {
        processes(|plugin| plugin.auto_mtls().multiplex())
    }

    /// A child process to which each of the host's runtimes has a connection of its own.
    pub(crate) fn process_per_runtime() -> Box<dyn Candidate> {
        processes(ProcessPlugin::connection_per_runtime)
    }

    fn processes(configure: impl Fn(ProcessPlugin) -> ProcessPlugin) -> Box<dyn Candidate> {
        let backend = ProcessBackend::start().expect("processes can be started");
        Box::new(configure(ProcessPlugin::new(build().program("studio"))).backend(&backend))
    }

    /// A shared library whose types are taken to have another layout than the host's.
    #[expect(unsafe_code, reason = "a host writes it once")]
    pub(crate) fn encoded() -> Box<dyn Candidate> {
        // SAFETY: as above.
        Box::new(unsafe { NativeBackend::new() }.encoded().library(build().library("studio")))
    }
}
