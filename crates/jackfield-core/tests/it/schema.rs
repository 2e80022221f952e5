//! An interface that uses everything: its description, and its `.proto` file.

use std::collections::BTreeMap;

use jackfield_core::schema::Descriptor;
use jackfield_core::{
    ByteStream, Bytes, CallOptions, Error, Failure, Fault, Handle, Interface, Streaming, Value, interface,
};
use prost::Message as _;

use crate::types::{Colour, Everything, Figure};

/// Uses everything.
#[interface(service = "test.Full", version = "1.0")]
pub(crate) trait Full {
    /// By value.
    fn value(&self, everything: Everything, figure: Figure, colour: Colour) -> Result<Everything, Error>;
    /// By reference.
    fn reference(&self, text: &str, bytes: &[u8], list: &[Colour], all: &Everything) -> Result<u64, Error>;
    /// The same, asynchronously.
    async fn reference_async(&self, text: &str, bytes: &[u8], all: &Everything) -> Result<String, Error>;
    /// Lists, maps, options, tuples.
    async fn containers(
        &self,
        list: Vec<(i64, Option<String>)>,
        map: BTreeMap<String, Figure>,
        option: Option<Vec<u8>>,
    ) -> Result<(Vec<u32>, BTreeMap<bool, Bytes>), Error>;
    /// Streams in both directions.
    async fn streams(&self, factor: i64, numbers: Streaming<i64>) -> Result<Streaming<Figure>, Error>;
    /// Bytes in both directions.
    async fn bytes(&self, content: ByteStream) -> Result<ByteStream, Error>;
    /// Objects in both directions: of this interface, too.
    async fn objects(&self, listener: Handle<dyn Listener>) -> Result<Handle<dyn Full>, Error>;
    /// An error of the user's own.
    fn refuse(&self, code: u32) -> Result<(), Error<Refused>>;
    /// Has a default.
    fn greeting(&self, name: &str) -> Result<String, Error> {
        Ok(format!("{} {name}", self.reference(name, &[], &[], &Everything::default())?))
    }
    /// Has a default.
    async fn greeting_async(&self, name: &str) -> Result<String, Error> {
        self.reference_async(name, b"default", &Everything::default()).await
    }
}

/// Hears of things.
#[interface(service = "other.Listener", version = "1.0")]
pub(crate) trait Listener {
    /// Hears.
    fn hear(&self, event: String) -> Result<(), Error>;
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Value, Fault)]
#[fault(code = FAILED_PRECONDITION)]
pub(crate) enum Refused {
    #[fault(code = NOT_FOUND)]
    Unknown {
        code: u32,
    },
    Late,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { code } => write!(f, "unknown code {code}"),
            Self::Late => f.write_str("too late"),
        }
    }
}

impl std::error::Error for Refused {}

impl Default for Everything {
    fn default() -> Self {
        Self::absent().expect("every field may be absent")
    }
}

/// The description in a constant, as a plugin's note is.
const NOTE: jackfield_core::__private::Source = jackfield_core::__private::Source {
    name: "full",
    version: "1.0.0",
    symbol: "full",
    id: None,
    panic: "unwind",
    interfaces: &[<dyn Full as Interface>::SCHEMA],
};
static SECTION: [u8; NOTE.len()] = NOTE.bytes();

#[test]
fn the_note_describes_it_and_is_compatible_with_itself() {
    let note = jackfield_core::note::Note::parse(&SECTION).expect("our own note");
    let schema = <dyn Full as Interface>::SCHEMA;
    assert_eq!(schema.check(&note.interfaces[0]), Ok(()));
    assert_eq!(note.interfaces[0].others[0].service, "other.Listener");
    let methods = &note.interfaces[0].methods;
    let optional: Vec<_> = methods.iter().filter(|method| method.is_optional).collect();
    assert_eq!(optional.len(), 2);
    let streams = methods.iter().find(|method| method.name == "Streams").expect("it is described");
    assert_eq!(
        note.interfaces[0].signature(streams),
        "Streams(factor: int64, numbers: stream of int64) → stream of Figure"
    );
    let other = Descriptor::parse_service(&schema.to_file_descriptor(), "other.Listener");
    assert_eq!(<dyn Listener as Interface>::SCHEMA.check(&other.expect("it is described")), Ok(()));
}

#[test]
fn the_proto_file_compiles_to_the_same_description() {
    let schema = <dyn Full as Interface>::SCHEMA;
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("full.proto"), schema.to_proto()).expect("written");
    let compiled = protox::compile(["full.proto"], [directory.path()])
        .unwrap_or_else(|error| panic!("{error}\n{}", schema.to_proto()));
    let compiled = &compiled.file[0];
    let ours = prost_types::FileDescriptorProto::decode(&schema.to_file_descriptor()[..]).expect("ours");
    let names = |file: &prost_types::FileDescriptorProto| {
        file.message_type.iter().map(|message| message.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(compiled), names(&ours));
    for (compiled, ours) in compiled.message_type.iter().zip(&ours.message_type) {
        for (compiled, ours) in compiled.field.iter().zip(&ours.field) {
            let read = |field: &prost_types::FieldDescriptorProto| {
                (
                    field.name().to_owned(),
                    field.number(),
                    field.r#type(),
                    field.label(),
                    field.type_name().to_owned(),
                    field.oneof_index,
                    field.proto3_optional(),
                )
            };
            assert_eq!(read(compiled), read(ours));
        }
        assert_eq!(compiled.nested_type.len(), ours.nested_type.len());
        assert_eq!(compiled.oneof_decl, ours.oneof_decl);
    }
    assert_eq!(compiled.enum_type, ours.enum_type);
    for (compiled, ours) in compiled.service.iter().zip(&ours.service) {
        for (compiled, ours) in compiled.method.iter().zip(&ours.method) {
            let read = |method: &prost_types::MethodDescriptorProto| {
                (
                    method.input_type().to_owned(),
                    method.output_type().to_owned(),
                    method.client_streaming(),
                    method.server_streaming(),
                )
            };
            assert_eq!(read(compiled), read(ours));
        }
    }
}

#[test]
fn an_error_of_the_users_own_crosses_as_itself() {
    for error in [Refused::Unknown { code: 7 }, Refused::Late] {
        let failure = error.clone().into_failure();
        assert_eq!(failure.message(), error.to_string());
        assert_eq!(Refused::from_failure(failure), Ok(error));
    }
    let other = Failure::new("something else");
    assert_eq!(Refused::from_failure(other.clone()), Err(other));
}

#[test]
fn options_have_an_order() {
    let options = CallOptions::new().metadata("a", "1").metadata("b", "2");
    assert_eq!(options.entries().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
}

#[test]
fn the_proto_file_of_anybody_compiles_to_the_same_description() {
    let compile = |text: &str| {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("their.proto"), text).expect("written");
        let compiled = protox::compile(["their.proto"], [directory.path()]);
        let files = compiled.unwrap_or_else(|error| panic!("{error}\n{text}")).file;
        // The file that was asked for is the last.
        let files = files.iter().rev().map(|file| {
            let mut file = file.clone();
            file.source_code_info = None;
            file.encode_to_vec().into()
        });
        files.collect::<Vec<bytes::Bytes>>()
    };
    for text in [
        THEIRS,
        "syntax = \"proto2\";\nmessage A { required int32 a = 1; optional A b = 2; repeated int64 c = 3; }\nservice S { rpc Go(A) returns (A); }",
    ] {
        let files = compile(text);
        let service = if text == THEIRS { "their.v1.Store" } else { "S" };
        let found = Descriptor::parse_files(&files, service).expect("a description");
        assert_eq!(compile(&found.to_proto()), files, "{}", found.to_proto());
    }
}

const THEIRS: &str = r#"
syntax = "proto3";
package their.v1;
import "google/protobuf/empty.proto";
service Store {
  rpc Put(Item) returns (google.protobuf.Empty);
  rpc Watch(stream Item.Key) returns (stream Item);
}
message Item {
  message Key { string name = 1; optional uint32 hash = 2; }
  enum State { STATE_UNKNOWN = 0; STATE_KEPT = 1; }
  Key key = 1;
  oneof content { bytes raw = 2; string link = 5; }
  map<string, Key> others = 3;
  repeated State states = 4;
  sfixed64 at = 6;
}
enum Level { option allow_alias = true; NONE = 0; OFF = 0; }
"#;
