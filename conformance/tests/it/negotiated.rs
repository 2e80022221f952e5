//! go-plugin's example of versions, with either side in Go or in Rust: what a new host wrote over gRPC, an old one reads
//! over net/rpc.

use std::path::{Path, PathBuf};
use std::process::Command;

use jackfield_fixtures::{Build, GoModule, available, go_programs};

fn rust(program: &str) -> PathBuf {
    jackfield_fixtures::build(&Build::fixtures()).expect("the fixtures build").program(program).to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn run(host: &Path, plugin: &Path, directory: &Path, (protocol, arguments): (&str, &[&str])) -> String {
    let mut command = Command::new(host);
    command.current_dir(directory).env("KV_PROTO", protocol).env("KV_PLUGIN", plugin).args(arguments);
    let output = command.output().expect("the host runs");
    assert!(output.status.success(), "{}: {output:?}", host.display());
    String::from_utf8(output.stdout).expect("a text")
}

fn new_host_writes_old_host_reads(host: &Path, plugin: &Path) {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |protocol, arguments: &[&str]| run(host, plugin, directory.path(), (protocol, arguments));
    assert_eq!(run("grpc", &["put", "hello", "world"]), "");
    let read = "world\n\nWritten from plugin version 3\nRead by plugin version 2\n\n";
    assert_eq!(run("netrpc", &["get", "hello"]), read);
    assert_eq!(run("netrpc", &["put", "hello", "again"]), "");
    let read = "again\n\nWritten from plugin version 2\nRead by plugin version 3\n\n";
    assert_eq!(run("grpc", &["get", "hello"]), read);
}

fn old_host_writes_and_reads(host: &Path, plugin: &Path) {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| run(host, plugin, directory.path(), ("netrpc", arguments));
    assert_eq!(run(&["put", "hello", "world"]), "");
    let written = std::fs::read(directory.path().join("kv_hello")).expect("the plugin wrote it");
    assert_eq!(written, b"world\n\nWritten from plugin-go-netrpc");
    assert_eq!(run(&["get", "hello"]), "world\n\nWritten from plugin-go-netrpc\n");
}

#[test]
fn a_plugin_may_speak_net_rpc_alone() {
    in_each_pair("kv-netrpc-plugin", old_host_writes_and_reads);
}

#[test]
fn hosts_of_either_age_share_a_plugin() {
    in_each_pair("negotiated-plugin", new_host_writes_old_host_reads);
}

fn in_each_pair(name: &str, talk: fn(host: &Path, plugin: &Path)) {
    let (host, plugin) = (rust("negotiated-host"), rust(name));
    talk(&host, &plugin);
    let Some(go) = available(go_programs(GoModule::Newest)) else { return };
    talk(&host, &go.join(name));
    talk(&go.join("negotiated-host"), &plugin);
    talk(&go.join("negotiated-host"), &go.join(name));
}
