//! Runs the command, as a person does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jackfield_fixtures::{Artifacts, Build, Profile};

/// Runs the command with nothing on its stdin.
pub(crate) fn jackfield(arguments: &[&str]) -> Output {
    jackfield_reading(arguments, "")
}

/// Runs the command with this text on its stdin.
pub(crate) fn jackfield_reading(arguments: &[&str], stdin: &str) -> Output {
    run(Path::new("."), arguments, stdin)
}

/// Runs the command in a directory, with this text on its stdin.
#[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
pub(crate) fn run(directory: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.env_remove("RUST_LOG").spawn().expect("it starts");
    // A command that reads nothing may have ended already.
    let _read_or_not = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// What it printed, on both.
pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What it printed, if it succeeded.
pub(crate) fn succeeds(arguments: &[&str]) -> String {
    let output = jackfield(arguments);
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{arguments:?}: {stderr}\n{stdout}");
    stdout
}

/// What it said on stderr, if it ended with this exit code.
pub(crate) fn fails(code: i32, arguments: &[&str]) -> String {
    let output = jackfield(arguments);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}\n{stdout}");
    stderr
}

/// The plugins that the tests are about.
pub(crate) fn plugins() -> Artifacts {
    let build = Build::fixtures().profile(Profile::own());
    jackfield_fixtures::build(&build).expect("they build")
}

/// The library of a plugin.
pub(crate) fn library(plugin: &str) -> String {
    plugins().library(plugin).display().to_string()
}

/// A directory that ends with the test.
pub(crate) fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    (directory, path)
}
