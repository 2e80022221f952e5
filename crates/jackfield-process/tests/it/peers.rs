//! Builds the Go peers and describes their interface.

use std::path::PathBuf;

use jackfield_core::__private::MethodSpec;
use jackfield_core::{Bytes, Description, Field, Interface, Kind, Method, Mode, Schema, Shape};
use jackfield_fixtures::{Build, GoModule, Profile, available, go_programs};
use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};

/// What the KV peers agree on.
pub(crate) fn handshake() -> Handshake {
    Handshake::new(1, "WKY_PLUGIN", "wukaiying")
}

/// The two generations of Go peers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Go {
    Newest,
    V1_4,
}

impl Go {
    /// Whether the peers can be built here; if not, says so. In CI they have to be.
    pub(crate) fn is_here() -> bool {
        available(go_programs(GoModule::Newest)).is_some()
    }

    /// The folder with the programs of this generation, built once per run.
    pub(crate) fn programs(self) -> PathBuf {
        let module = match self {
            Self::Newest => GoModule::Newest,
            Self::V1_4 => GoModule::V1_4,
        };
        available(go_programs(module)).expect("a test that needs Go asks first whether it is here")
    }

    /// The plugin, to be loaded on `backend`.
    pub(crate) fn plugin(self, backend: &ProcessBackend) -> ProcessPlugin {
        ProcessPlugin::new(self.programs().join("kv-plugin")).handshake(handshake()).backend(backend)
    }
}

/// The program of the example `kv_plugin`, built once per run: not every way to run a test builds it.
pub(crate) fn our_plugin() -> PathBuf {
    // Where it is brought along, there is no cargo: see `cargo xtask vm`.
    if let Some(program) = std::env::var_os("JACKFIELD_TEST_PLUGIN") {
        return program.into();
    }
    let build = Build::fixtures().profile(Profile::own());
    jackfield_fixtures::build(&build).expect("the example builds").program("kv_plugin").to_owned()
}

/// The interface of the peers.
pub(crate) static KV: Schema = Schema { service: "proto.KV", version: "1.0", methods: &[GET, PUT] };

pub(crate) static GET: Method = Method {
    name: "Get",
    path: "/proto.KV/Get",
    mode: Mode::Async,
    arguments: &[Field::new("key", 1, Shape::Singular(Kind::String))],
    result: &[Field::new("value", 1, Shape::Singular(Kind::Bytes))],
    is_optional: false,
};

pub(crate) static PUT: Method = Method {
    name: "Put",
    path: "/proto.KV/Put",
    mode: Mode::Async,
    arguments: &[
        Field::new("key", 1, Shape::Singular(Kind::String)),
        Field::new("value", 2, Shape::Singular(Kind::Bytes)),
    ],
    result: &[],
    is_optional: false,
};

/// A message whose fields, numbered from 1, hold these bytes.
pub(crate) fn message<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut message = Vec::new();
    for (index, field) in fields.into_iter().enumerate() {
        message.push(((index + 1) << 3 | 2) as u8);
        let mut length = field.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(field);
    }
    message.into()
}

/// The bytes of the first field of a message.
pub(crate) fn first_field(message: &Bytes) -> Bytes {
    if message.is_empty() {
        return Bytes::new();
    }
    assert_eq!(message[0], 0x0a);
    let size = message[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    message.slice(1 + size..)
}

/// The interface as a host describes it.
pub(crate) fn description() -> Description {
    Description::of::<dyn Kv>()
}

/// The interface without the methods that its macro would give it: these tests make raw calls.
trait Kv: Send + Sync {}

impl Interface for dyn Kv {
    const SCHEMA: &'static Schema = &KV;
    const SPECS: &'static [MethodSpec] = &[];
}

/// Waits until a process has ended, and fails if that takes too long.
pub(crate) fn wait_for_end(process: &impl std::os::fd::AsFd) {
    let mut handles = [rustix::event::PollFd::new(process, rustix::event::PollFlags::IN)];
    let patience = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut handles, Some(&patience)).unwrap(), 1, "the process goes on");
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
