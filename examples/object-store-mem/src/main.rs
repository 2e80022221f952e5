//! The plugin as a program.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    object_store_mem::serve()
}
