//! What runs a file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jackfield_process::fuzzing::executable(bytes));
