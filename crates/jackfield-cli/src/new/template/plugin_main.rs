//! The plugin as a program.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    __crate___plugin::serve()
}
