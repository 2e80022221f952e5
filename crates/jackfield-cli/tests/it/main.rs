//! The command, as a person runs it.

mod call;
mod command;
mod host;
mod inspect;
mod machine;
mod new;
mod own;
mod schema;
mod screens;
mod terminal;
mod told;
mod watch;

use std::ops::RangeInclusive;
use std::path::Path;

use jackfield_fixtures::{GoModule, available, go_programs};

use command::{jackfield, library, plugins, texts};

#[test]
fn the_demo_tells_its_story_and_what_it_saw() {
    if available(go_programs(GoModule::Newest)).is_none() {
        return;
    }
    let output = jackfield(&["demo"]);
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stdout.lines().count(), 15 + 1 + PLUGINS.len(), "{stdout}");
    for told in [
        "put hello=world, get hello → world",
        " calls, 0 failed",
        "refused (expected an ELF file, found a text); the old one serves on",
        "the plugin ended: signal: 9 (SIGKILL)\n",
        "panic: runtime error: invalid memory address or nil pointer dereference at switches.go:",
    ] {
        assert!(stdout.contains(told), "`{told}` is missing in\n{stdout}");
    }
    let table: Vec<&str> = stdout.lines().skip(15).collect();
    assert_eq!(words(table[0]), ["PLUGIN", "SWAPS", "CALLS", "ERRORS", "P50"]);
    for (row, (plugin, swaps, errors, end)) in table[1..].iter().zip(PLUGINS) {
        let row = words(row);
        assert_eq!((row[0], row[1], row[5]), (plugin, swaps, end), "{stdout}");
        assert!(errors.contains(&row[3].parse().expect("a number")), "{stdout}");
    }
}

fn words(row: &str) -> Vec<&str> {
    row.split_whitespace().collect()
}

/// How often each was swapped, how many of its calls got no answer, and what became of it. The program may have been called
/// again before its end was known.
const PLUGINS: [(&str, &str, RangeInclusive<u64>, &str); 6] = [
    ("go", "11", 1..=1, "exited"),
    ("linked", "10", 0..=0, "dropped"),
    ("net/rpc", "10", 0..=0, "exited"),
    ("program", "10", 1..=u64::MAX, "exited"),
    ("shared", "100", 0..=0, "unmapped"),
    ("stdio", "10", 0..=0, "exited"),
];

#[test]
fn the_demo_in_json_is_one_object_per_line() {
    let (stdout, stderr) = texts(&jackfield(&["demo", "--json"]));
    assert!(!stdout.is_empty(), "{stderr}");
    for (index, line) in stdout.lines().enumerate() {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(object["line"], index + 1);
        if object["plugin"] == "shared" {
            assert_eq!((&object["swaps"], &object["end"]), (&100.into(), &"unmapped".into()));
        }
    }
    assert!(stdout.lines().last().is_some_and(|line| line.contains("\"plugin\":\"stdio\"")), "{stdout}");
}

#[test]
fn the_demo_fails_over_a_plugin_that_was_tampered_with() {
    let whole = std::fs::read(plugins().library("kv-file")).expect("a library");
    let directory = tempfile::tempdir().expect("a directory");
    let tampered = directory.path().join("tampered.so");

    // Another interface in the note, by one letter.
    let mut renamed = whole.clone();
    let note = find(&renamed, b"proto.KV.proto");
    renamed[find(&whole[note..], b"\x0a\x02KV") + note + 3] = b'W';
    std::fs::write(&tampered, renamed).expect("written");
    fails(&tampered, "expected the interface `proto.KV`, but it implements `proto.KW`");

    // Another version of the ABI.
    let mut newer = whole.clone();
    let version = find(&newer, b"\x10\x02\x1a\x07kv-file");
    newer[version + 1] = 99;
    std::fs::write(&tampered, newer).expect("written");
    fails(&tampered, "but this host has ABI 2");

    // Half of it.
    std::fs::write(&tampered, &whole[..whole.len() / 2]).expect("written");
    fails(&tampered, "is not a shared library that this machine can load");
}

#[test]
fn help_has_examples_and_wrong_arguments_have_their_exit_code() {
    let (stdout, _) = texts(&jackfield(&["--help"]));
    assert!(stdout.contains("Examples:"), "{stdout}");
    assert_eq!(jackfield(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn inspect_says_what_a_file_is_and_whether_it_loads() {
    let library = library("kv-file");
    let (stdout, stderr) = texts(&jackfield(&["inspect", &library]));
    for told in [
        "  plugin      kv-file 1.0.0\n",
        "  interface   proto.KV 1.0\n    Put(key: string, value: bytes)\n    Get(key: string) → bytes\n",
        "  loads here  yes\n",
    ] {
        assert!(stdout.contains(told), "`{told}` is missing in\n{stdout}{stderr}");
    }
    let output = jackfield(&["inspect", "--json", &library, "Cargo.toml", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let (stdout, stderr) = texts(&output);
    let objects: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(objects[0]["interfaces"][0]["methods"][1]["signature"], "Get(key: string) → bytes");
    assert_eq!((&objects[1]["loads"], &objects[2]["loads"]), (&false.into(), &false.into()));
    let reason = objects[1]["reason"].as_str().expect("a reason");
    assert!(reason.contains("expected an ELF file, found a text"), "{reason}");
    assert!(stderr.contains("2 of 3 files would not be loaded here"), "{stderr}");
}

fn fails(library: &Path, reason: &str) {
    let output = jackfield(&["demo", "--library", &library.display().to_string()]);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stderr.contains(reason), "`{reason}` is missing in\n{stderr}");
    assert!(stdout.lines().count() < 4, "it stops where it fails:\n{stdout}");
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).expect("the note is in the file")
}
