//! What a plugin logs, as its host sees it.

use std::process::{Command, Stdio};

use jackfield_core::Context;
use jackfield_process::{ProcessBackend, ProcessPlugin};
use tracing::Level;

use crate::calls::{get, load_with, run};
use crate::events;
use crate::peers::{Go, handshake, our_plugin};

fn named(name: &str) -> Context {
    Context::new(name, [])
}

#[test]
fn what_go_logs_keeps_its_level_and_its_keys() {
    if !Go::is_here() {
        return;
    }
    events::install();
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load_with(&Go::Newest.plugin(&backend), named("go logs")).await;
        get(&channel, "__size:1").await.unwrap();
    });
    let line = events::wait_for("go logs", |line| line.message == "get");
    assert_eq!(line.level, Level::DEBUG);
    assert!(line.fields.contains(r#""key":"__size:1""#), "{line:?}");
}

#[test]
fn a_go_host_shows_what_our_plugin_logs() {
    if !Go::is_here() {
        return;
    }
    let log = go_host(&["put", "__log", "for the host"], our_plugin());
    let line = log.lines().find(|line| line.contains("for the host"));
    let line = line.unwrap_or_else(|| panic!("no such line in {log}"));
    assert!(line.contains("[INFO]") && line.contains("key=__log"), "{line}");
}

/// Text, text with a level, JSON that is no record, and what is too long for a line.
#[test]
fn every_line_of_the_standard_error_is_an_event() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    let script = r#"printf 'plain\n[WARN] low\n[1,2]\n7\n{"a":1}\n' >&2
        { printf '{"@level":"info","@message":"'; head -c 70000 /dev/zero | tr '\0' x; echo '"}'; } >&2
        exec "$0""#;
    let plugin = ProcessPlugin::new("sh").args(["-c", script]).args([our_plugin()]);
    run(load_with(&plugin.handshake(handshake()).backend(&backend), named("stderr")));
    for (message, level) in [
        ("plain", Level::DEBUG),
        ("[WARN] low", Level::WARN),
        ("[1,2]", Level::DEBUG),
        ("7", Level::DEBUG),
        (r#"{"a":1}"#, Level::DEBUG),
    ] {
        assert_eq!(events::wait_for("stderr", |line| line.message == message).level, level);
    }
    let head = events::wait_for("stderr", |line| line.message.starts_with(r#"{"@level""#));
    let tail = events::wait_for("stderr", |line| line.message.ends_with(r#"x"}"#));
    assert_eq!((head.level, tail.level), (Level::DEBUG, Level::DEBUG));
    let whole = head.message.clone() + &tail.message;
    assert_eq!((head.message.len(), whole.matches('x').count()), (65_536, 70_000));
}

#[test]
fn a_crash_is_logged_as_errors() {
    if !Go::is_here() {
        return;
    }
    events::install();
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load_with(&Go::Newest.plugin(&backend), named("crash")).await;
        get(&channel, "__crash").await.unwrap_err();
        instance.closed().await;
    });
    for words in ["panic: runtime error:", "goroutine ", "created by main.crash"] {
        let line = events::wait_for("crash", |line| line.message.starts_with(words));
        assert_eq!(line.level, Level::ERROR, "{line:?}");
    }
}

/// What Go's host logs of its plugin while it puts or gets.
#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn go_host(arguments: &[&str], plugin: std::path::PathBuf) -> String {
    let mut host = Command::new(Go::Newest.programs().join("kv-host"));
    host.args(arguments).env("KV_PLUGIN", plugin).env("KV_DIRECT", "1").env("KV_LOG", "trace");
    let output = host.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}
