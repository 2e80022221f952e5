//! The description of an interface, its text, and whether what it describes may serve a host.
#![no_main]

use jackfield_core::schema::Descriptor;
use jackfield_core::{Interface, Schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(found) = Descriptor::parse(bytes) else { return };
    assert!(found.to_proto().starts_with("// The interface `"));
    for schema in
        [<dyn probe_interface::Probe as Interface>::SCHEMA, <dyn kv_interface::Kv as Interface>::SCHEMA]
    {
        check(schema, found.clone());
    }
});

/// The check of an interface, of this name or of the host's own.
fn check(schema: &'static Schema, mut found: Descriptor) {
    if let Err(error) = schema.check(&found) {
        assert!(!error.to_string().is_empty());
    }
    schema.service.clone_into(&mut found.service);
    if let Err(error) = schema.check(&found) {
        assert!(!error.to_string().is_empty());
    }
}
