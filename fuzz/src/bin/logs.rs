//! What a plugin writes to its standard error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jackfield_process::fuzzing::logs(bytes));
