//! Go's net/rpc in gobs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jackfield_process::fuzzing::gob(bytes));
