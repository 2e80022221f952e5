//! `jackfield list DIRECTORY` and `jackfield watch DIRECTORY`: the command is the host.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jackfield_fixtures::{GoModule, available, go_programs};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::{directory, fails, jackfield, plugins, succeeds};
use crate::terminal::Terminal;
use crate::told::{GREETER, SPEAKER, provider};
use crate::watch::row;

#[test]
fn a_directory_is_listed_and_nothing_in_it_runs() {
    let (_directory, path) = directory();
    fs::copy(plugins().library("kv-file"), path.join("kv@1.2.so")).expect("a copy");
    for program in ["runs", "tool"] {
        script(&path.join(program), "touch \"$0.has-run\"");
    }
    fs::write(path.join("libtool.so"), "nothing").expect("written");
    fs::write(path.join("speech.plugin.toml"), "colour = 1").expect("written");
    fs::write(path.join("notes.txt"), "nothing").expect("written");
    let list = succeeds(&["list", &path.display().to_string()]);
    let rows: Vec<_> = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows[0], ["PLUGIN", "KIND", "VERSION", "INTERFACES", "LOADS", "HERE"]);
    assert_eq!(rows[1], ["kv@1.2", "library", "1.0.0", "proto.KV", "1.0", "yes"]);
    assert_eq!(rows[3], ["runs", "program", "-", "-", "-"]);
    for (row, what, reason) in [
        (2, ["notes", "neither", "-", "-", "no"], "found neither: `"),
        (4, ["speech", "manifest", "-", "-", "no"], "unknown field `colour`"),
        (5, ["tool", "library", "-", "-", "no"], "expected an ELF file, found a text"),
        (6, ["tool", "program", "-", "-", "no"], "/libtool.so` goes before it"),
    ] {
        assert_eq!(rows[row][..5], what, "{list}");
        assert!(list.lines().nth(row).is_some_and(|line| line.contains(reason)), "{list}");
    }

    let json = succeeds(&["list", "--json", &path.display().to_string()]);
    let objects: Vec<Value> = json.lines().map(|line| line.parse().expect("JSON")).collect();
    let loads: Vec<_> = objects.iter().map(|object| object["loads"].as_bool()).collect();
    assert_eq!(loads, [Some(true), Some(false), None, Some(false), Some(false), Some(false)]);
    assert_eq!((&objects[0]["plugin"], &objects[0]["name"]), (&"kv@1.2".into(), &"kv-file".into()));
    assert_eq!(objects[0]["interfaces"][0]["service"], "proto.KV");
    assert_eq!(objects[5]["reason"], format!("`{}` goes before it", path.join("libtool.so").display()));
    assert_eq!(fs::read_dir(&path).expect("a directory").count(), 6, "nothing has run");
    assert!(fails(1, &["list", "/nowhere"]).contains("`/nowhere` cannot be read"));
}

#[test]
fn a_directory_is_watched_until_ctrl_c_and_all_of_it_is_unloaded() {
    let ([_plugins, _temporary], [path, temporary]) = two_directories();
    let (built, directory) = (plugins(), path.display().to_string());
    fs::copy(built.library("kv-file"), path.join("kv@1.2.so")).expect("a copy");
    fs::copy(built.program("kv-file"), path.join(".store")).expect("a copy");
    let handshake = "{ version = 1, cookie_key = \"WKY_PLUGIN\", cookie_value = \"wukaiying\" }";
    let manifest = format!("command = \"./.store\"\nhandshake = {handshake}");
    fs::write(path.join("store.plugin.toml"), manifest).expect("written");
    fs::write(path.join("notes.txt"), "nothing").expect("written");
    let temporary_path = temporary.display().to_string();
    let mut terminal =
        Terminal::start(120, 30, &["watch", &directory], &[("TMPDIR", &temporary_path), ("NO_COLOR", "1")]);
    let shows = |text: &str, name, cells: &[&str]| row(text, name).starts_with(cells);
    terminal.until("the plugins", |screens| {
        let text = screens.text();
        text.starts_with(&format!("{directory} (--host {temporary_path}/jackfield-"))
            && shows(&text, "kv", &["online"])
            && shows(&text, "kv@1.2", &["online", "1"])
            && shows(&text, "store", &["online", "1"])
            && shows(&text, "notes", &["failed"])
    });

    // An operator reaches it as any host.
    let text = terminal.screens.text();
    let socket = text.split("--host ").nth(1).and_then(|rest| rest.split(')').next()).expect("a socket");
    succeeds(&["--host", socket, "reload", "store"]);
    terminal.until("its generation", |screens| shows(&screens.text(), "store", &["online", "2"]));
    fs::copy(built.library("studio"), path.join(".studio")).expect("a copy");
    fs::rename(path.join(".studio"), path.join("studio.so")).expect("renamed");
    terminal.until("another interface", |screens| shows(&screens.text(), "studio", &["online", "1"]));

    terminal.press("\x03");
    let (status, text) = terminal.ends();
    assert_eq!(status.code(), Some(130), "{text}");
    let unloaded: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(unloaded, ["kv@1.2  unmapped", "store  exited (exit status: 0)", "studio  unmapped"]);
    assert_eq!(fs::read_dir(temporary).expect("a directory").count(), 0, "nothing is left");
}

/// Writes a manifest of a script, and what says what that serves.
fn describe(path: &Path) {
    let manifest = format!(
        "kind = \"stdio\"\ncommand = \"python3\"\nargs = [{:?}]\ninterface = \"speaker.proto\"",
        provider()
    );
    // The others of its methods cannot be carried.
    let speaker = SPEAKER.lines().filter(|line| !line.contains("rpc Listen") && !line.contains("rpc Turn"));
    fs::write(path.join("speaker.proto"), speaker.collect::<Vec<_>>().join("\n")).expect("written");
    fs::write(path.join("speaker.plugin.toml"), manifest).expect("written");
}

#[test]
fn a_listed_manifest_says_what_its_plugin_serves() {
    let (_directory, path) = directory();
    describe(&path);
    fs::write(path.join("greeter.proto"), GREETER).expect("written");
    for (name, interface) in [
        ("gone", "interface = \"gone.proto\""),
        ("greeter", "interface = \"greeter.proto\"\nservice = \"proto.Greeter\""),
        ("several", "interface = \"greeter.proto\""),
    ] {
        let manifest = format!("command = \"true\"\n{interface}");
        fs::write(path.join(format!("{name}.plugin.toml")), manifest).expect("written");
    }
    let list = succeeds(&["list", &path.display().to_string()]);
    let rows: Vec<_> = list.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows.len(), 4, "{list}");
    assert_eq!(rows[0][..5], ["gone", "manifest", "-", "-", "no"]);
    assert_eq!(rows[1], ["greeter", "manifest", "-", "proto.Greeter", "-"]);
    assert_eq!(rows[2][..5], ["several", "manifest", "-", "-", "no"]);
    assert_eq!(rows[3], ["speaker", "manifest", "-", "proto.Speaker", "-"]);
    assert!(list.contains("/gone.proto` cannot be compiled"), "{list}");
    assert!(list.contains("greeter.proto`, which has `proto.Greeter`, `proto.Other`"), "{list}");
    let json = succeeds(&["list", "--json", &path.display().to_string()]);
    let speaker: Value = json.lines().nth(3).expect("a line").parse().expect("JSON");
    assert_eq!(speaker["interfaces"][0]["methods"][0]["signature"], "SayHi(name: string) → string");
}

/// Neither a script nor a plugin of go-plugin's older protocol says what it serves.
#[test]
#[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
fn what_its_manifest_describes_is_watched() {
    let ([_plugins, _temporary], [path, temporary]) = two_directories();
    describe(&path);
    let mut expected = vec!["speaker"];
    if let Some(programs) = available(go_programs(GoModule::Newest)) {
        fs::write(path.join("greeter.proto"), GREETER).expect("written");
        let manifest = format!(
            "command = {:?}\nprotocol = \"netrpc\"\ninterface = \"greeter.proto\"\nservice = \"proto.Greeter\"\n\
             handshake = {{ version = 1, cookie_key = \"BASIC_PLUGIN\", cookie_value = \"hello\" }}",
            programs.join("netrpc-plugin")
        );
        fs::write(path.join("greeter.plugin.toml"), manifest).expect("written");
        expected.insert(0, "greeter");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.arg("watch").arg(&path).arg("--json");
    command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut online = Vec::new();
    for line in lines.by_ref() {
        let event: Value = line.expect("a text").parse().expect("JSON");
        assert_ne!(event["state"], "failed", "{event}");
        if event["state"] == "online" {
            online.push(event["name"].as_str().expect("a name").to_owned());
        }
        if online.len() == expected.len() {
            break;
        }
    }
    online.sort();
    assert_eq!(online, expected);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert_eq!(fs::read_dir(&temporary).expect("a directory").count(), 0, "nothing is left");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the command is run as a person runs it")]
fn in_a_pipe_a_watch_prints_all_events_from_the_first_on() {
    let ([_plugins, _temporary], [path, temporary]) = two_directories();
    fs::copy(plugins().library("kv-file"), path.join("kv.so")).expect("a copy");
    for arguments in [&[][..], &["--json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
        command.arg("watch").arg(&path).args(arguments);
        command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let told = [(); 4].map(|()| lines.next().expect("a line").expect("a text"));
        if arguments.is_empty() {
            let expected = ["kv  discovered", "kv  verified", "kv  loading", "kv  online    generation 1"];
            assert_eq!(told, expected);
        } else {
            let told = told.map(|line| line.parse::<Value>().expect("JSON"));
            assert!(told.iter().all(|event| event["name"] == "kv"), "{told:?}");
            let states = told.each_ref().map(|event| event["state"].as_str().expect("a state"));
            assert_eq!(states, ["discovered", "verified", "loading", "online"]);
            assert_eq!((&told[2]["generation"], &told[3]["generation"]), (&Value::Null, &1.into()));
        }
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(143));
        assert_eq!(fs::read_dir(&temporary).expect("a directory").count(), 0, "nothing is left");
    }
}

#[test]
fn either_a_host_or_a_directory_is_looked_at() {
    for command in ["list", "watch"] {
        let error = fails(2, &[command]);
        let expected =
            "error: expected the control socket of a running host, or a directory of plugins\n(hint: ";
        assert!(error.starts_with(expected), "{error}");
        let error = fails(2, &["--host", "/nowhere", command, "."]);
        assert!(error.contains("expected a running host or a directory of plugins, found both"), "{error}");
    }
    assert!(fails(2, &["reload", "kv"]).contains("expected the control socket of a running host\n(hint: "));
    assert!(fails(1, &["watch", "/nowhere"]).contains("`/nowhere` cannot be read"));
    assert_eq!(jackfield(&["--host", "/nowhere", "watch"]).status.code(), Some(1));
}

fn script(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
}

/// One for plugins, and one for whatever a host keeps while it runs.
fn two_directories() -> ([tempfile::TempDir; 2], [std::path::PathBuf; 2]) {
    let ((first, first_path), (second, second_path)) = (directory(), directory());
    ([first, second], [first_path, second_path])
}
