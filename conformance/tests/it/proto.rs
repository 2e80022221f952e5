//! The `.proto` text of an interface, as the real protoc reads it.

use jackfield_core::schema::Descriptor;
use jackfield_core::{Interface, Schema};
use jackfield_fixtures::{available, protoc};

#[test]
fn protoc_reads_the_text_of_every_interface() {
    check(<dyn kv_interface::Kv as Interface>::SCHEMA);
    check(<dyn probe_interface::Probe as Interface>::SCHEMA);
    check(<dyn studio_interface::Studio as Interface>::SCHEMA);
}

/// What protoc makes of the text describes the same interface as the schema does.
fn check(schema: &'static Schema) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("interface.proto");
    std::fs::write(&file, schema.to_proto()).expect("written");
    let Some(set) = available(protoc(&file)) else { return };
    // A set is a message whose field 1 is a file, the last of which is the one that was asked for.
    let mut reader = jackfield_core::codec::Reader::new(&set);
    let mut last = None;
    while let Some(file) = reader.next_field().expect("a set") {
        last = Some(file.bytes().expect("a file").to_vec());
    }
    let found = Descriptor::parse_service(&last.expect("a file"), schema.service).expect("a description");
    assert_eq!(schema.check(&found), Ok(()), "{}", schema.to_proto());
}
