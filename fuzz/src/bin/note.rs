//! The section with a plugin's note, and the note alone.
#![no_main]

use jackfield_core::note::{Note, unframe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = unframe(bytes) {
        assert!(note.len() + 24 <= bytes.len());
        let _ = Note::parse(note);
    }
    if let Err(error) = Note::parse(bytes) {
        assert!(!error.to_string().is_empty());
    }
});
