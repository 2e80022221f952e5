//! What compiles, and the text of each mistake. `TRYBUILD=overwrite` renews the texts.

use std::process::Command;

#[test]
fn interfaces_that_are_none_are_told_apart() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/pass/*.rs");
    if is_known_compiler() {
        cases.compile_fail("tests/fail/*.rs");
    }
}

/// The texts are the compiler's too, which says them otherwise in other versions.
#[expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "whoever runs the tests must see what was not tested"
)]
fn is_known_compiler() -> bool {
    let version = Command::new("rustc").arg("--version").output().expect("the compiler of this test");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let is_known = version.starts_with(KNOWN);
    if !is_known {
        eprintln!("not tested: the texts of mistakes, which are those of {KNOWN}, not of {version}");
    }
    is_known
}

const KNOWN: &str = "rustc 1.95.";
