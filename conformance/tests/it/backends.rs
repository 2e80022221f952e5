//! The backends, each with two versions of the same plugin.

use jackfield::Candidate;
use jackfield::native::NativeBackend;
use jackfield::netrpc::NetRpc;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::stdio::{StdioCodec, StdioPlugin};
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
    both(|name| program(name, &configure))
}

/// Child processes over go-plugin's older protocol.
pub(crate) fn netrpc() -> Versions {
    both(over_net_rpc)
}

/// Child processes that talk in gobs over their standard input and output.
pub(crate) fn gob() -> Versions {
    both(|name| talking(name, "gob", StdioCodec::Gob))
}

/// The same in JSON.
pub(crate) fn json() -> Versions {
    both(|name| talking(name, "json", StdioCodec::Json))
}

/// The same in JSON-RPC 2.0.
pub(crate) fn json2() -> Versions {
    both(|name| talking(name, "json2", StdioCodec::Json2))
}

fn both(plugin: impl Fn(&'static str) -> Box<dyn Candidate>) -> Versions {
    Versions { one: plugin("probe-one"), two: plugin("probe-two") }
}

fn program(name: &str, configure: impl Fn(ProcessPlugin) -> ProcessPlugin) -> Box<dyn Candidate> {
    let backend = ProcessBackend::start().expect("processes can be started");
    Box::new(configure(ProcessPlugin::new(build().program(name))).backend(&backend))
}

fn over_net_rpc(name: &'static str) -> Box<dyn Candidate> {
    program(name, |plugin| plugin.args(["netrpc"]).net_rpc(NetRpc::new(name).allow_lacking()))
}

fn talking(name: &str, wire: &str, codec: StdioCodec) -> Box<dyn Candidate> {
    let backend = ProcessBackend::start().expect("processes can be started");
    let plugin = StdioPlugin::new(build().program(name)).args([wire]).codec(codec);
    Box::new(plugin.allow_lacking().backend(&backend))
}

fn build() -> Artifacts {
    jackfield_fixtures::build(&Build::fixtures()).expect("the fixtures build")
}

/// The studio, as each lane reaches it.
pub(crate) mod studio {
    use super::{Candidate, NativeBackend, ProcessPlugin, StdioCodec, build, over_net_rpc, program, talking};

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
        program("studio", |plugin| plugin)
    }

    /// A child process with TLS, whose objects share the one socket.
    pub(crate) fn process_multiplexed() -> Box<dyn Candidate> {
        program("studio", |plugin| plugin.auto_mtls().multiplex())
    }

    /// A child process to which each of the host's runtimes has a connection of its own.
    pub(crate) fn process_per_runtime() -> Box<dyn Candidate> {
        program("studio", ProcessPlugin::connection_per_runtime)
    }

    /// A child process over go-plugin's older protocol.
    pub(crate) fn netrpc() -> Box<dyn Candidate> {
        over_net_rpc("studio")
    }

    /// A child process that talks in gobs over its standard input and output.
    pub(crate) fn gob() -> Box<dyn Candidate> {
        talking("studio", "gob", StdioCodec::Gob)
    }

    /// The same in JSON.
    pub(crate) fn json() -> Box<dyn Candidate> {
        talking("studio", "json", StdioCodec::Json)
    }

    /// A shared library whose types are taken to have another layout than the host's.
    #[expect(unsafe_code, reason = "a host writes it once")]
    pub(crate) fn encoded() -> Box<dyn Candidate> {
        // SAFETY: as above.
        Box::new(unsafe { NativeBackend::new() }.encoded().library(build().library("studio")))
    }
}
