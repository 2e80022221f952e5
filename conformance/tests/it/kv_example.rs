//! go-plugin's key-value example, with either side in Go, in Python or in Rust, compared to the letter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jackfield_fixtures::{Build, GoModule, available, go_programs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A program that puts and gets.
struct Host {
    name: String,
    program: PathBuf,
}

/// A plugin that stores.
struct Plugin {
    name: String,
    program: PathBuf,
    /// What it adds to every value.
    signature: &'static str,
}

fn rust() -> (Host, Plugin) {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("the example builds");
    let host = Host { name: "rust".to_owned(), program: built.program("kv-host").to_owned() };
    let program = built.program("kv-file").to_owned();
    (host, Plugin { name: "rust".to_owned(), program, signature: GO })
}

fn go(module: GoModule) -> Option<(Host, Plugin)> {
    let directory = available(go_programs(module))?;
    let name = format!("go {}", module.name());
    let host = Host { name: name.clone(), program: directory.join("kv-host") };
    Some((host, Plugin { name, program: directory.join("kv-plugin"), signature: GO }))
}

/// The scripts are in a directory that this owns.
fn python() -> Option<(Host, Plugin, tempfile::TempDir)> {
    let python = available(jackfield_fixtures::python())?;
    let scripts = tempfile::tempdir().expect("a directory");
    let host = Host { name: PYTHON.to_owned(), program: python.program("kv_host.py", scripts.path()) };
    let program = python.program("kv_plugin.py", scripts.path());
    let plugin = Plugin { name: PYTHON.to_owned(), program, signature: "Written from plugin-python" };
    Some((host, plugin, scripts))
}

#[test]
fn a_rust_host_and_a_rust_plugin() {
    let (host, plugin) = rust();
    table(&host, &plugin);
}

#[test]
fn a_rust_host_runs_the_plugin_in_go() {
    for module in [GoModule::Newest, GoModule::Latest, GoModule::V1_4] {
        let Some((_, plugin)) = go(module) else { return };
        table(&rust().0, &plugin);
    }
}

#[test]
fn the_host_in_go_runs_a_rust_plugin() {
    for module in [GoModule::Newest, GoModule::Latest, GoModule::V1_4] {
        let Some((host, _)) = go(module) else { return };
        table(&host, &rust().1);
    }
}

#[test]
fn hosts_in_rust_and_go_run_the_plugin_in_python() {
    let Some((_, plugin, _scripts)) = python() else { return };
    table(&rust().0, &plugin);
    let Some((host, _)) = go(GoModule::Newest) else { return };
    table(&host, &plugin);
}

#[test]
fn the_host_in_python_runs_a_rust_plugin() {
    let Some((host, _, _scripts)) = python() else { return };
    table(&host, &rust().1);
}

/// The whole table of the example, plain and, where both can, with AutoMTLS.
fn table(host: &Host, plugin: &Plugin) {
    // The peers in Python make no certificates.
    let plain_only = host.name == PYTHON || plugin.name == PYTHON;
    let securities: &[bool] = if plain_only { &[false] } else { &[false, true] };
    for &mtls in securities {
        let run = Run { host, plugin, mtls, directory: tempfile::tempdir().expect("a directory") };
        run.check(&["put", "hello", "world"], "", 0);
        run.check(&["get", "hello"], &format!("world\n\n{}\n", plugin.signature), 0);
        run.check(&["put", "wky", "123"], "", 0);
        let stored = fs::read(run.directory.path().join("kv_wky")).expect("the plugin wrote a file");
        assert_eq!(stored, format!("123\n\n{}", plugin.signature).as_bytes(), "{run}");
        run.check(&["get", "wky"], &format!("123\n\n{}\n", plugin.signature), 0);
        let nope = "Error rpc error: code = Unknown desc = open kv_nope: no such file or directory\n";
        run.check(&["get", "nope"], nope, 1);
        run.check(&["foo"], "Please only use 'get' or 'put', given: \"foo\"", 1);
        run.check(&[], "", 2);
        let left: Vec<_> = fs::read_dir(run.temporary()).expect("a directory").flatten().collect();
        assert!(left.is_empty(), "{run} leaves {left:?}");
    }
}

/// One host with one plugin in a directory of their own.
struct Run<'a> {
    host: &'a Host,
    plugin: &'a Plugin,
    mtls: bool,
    directory: tempfile::TempDir,
}

impl Run<'_> {
    fn check(&self, arguments: &[&str], stdout: &str, code: i32) {
        let output = self.output(arguments);
        let (found, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(found, stdout, "{self} {arguments:?}: {errors}");
        assert_eq!(output.status.code(), Some(code), "{self} {arguments:?}: {errors}");
        let left = self.processes();
        assert!(left.is_empty(), "{self} {arguments:?} leaves the processes {left:?}");
    }

    #[expect(clippy::disallowed_methods, reason = "a host is started as a person starts it")]
    fn output(&self, arguments: &[&str]) -> Output {
        // A host in Go waits for its plugin without a deadline.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "30"]).arg(&self.host.program).args(arguments);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("KV_PLUGIN", &self.plugin.program).env("TMPDIR", self.temporary());
        if self.mtls {
            command.env("KV_AUTOMTLS", "1");
        }
        command.output().expect("the host starts")
    }

    /// Where sockets go, so that those of other tests are not counted.
    fn temporary(&self) -> PathBuf {
        let temporary = self.directory.path().join("tmp");
        fs::create_dir_all(&temporary).expect("a directory");
        temporary
    }

    /// What still runs of the plugin's program in this directory.
    fn processes(&self) -> Vec<String> {
        let processes = fs::read_dir("/proc").expect("a Linux machine").flatten();
        let ours = |process: &Path| {
            let runs_here = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == self.directory.path());
            let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
            let is_dead = state.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']));
            runs_here && !is_dead
        };
        let found = processes.filter(|process| ours(&process.path()));
        let pids = found.filter_map(|process| process.file_name().to_str()?.parse().ok());
        pids.filter(|pid| !ends(*pid)).map(|pid| pid.to_string()).collect()
    }
}

/// Whether a process ends without anybody's doing: one that is being torn down is still listed for a moment.
fn ends(pid: i32) -> bool {
    let Some(process) = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return true;
    };
    let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).is_ok_and(|ended| ended == 1)
}

impl std::fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let security = if self.mtls { "AutoMTLS" } else { "plain" };
        write!(f, "[{} host, {} plugin, {security}]", self.host.name, self.plugin.name)
    }
}

/// How Go's plugin signs values, and ours as well.
const GO: &str = "Written from plugin-go-grpc";
const PYTHON: &str = "python";
