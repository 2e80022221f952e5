//! The tables of a library's file, in the format of each system.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jackfield_native::fuzzing::tables(bytes));
