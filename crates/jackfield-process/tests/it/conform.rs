//! A plugin with another interface is refused before it is called.

use jackfield_core::__private::MethodSpec;
use jackfield_core::schema::Descriptor;
use jackfield_core::{
    Candidate, Context, Description, Field, Interface, Kind, Load, LoadErrorKind, Method, Mode, Schema, Shape,
};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::run;
use crate::peers::{Go, handshake, our_plugin};

trait Other: Send + Sync {}

impl Interface for dyn Other {
    const SCHEMA: &'static Schema = &Schema { service: "proto.Other", version: "1.0", methods: &[] };
    const SPECS: &'static [MethodSpec] = &[];
}

/// The same service by name, but its keys are numbers.
trait Numbered: Send + Sync {}

impl Interface for dyn Numbered {
    const SCHEMA: &'static Schema =
        &Schema { service: "proto.KV", version: "1.0", methods: &[GET_BY_NUMBER] };
    const SPECS: &'static [MethodSpec] = &[];
}

const GET_BY_NUMBER: Method = Method {
    name: "Get",
    path: "/proto.KV/Get",
    mode: Mode::Async,
    arguments: &[Field::new("key", 1, Shape::Singular(Kind::Int64))],
    result: &[],
    is_optional: false,
};

fn refusal<I: Interface + ?Sized>(plugin: &ProcessPlugin) -> LoadErrorKind {
    let load = Load::new(Context::new("kv", []), Description::of::<I>());
    let error = run(plugin.load(&load)).unwrap_err();
    match error.kind() {
        LoadErrorKind::Incompatible(kind) => LoadErrorKind::Incompatible(kind.clone()),
        LoadErrorKind::Interface { expected, found } => {
            LoadErrorKind::Interface { expected, found: found.clone() }
        }
        _ => panic!("{error:?}"),
    }
}

pub(crate) fn is_refused(plugin: &ProcessPlugin) {
    let other = refusal::<dyn Other>(plugin).to_string();
    assert_eq!(other, "expected the interface `proto.Other`, but it implements `proto.KV`");
    let LoadErrorKind::Incompatible(kind) = refusal::<dyn Numbered>(plugin) else { panic!() };
    assert!(kind.to_string().contains("key"), "{kind}");
}

#[test]
fn a_go_plugin_with_another_interface_is_refused() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    is_refused(&Go::Newest.plugin(&backend));
    is_refused(&Go::V1_4.plugin(&backend));
}

#[test]
fn a_plugin_of_ours_with_another_interface_is_refused() {
    let backend = ProcessBackend::start().unwrap();
    is_refused(&ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend));
}

/// One that says on its line that it serves what its host told it is not asked, save by a host that has told it nothing: one that
/// has only read the interface somewhere. (It lies here, which shows who believes it; a call names the method that it lacks.)
#[test]
fn a_plugin_that_says_that_it_conforms_is_not_asked() {
    let backend = ProcessBackend::start().unwrap();
    let script = r#""$0" | sed -u '1s/$/|||conforms/'"#;
    let plugin = ProcessPlugin::new("sh").args(["-c", script]).args([our_plugin()]);
    let plugin = plugin.handshake(handshake()).backend(&backend);
    let load = |interface| run(plugin.load(&Load::new(Context::new("kv", []), interface)));
    let other = Description::of::<dyn Other>();
    drop(load(other).unwrap());
    let read = Descriptor::parse(&other.schema().to_file_descriptor()).unwrap();
    let refused = load(Description::dynamic(&read)).unwrap_err();
    assert!(matches!(refused.kind(), LoadErrorKind::Interface { .. }), "{refused:?}");
}
