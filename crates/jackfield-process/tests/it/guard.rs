//! A host that is killed leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jackfield_core::Bytes;
use jackfield_process::{ProcessBackend, ProcessPlugin};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::calls::{get, load, run};
use crate::peers::{Go, handshake, our_plugin, wait_for_end};

/// What a host with plugins said of itself.
struct Host {
    process: Child,
    /// Its plugins and what those started, besides the guard.
    descendants: Vec<OwnedFd>,
    guards: Vec<OwnedFd>,
    sockets: Vec<PathBuf>,
    home: tempfile::TempDir,
}

#[test]
fn a_killed_host_leaves_nothing() {
    if !Go::is_here() {
        return;
    }
    let round = || {
        let mut host = Host::start("many");
        host.process.kill().unwrap();
        host.process.wait().unwrap();
        host.assert_nothing_is_left();
    };
    // A hundred hosts with five plugins each.
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(|| (0..50).for_each(|_| round())))));
}

#[test]
fn a_host_that_ends_leaves_nothing() {
    if !Go::is_here() {
        return;
    }
    let mut host = Host::start("many");
    drop(host.process.stdin.take());
    host.process.wait().unwrap();
    host.assert_nothing_is_left();
}

/// Each host has a guard of its own, which must not be taken for a plugin of the host above.
#[test]
fn hosts_that_are_plugins_of_a_killed_host_leave_nothing() {
    for _ in 0..5 {
        let mut host = Host::start("nested");
        host.process.kill().unwrap();
        host.process.wait().unwrap();
        host.assert_nothing_is_left();
    }
}

/// No test, unless one of those above starts it as its host.
#[test]
fn acts_as_a_host() {
    match std::env::var(ROLE).as_deref() {
        Ok("many") => acts_as_a_host_of_many(),
        Ok(_) => acts_as_a_host_of_hosts(),
        Err(_) => {}
    }
}

/// Each plugin is the host of the next.
fn acts_as_a_host_of_hosts() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let plugin = ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend);
        let (_instance, channel) = load(&plugin).await;
        let (mut pids, mut sockets) = (Vec::new(), Vec::new());
        for way in ["", "__own:", "__own:__own:"] {
            assert_eq!(get(&channel, &format!("{way}__size:3")).await.unwrap(), "xxx");
            pids.push(get(&channel, &format!("{way}__pid")).await.unwrap());
            sockets.push(get(&channel, &format!("{way}__env:PLUGIN_UNIX_SOCKET_DIR")).await.unwrap());
        }
        say(&pids, &sockets);
        std::io::stdin().lines().for_each(drop);
    });
}

fn acts_as_a_host_of_many() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let home = std::env::current_dir().unwrap();
        let ours = || ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend);
        let mut loaded = Vec::new();
        let mut pids = Vec::new();
        let plugins = [
            Go::Newest.plugin(&backend),
            Go::V1_4.plugin(&backend).auto_mtls(),
            ours(),
            ours().auto_mtls(),
            ours().multiplex(),
        ];
        for plugin in plugins {
            // The old one puts its socket there.
            let (instance, channel) = load(&plugin.env("TMPDIR", &home)).await;
            pids.push(get(&channel, "__pid").await.unwrap());
            loaded.push((instance, channel));
        }
        pids.push(get(&loaded[0].1, "__grandchild:pipes").await.unwrap());
        pids.push(get(&loaded[1].1, "__grandchild").await.unwrap());
        let sockets = get(&loaded[0].1, "__env:PLUGIN_UNIX_SOCKET_DIR").await.unwrap();
        // As lies there while a plugin takes over what another has saved.
        let saved = Path::new(str::from_utf8(&sockets).unwrap()).join("saved");
        std::fs::create_dir(&saved).unwrap();
        std::fs::write(saved.join("proto.KV"), "saved").unwrap();
        say(&pids, &[sockets]);
        // The end of the input is the test's wish that this host ends.
        std::io::stdin().lines().for_each(drop);
    });
}

/// Tells the test what was started, and where its sockets are.
fn say(pids: &[Bytes], sockets: &[Bytes]) {
    let [pids, sockets] = [pids, sockets].map(|words| words.join(&b' '));
    eprintln!("{MARK}{}|{}", str::from_utf8(&pids).unwrap(), str::from_utf8(&sockets).unwrap());
}

impl Host {
    fn start(role: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut process = host_command(role).current_dir(home.path()).spawn().unwrap();
        let output = BufReader::new(process.stderr.take().unwrap());
        let line =
            output.lines().map(Result::unwrap).find_map(|line| line.strip_prefix(MARK).map(str::to_owned));
        let line = line.expect("the host says what it started");
        let (pids, sockets) = line.split_once('|').unwrap();
        let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
        let descendants = pids.iter().map(|pid| handle(*pid).unwrap()).collect();
        // A plugin's lie within its host's.
        let of_host = |sockets| Path::new(sockets).parent().unwrap().to_owned();
        let sockets: Vec<_> = sockets.split(' ').map(of_host).collect();
        let guards: Vec<_> = pids.into_iter().chain([process.id()]).flat_map(guards_of).collect();
        assert_eq!(guards.len(), sockets.len(), "each host has one");
        let guards = guards.into_iter().map(|guard| handle(guard).unwrap()).collect();
        Self { process, descendants, guards, sockets, home }
    }

    fn assert_nothing_is_left(&self) {
        self.guards.iter().chain(&self.descendants).for_each(wait_for_end);
        assert!(self.sockets.iter().all(|sockets| !sockets.exists()));
        let names = std::fs::read_dir(self.home.path()).unwrap();
        let left: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs its host")]
fn host_command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // Built here: a cargo for each of a hundred hosts would take as long as all the rest.
    command.args(["--exact", "guard::acts_as_a_host", "--nocapture"]).env(ROLE, role);
    command.env("JACKFIELD_TEST_PLUGIN", our_plugin());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The guards among the children of a process.
pub(crate) fn guards_of(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children = children.collect::<String>();
    let is_guard = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "jackfield-guard")
    };
    children.split_whitespace().map(|pid| pid.parse().unwrap()).filter(is_guard).collect()
}

pub(crate) fn handle(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid as i32)?, PidfdFlags::empty()).ok()
}

const ROLE: &str = "JACKFIELD_TEST_ACT_AS_A_HOST";
const MARK: &str = "started ";
