//! `doctor`, `verify`, `bench` and `completions`, and what every command says of itself.

use serde_json::Value;

use crate::command::{fails, jackfield, library, succeeds, texts};

#[test]
fn doctor_says_what_this_machine_has() {
    let text = succeeds(&["doctor"]);
    let lines: Vec<_> = text.lines().collect();
    let json = succeeds(&["doctor", "--json"]);
    let found: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), found.len());
    for what in ["memfd", "pidfd", "/proc", "nofile", "cargo"] {
        let object =
            found.iter().find(|object| object["what"] == what).unwrap_or_else(|| panic!("{what}: {json}"));
        assert_eq!(object["found"], true, "{object}");
        assert!(lines.iter().any(|line| line.starts_with("ok ") && line.contains(what)), "{what}: {text}");
    }
    assert!(json.contains("cargo 1."), "{json}");
}

#[test]
fn verify_tells_a_file_from_another_one() {
    let kv = library("kv-file");
    let inspected: Value = serde_json::from_str(&succeeds(&["inspect", "--json", &kv])).expect("JSON");
    let digest = inspected["sha256"].as_str().expect("a digest");
    assert_eq!(
        succeeds(&["verify", "--sha256", &digest.to_uppercase(), &kv]),
        format!("{kv}: sha256 {digest}\n")
    );
    let other = "0".repeat(64);
    let error = fails(1, &["verify", "--sha256", &other, &kv]);
    assert!(error.contains(&format!("has the digest {other}, found {digest}")), "{error}");
    let output = jackfield(&["verify", "--json", "--sha256", &other, &kv]);
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&object["ok"], object["found"].as_str()), (&Value::Bool(false), Some(digest)));
    fails(2, &["verify", "--sha256", "abc", &kv]);
}

/// As at the left of a pipe whose right side has ended already.
#[test]
#[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
fn an_answer_that_nobody_reads_is_in_the_exit_code_all_the_same() {
    let (kv, zeros) = (library("kv-file"), "0".repeat(64));
    for (arguments, code) in [
        (&["verify", "--json", "--sha256", &zeros, &kv][..], 1),
        (&["inspect", "Cargo.toml"], 1),
        (&["inspect", &kv], 0),
        (&["check-compat", &kv, &library("studio")], 1),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jackfield"));
        let output = command.args(arguments).stdout(writer).output().expect("it starts");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", texts(&output).1);
    }
}

#[test]
fn bench_counts_every_call() {
    let studio = library("studio");
    let text = succeeds(&["bench", "--calls", "50", &studio, "Counted"]);
    assert!(text.starts_with("50 calls, one after the other\n\n  up to "), "{text}");
    assert!(text.contains(&"█".repeat(40)) && text.contains("p99.9 "), "{text}");
    let json =
        succeeds(&["bench", "--calls", "50", "--json", &studio, "shift", r#"{"place":{"channel":1}}"#]);
    let object: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(object["calls"], 50);
    let [min, p50, max] = ["min", "p50", "max"].map(|field| object[field].as_u64().expect("a number"));
    assert!(min <= p50 && p50 <= max && min < max, "no two calls take the same: {object}");
    let error = fails(1, &["bench", &studio, "Count"]);
    assert!(error.contains("`Count` has a stream"), "{error}");
    let error = fails(1, &["bench", "--calls", "1", &studio, "Select", r#"{"channel":9}"#]);
    assert!(error.contains("OutOfRange"), "a call that fails is no measure: {error}");
}

#[test]
fn every_command_has_examples_and_shells_complete_it() {
    let (help, _) = texts(&jackfield(&["--help"]));
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 20, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = succeeds(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    for command in commands.iter().filter(|command| **command != "help") {
        let help = succeeds(&[command, "--help"]);
        assert!(help.contains("Examples:\n"), "{command}:\n{help}");
        // What completions print is for a shell.
        assert!(help.contains(" --json") || *command == "completions", "{command}:\n{help}");
    }
}
