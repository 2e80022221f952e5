//! The backends, each with two versions of the same plugin.

use jackfield::Candidate;
use jackfield::native::NativeBackend;
use jackfield::netrpc::NetRpc;
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::stdio::{StdioCodec, StdioPlugin};
use jackfield_fixtures::{Artifacts, Build, GoModule, available, go_programs};

/// Two versions of the probe, as one backend loads them.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "these are all")]
pub struct Versions {
    /// The first.
    pub one: Box<dyn Candidate>,
    /// The second.
    pub two: Box<dyn Candidate>,
}

/// Linked into this program.
pub fn linked() -> Versions {
    both(in_this_program)
}

/// Shared libraries.
pub fn native() -> Versions {
    both(library)
}

/// Child processes.
pub fn process() -> Versions {
    processes(|plugin| plugin)
}

/// Child processes with TLS on the socket.
pub fn process_mtls() -> Versions {
    processes(ProcessPlugin::auto_mtls)
}

/// Child processes with TLS, all of whose connections share the one socket.
pub fn process_multiplexed() -> Versions {
    processes(|plugin| plugin.auto_mtls().multiplex())
}

/// Child processes that are written in Go, if they can be built here.
///
/// Without TLS, since each start would take Go a tenth of a second more, and the tests of interoperation have it.
pub fn go() -> Option<Versions> {
    let program = available(go_programs(GoModule::Newest))?.join("probe-plugin");
    let version = |number| -> Box<dyn Candidate> {
        Box::new(ProcessPlugin::new(&program).args([number]).multiplex().backend(&started()))
    };
    Some(Versions { one: version("1"), two: version("2") })
}

fn processes(configure: impl Fn(ProcessPlugin) -> ProcessPlugin) -> Versions {
    both(|name| program(name, &configure))
}

/// Child processes over go-plugin's older protocol.
pub fn netrpc() -> Versions {
    both(over_net_rpc)
}

/// Child processes that talk in gobs over their standard input and output.
pub fn gob() -> Versions {
    both(|name| talking(name, "gob", StdioCodec::Gob))
}

/// The same in JSON.
pub fn json() -> Versions {
    both(|name| talking(name, "json", StdioCodec::Json))
}

/// The same in JSON-RPC 2.0.
pub fn json2() -> Versions {
    both(|name| talking(name, "json2", StdioCodec::Json2))
}

fn both(plugin: impl Fn(&'static str) -> Box<dyn Candidate>) -> Versions {
    Versions { one: plugin("probe-one"), two: plugin("probe-two") }
}

/// A fixture that is linked into this program.
pub(crate) fn in_this_program(name: &str) -> Box<dyn Candidate> {
    Box::new(match name {
        "probe-one" => probe_one::PLUGIN,
        "probe-two" => probe_two::PLUGIN,
        "studio" => ::studio::PLUGIN,
        other => panic!("`{other}` is not linked into this program"),
    })
}

pub(crate) fn library(name: &str) -> Box<dyn Candidate> {
    Box::new(vouched_for().library(build().library(name)))
}

/// The backend of shared libraries.
#[expect(unsafe_code, reason = "a host writes it once")]
pub(crate) fn vouched_for() -> NativeBackend {
    // SAFETY: libraries of this repository only are loaded.
    unsafe { NativeBackend::new() }
}

pub(crate) fn program(name: &str, configure: impl Fn(ProcessPlugin) -> ProcessPlugin) -> Box<dyn Candidate> {
    Box::new(configure(ProcessPlugin::new(build().program(name))).backend(&started()))
}

fn started() -> ProcessBackend {
    ProcessBackend::start().expect("processes can be started")
}

fn over_net_rpc(name: &'static str) -> Box<dyn Candidate> {
    program(name, |plugin| speaking_net_rpc(plugin, name))
}

pub(crate) fn speaking_net_rpc(plugin: ProcessPlugin, name: &str) -> ProcessPlugin {
    plugin.args(["netrpc"]).net_rpc(NetRpc::new(name).allow_lacking())
}

pub(crate) fn talking(name: &str, wire: &str, codec: StdioCodec) -> Box<dyn Candidate> {
    let plugin = StdioPlugin::new(build().program(name)).args([wire]).codec(codec);
    Box::new(plugin.allow_lacking().backend(&started()))
}

/// What the tests load.
pub(crate) fn build() -> Artifacts {
    jackfield_fixtures::build(&Build::fixtures()).expect("the fixtures build")
}

/// The studio, as each lane reaches it.
pub mod studio {
    use super::{
        Candidate, ProcessPlugin, StdioCodec, build, in_this_program, library, over_net_rpc, program,
        talking, vouched_for,
    };

    /// Linked into this program.
    pub fn linked() -> Box<dyn Candidate> {
        in_this_program("studio")
    }

    /// A shared library.
    pub fn native() -> Box<dyn Candidate> {
        library("studio")
    }

    /// A child process, whose objects have sockets of their own.
    pub fn process() -> Box<dyn Candidate> {
        program("studio", |plugin| plugin)
    }

    /// A child process with TLS, whose objects share the one socket.
    pub fn process_multiplexed() -> Box<dyn Candidate> {
        program("studio", |plugin| plugin.auto_mtls().multiplex())
    }

    /// A child process to which each of the host's runtimes has a connection of its own.
    pub fn process_per_runtime() -> Box<dyn Candidate> {
        program("studio", ProcessPlugin::connection_per_runtime)
    }

    /// A child process over go-plugin's older protocol.
    pub fn netrpc() -> Box<dyn Candidate> {
        over_net_rpc("studio")
    }

    /// A child process that talks in gobs over its standard input and output.
    pub fn gob() -> Box<dyn Candidate> {
        talking("studio", "gob", StdioCodec::Gob)
    }

    /// The same in JSON.
    pub fn json() -> Box<dyn Candidate> {
        talking("studio", "json", StdioCodec::Json)
    }

    /// The same in version 2.0 of JSON-RPC.
    pub fn json2() -> Box<dyn Candidate> {
        talking("studio", "json2", StdioCodec::Json2)
    }

    /// A shared library whose types are taken to have another layout than the host's.
    pub fn encoded() -> Box<dyn Candidate> {
        Box::new(vouched_for().encoded().library(build().library("studio")))
    }
}
