//! A plugin has no more memory than its limit together with what it starts, where a cgroup can bound it.
//!
//! Where none can be made, these tests say so and see what is left without one. `cargo xtask vm` runs them where one can.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jackfield_core::{CallError, Error};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{get, load, run};
use crate::guard::{guards_of, handle};
use crate::peers::{handshake, our_plugin, wait_for_end};

const LIMIT: u64 = 64 << 20;
/// Each of these processes stays below the limit.
const TOO_MUCH: &str = "__spread:3:40";

fn limited(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).memory_limit(LIMIT).backend(backend)
}

#[test]
fn what_a_plugin_starts_counts_too() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load(&limited(&backend)).await;
        let cgroup = Cgroup::of(&get(&channel, "__pid").await.unwrap());
        if let Some(cgroup) = &cgroup {
            assert_eq!(cgroup.read("memory.max"), LIMIT.to_string());
            assert_eq!(cgroup.read("memory.oom.group"), "1");
            let swap = cgroup.directory.join("memory.swap.max");
            assert!(!swap.exists() || cgroup.read("memory.swap.max") == "0");
        }
        let (waiting, answer) = tokio::join!(get(&channel, "__sleep"), async {
            let answer = get(&channel, TOO_MUCH).await;
            if cgroup.is_none() {
                get(&channel, "__exit:3").await.unwrap_err();
            }
            answer
        });
        let Some(cgroup) = cgroup else {
            assert_eq!(answer.unwrap(), "3", "each has the limit for itself");
            return;
        };
        for answer in [waiting, answer] {
            let Err(Error::Call(CallError::Exited { status, words })) = answer else { panic!("{answer:?}") };
            assert_eq!(status, "signal: 9 (SIGKILL)");
            assert_eq!(words, "killed by the kernel: it used more than its 67108864 bytes (memory limit)");
        }
        let error = instance.closed().await;
        eprintln!("the plugin's end: {error}");
        instance.unload(Duration::from_secs(10)).await;
        assert!(!cgroup.directory.exists());
        // The host is well, and a plugin that ends by itself has none of the blame, nor leaves anything.
        let (instance, channel) = load(&limited(&backend)).await;
        let cgroup = Cgroup::of(&get(&channel, "__pid").await.unwrap()).unwrap();
        let Err(Error::Call(CallError::Exited { words, .. })) = get(&channel, "__exit:3").await else {
            panic!()
        };
        assert!(!words.contains("memory limit"), "{words}");
        instance.unload(Duration::from_secs(10)).await;
        assert!(!cgroup.directory.exists());
    });
}

/// Its allocator tells it first, unless the rest of what it has comes to more: page tables, or a program in memory.
#[test]
fn a_plugin_alone_has_no_more_than_its_limit_either() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&limited(&backend)).await;
        let cgroup = Cgroup::of(&get(&channel, "__pid").await.unwrap());
        let answer = get(&channel, "__memory").await;
        let Err(Error::Call(CallError::Exited { status, words })) = answer else { panic!("{answer:?}") };
        eprintln!("the plugin's end: {status}: {words}");
        let is_told = status.contains("SIGABRT") && words.contains("memory allocation of");
        let is_killed = cgroup.is_some() && status.contains("SIGKILL") && words.contains("(memory limit)");
        assert!(is_told || is_killed, "{status}: {words}");
    });
}

#[test]
fn a_killed_host_leaves_no_cgroup() {
    let mut host = host_command().spawn().unwrap();
    let pid = told(&mut host);
    let guards: Vec<_> = guards_of(host.id()).into_iter().filter_map(handle).collect();
    assert_eq!(guards.len(), 1);
    let plugin = handle(pid.parse().unwrap()).unwrap();
    let cgroup = Cgroup::of(pid.as_bytes());
    host.kill().unwrap();
    host.wait().unwrap();
    guards.iter().for_each(wait_for_end);
    wait_for_end(&plugin);
    if let Some(cgroup) = cgroup {
        assert!(!cgroup.directory.exists());
        let others = std::fs::read_dir(cgroup.directory.parent().unwrap()).unwrap();
        let prefix = format!("jackfield-{}-", host.id());
        assert_eq!(
            others.filter(|other| name(&other.as_ref().unwrap().path()).starts_with(&prefix)).count(),
            0
        );
    }
}

/// No test, unless the one above starts it as its host.
#[test]
fn acts_as_a_host_with_a_limit() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&limited(&backend)).await;
        let pid = get(&channel, "__pid").await.unwrap();
        get(&channel, "__spread:1:8").await.unwrap();
        eprintln!("{MARK}{}", str::from_utf8(&pid).unwrap());
        std::io::stdin().lines().for_each(drop);
    });
}

/// The cgroup of a plugin.
struct Cgroup {
    directory: PathBuf,
}

impl Cgroup {
    /// `None`, which it says, if the plugin has none of its own.
    fn of(pid: &[u8]) -> Option<Self> {
        let cgroups =
            std::fs::read_to_string(format!("/proc/{}/cgroup", str::from_utf8(pid).unwrap())).unwrap();
        let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let points = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
        let directories = points.filter_map(|line| Some(Path::new(line.split(' ').nth(4)?).join(path)));
        let mut own = directories.filter(|directory| name(directory).starts_with("jackfield-"));
        let found = own.next_back().map(|directory| Self { directory });
        if found.is_none() {
            assert!(std::env::var_os(REQUIRED).is_none(), "a cgroup can be made here, and none was");
            eprintln!("not tested: no cgroup (version 2, with memory) can be made here");
        }
        found
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).unwrap().trim_end().to_owned()
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a test runs its host")]
fn host_command() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "memory::acts_as_a_host_with_a_limit", "--nocapture"]).env(ROLE, "1");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn told(host: &mut Child) -> String {
    let mut lines = BufReader::new(host.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).expect("the host says what it started")
}

const MARK: &str = "started ";
/// Set where a cgroup must be made.
const REQUIRED: &str = "JACKFIELD_TEST_CGROUP";
const ROLE: &str = "JACKFIELD_TEST_ACT_AS_A_HOST_WITH_A_LIMIT";
