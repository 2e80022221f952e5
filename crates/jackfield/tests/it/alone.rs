//! Runs a test in a process of its own, since it changes or ends the whole process.

use std::process::{Command, Output};

/// Runs the test of this name again, alone; `None` in the process where it is alone.
#[expect(clippy::disallowed_methods, reason = "it starts this very program")]
pub(crate) fn run_alone(test: &str) -> Option<Output> {
    if std::env::var_os(ALONE).is_some() {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    // Memory is compared: that each thread takes an arena of its own is the allocator's affair.
    command.env("MALLOC_ARENA_MAX", "1");
    Some(command.output().expect("it starts"))
}

const ALONE: &str = "JACKFIELD_TEST_ALONE";
