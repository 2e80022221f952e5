//! go-plugin's streaming example: a file crosses in pieces, under a limit on messages that it would not keep in one.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jackfield_fixtures::{Build, GoModule, available, go_programs, python};

/// A host or a plugin, and what it is called.
type Program = (&'static str, PathBuf);

const TEXT: &str = "Lorem ipsum dolor sit amet";

#[test]
fn a_file_crosses_in_pieces() {
    let peers = Peers::find();
    for pair in peers.pairs() {
        assert_eq!(pair.answer(&["write", "file", "10", TEXT]), "3\n", "{pair:?}");
        assert_eq!(fs::read_to_string(pair.home.path().join("file")).expect("the plugin wrote it"), TEXT);
        assert_eq!(pair.answer(&["read", "file", "10"]), "Lorem ipsu|m dolor si|t amet\n", "{pair:?}");
    }
}

/// Whoever refuses says how large it is, and how large it may be.
#[test]
fn a_piece_over_the_limit_is_refused_by_either_side() {
    let peers = Peers::find();
    let text = "x".repeat(3000);
    for pair in peers.pairs() {
        assert_eq!(pair.answer(&["write", "file", "900", &text]), "4\n", "{pair:?}");
        for (limit, arguments) in [
            ("1000", ["write", "other", "2000", &text].as_slice()),
            ("1000000", &["write", "other", "2000", &text]),
            ("1000", &["read", "file", "2000"]),
            ("1000000", &["read", "file", "2000"]),
        ] {
            let output = pair.run(limit, arguments);
            let answer = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{pair:?} {arguments:?}: {answer}");
            // A piece of 2000 bytes is a message of 2003.
            assert!(answer.contains("2003") && answer.contains("1000"), "{pair:?} {arguments:?}: {answer}");
        }
    }
}

/// All hosts and plugins that are here.
struct Peers {
    hosts: Vec<Program>,
    plugins: Vec<Program>,
    _scripts: tempfile::TempDir,
}

impl Peers {
    fn find() -> Self {
        let rust = jackfield_fixtures::build(&Build::fixtures()).expect("the examples build");
        let mut hosts = vec![("Rust", rust.program("files-host").to_owned())];
        let mut plugins = vec![("Rust", rust.program("files-plugin").to_owned())];
        if let Some(go) = available(go_programs(GoModule::Newest)) {
            hosts.push(("Go", go.join("files-host")));
            plugins.push(("Go", go.join("files-plugin")));
        }
        let scripts = tempfile::tempdir().expect("a directory");
        if let Some(python) = available(python()) {
            hosts.push(("Python", python.program("files_host.py", scripts.path())));
            plugins.push(("Python", python.program("files_plugin.py", scripts.path())));
        }
        Self { hosts, plugins, _scripts: scripts }
    }

    /// Those of which one is ours, each plain and, where both can, with AutoMTLS.
    fn pairs(&self) -> Vec<Pair<'_>> {
        let mut pairs = Vec::new();
        for host in &self.hosts {
            for plugin in &self.plugins {
                let names = [host.0, plugin.0];
                if !names.contains(&"Rust") {
                    continue;
                }
                let securities: &[&str] = if names.contains(&"Python") { &["0"] } else { &["0", "1"] };
                for auto_mtls in securities {
                    let home = tempfile::tempdir().expect("a directory");
                    pairs.push(Pair { host, plugin, auto_mtls, home });
                }
            }
        }
        pairs
    }
}

/// A host with a plugin, in a directory of their own.
#[derive(Debug)]
struct Pair<'a> {
    host: &'a Program,
    plugin: &'a Program,
    auto_mtls: &'static str,
    home: tempfile::TempDir,
}

impl Pair<'_> {
    fn answer(&self, arguments: &[&str]) -> String {
        let output = self.run("1000", arguments);
        assert!(output.status.success(), "{self:?} {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the host, which has this limit; the plugin's is a thousand bytes.
    #[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
    fn run(&self, limit: &str, arguments: &[&str]) -> Output {
        // A host in Go waits for its plugin without a deadline.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]).arg(&self.host.1).args(arguments);
        command.env("FILES_PLUGIN", &self.plugin.1).env("FILES_AUTOMTLS", self.auto_mtls);
        command.env("FILES_LIMIT", limit).current_dir(self.home.path()).stdin(Stdio::null());
        command.output().expect("the host starts")
    }
}
