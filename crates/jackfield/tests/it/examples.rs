//! The examples of the symbols, each compared with what it has to print, to the letter; and that of an algorithm.

use std::path::Path;
use std::process::Command;

use distance::{Distance, Levenshtein};
use jackfield::{Context, Handle, Manager};

use crate::support::{block_on, copy, libraries, native};

/// Runs an example's host and returns what it printed on stdout and stderr, and its exit code.
#[expect(clippy::disallowed_methods, reason = "an example is a program")]
fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a Path>) -> (String, String, Option<i32>) {
    let mut command = Command::new(libraries().program(program));
    // A backtrace would be part of what is compared.
    command.args(arguments).env_remove("RUST_BACKTRACE").env("RUST_LIB_BACKTRACE", "0");
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("a text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn printed(stdout: &str, stderr: &str, code: i32) -> (String, String, Option<i32>) {
    (stdout.to_owned(), stderr.to_owned(), Some(code))
}

#[test]
fn an_algorithm_is_a_plugin() {
    let manager = Manager::new();
    let library = native().library(libraries().library("distance"));
    let distance: Handle<dyn Distance> = block_on(manager.load("distance", &library)).expect("it loads");
    let own = Levenshtein::open(&Context::new("own", [])).expect("it never fails");
    for (one, other, expected) in
        [("kitten", "sitting", 3), ("", "four", 4), ("four", "", 4), ("naïve", "naive", 1), ("a", "a", 0)]
    {
        assert_eq!(distance.between(one, other), Ok(expected), "{one} {other}");
        assert_eq!(own.between(other, one), Ok(expected), "{other} {one}");
    }
}

#[test]
fn variables_a_struct_and_a_channel_without_a_buffer() {
    let expected = "plugin load...\nValue in plugin: 7\nPluginTest 11 15396656998\n";
    assert_eq!(run("value", [libraries().library("symbols-value")]), printed(expected, "44\n", 0));
}

#[test]
fn the_example_of_the_documentation_of_gos_package() {
    let library = libraries().library("symbols-number").to_owned();
    assert_eq!(run("number", [&*library]), printed("Hello, number 7\n", "", 0));
}

#[test]
fn a_variable_is_not_its_value() {
    let library = libraries().library("symbols-hello").to_owned();
    let hello =
        |arguments: &[&str]| run("hello", std::iter::once(&*library).chain(arguments.iter().map(Path::new)));
    assert_eq!(hello(&[]), printed("hello from plugin.go\n", "", 0));
    assert_eq!(hello(&["variable"]), printed("name from plugin.go\n", "", 0));
    let error = "Error: the symbol `Name` is a variable `Var<String>`, not a value `String`\n\
                 (hint: a variable is asserted as `Var<String>`, and `get` reads it)\n";
    assert_eq!(hello(&["value"]), printed("", error, 1));
}

#[test]
fn the_highest_version_answers_and_an_older_one_takes_over() {
    let libraries = libraries();
    let versions = ["symbols-testplugin-v1", "symbols-testplugin-v2"].map(|name| libraries.library(name));
    let expected = "one is open: hello from version 1, called 1 times\n\
                    two are open: hello from version 2, called 1 times\n\
                    by version: hello from version 1, called 2 times\n\
                    1 is chosen: hello from version 1, called 3 times\n\
                    2 is taken away: hello from version 1, called 4 times\n";
    assert_eq!(run("versions", versions), printed(expected, "", 0));
}

#[test]
fn a_module_is_chosen_by_its_language() {
    let (directory, libraries) = (tempfile::tempdir().expect("a directory"), libraries());
    copy(libraries.library("symbols-english"), directory.path(), "Eng.so");
    copy(libraries.library("symbols-chinese"), directory.path(), "Chi.so");
    let module = |language| run("module", [directory.path(), Path::new(language)]);
    assert_eq!(module("english"), printed("Hello Universe\n", "", 0));
    assert_eq!(module("chinese"), printed("你好宇宙\n", "", 0));
    let error = "Error: expected the language `chinese` or `english`, found `klingon`\n";
    assert_eq!(module("klingon"), printed("", error, 1));
}

#[test]
fn a_function_is_registered_and_called_without_a_lookup() {
    let expected = printed("hello from a function that was registered\n", "", 0);
    assert_eq!(run("register", [libraries().library("symbols-register")]), expected);
}

#[test]
fn an_object_is_asserted_to_an_interface_that_the_host_declares() {
    let (stdout, stderr, code) = run("doctor", [libraries().library("symbols-doctor")]);
    assert_eq!((stdout.as_str(), code), ("", Some(0)), "{stderr}");
    // Each line begins with the time, `2006/01/02 15:04:05 `.
    let time = "0000/00/00 00:00:00 ";
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let lines: Vec<_> = stderr.split('\n').collect();
    let told = lines.iter().map(|line| match line.split_at_checked(time.len()) {
        Some((before, line)) if digits(before) == time => line,
        _ => line,
    });
    let told: Vec<_> =
        told.map(|line| if line.starts_with("now is") { digits(line) } else { line.to_owned() }).collect();
    assert_eq!(
        told,
        [
            "main int function called",
            "main function called",
            "plugin init function called",
            "plugin opened",
            "read plugin variable Doctor",
            "now is  0000-00-00T00:00:00Z",
            "shell has exected ->>>>> test",
            "",
            "",
        ]
    );

    let (stdout, _, code) = run("doctor", [libraries().library("symbols-doctor-bad")]);
    assert_eq!((stdout.as_str(), code), ("unexpected type from module symbol\n", Some(1)));
}

#[test]
fn an_interface_may_be_declared_on_both_sides() {
    assert_eq!(run("driver", [libraries().library("symbols-driver")]), printed("mydriver\n", "", 0));
}
