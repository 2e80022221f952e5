//! A host that goes on with a plugin where another host ended.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin, Reattach};
use jackfield::{Manager, Step, Unloaded};
use jackfield_fixtures::{GoModule, available, go_programs};
use kv_interface::Kv;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::support::{block_on, chain};

/// The key-value plugin in Go, as the first host starts it.
fn plugin(program: &Path, store: &Path, backend: &ProcessBackend, tls: Tls) -> ProcessPlugin {
    let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
    let plugin = ProcessPlugin::new(program).handshake(handshake).current_dir(store).detached();
    match tls {
        Tls::Mutual => plugin.auto_mtls().backend(backend),
        Tls::None => plugin.backend(backend),
    }
}

/// How the two talk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    Mutual,
    None,
}

/// No test, unless the one below starts it as the host that goes.
#[test]
fn acts_as_the_first_host() {
    let Some(store) = std::env::var_os(STORE).map(PathBuf::from) else { return };
    let program = PathBuf::from(std::env::var_os(PROGRAM).expect("it is set"));
    let backend = ProcessBackend::start().expect("it starts");
    let manager = Manager::new();
    let tls = if std::env::var_os(MUTUAL).is_some() { Tls::Mutual } else { Tls::None };
    let plugin = plugin(&program, &store, &backend, tls);
    let text = block_on(async {
        let kv = manager.load::<dyn Kv>("kv", &plugin).await.expect("it starts");
        kv.put("told".into(), "by the first".into()).await.expect("stored");
        manager.reattach("kv").await.expect("it is loaded").expect("a process")
    });
    std::fs::write(store.join(TEXT), text).expect("written");
}

/// Lets a host of its own start the plugin, and end.
fn start_and_leave(program: &Path, store: &Path, tls: Tls) -> String {
    let mut host = command(std::env::current_exe().expect("this program"));
    host.args(["--exact", "reattach::acts_as_the_first_host"]).env(STORE, store).env(PROGRAM, program);
    if tls == Tls::Mutual {
        host.env(MUTUAL, "1");
    }
    assert!(host.status().expect("it starts").success());
    std::fs::read_to_string(store.join(TEXT)).expect("it has written")
}

#[test]
fn a_plugin_in_go_is_called_and_ended_by_a_second_host() {
    let mut programs = Vec::new();
    for module in [GoModule::Newest, GoModule::V1_4] {
        programs.extend(available(go_programs(module)).map(|go| go.join("kv-plugin")));
    }
    for (program, tls) in programs.iter().flat_map(|program| [(program, Tls::None), (program, Tls::Mutual)]) {
        let store = tempfile::tempdir().expect("a directory");
        let text = start_and_leave(program, store.path(), tls);
        let reattach: Reattach = text.parse().expect("what was written");
        let pid = Pid::from_raw(reattach.pid.expect("it is known").cast_signed()).expect("not 0");
        let process = pidfd_open(pid, PidfdFlags::empty()).expect("it runs");

        let (manager, backend) = (Manager::new(), ProcessBackend::start().expect("it starts"));
        block_on(async {
            let candidate = reattach.plugin(&backend);
            let kv = manager.load::<dyn Kv>("kv", &candidate).await.expect("it goes on");
            assert_eq!(manager.reattach("kv").await, Ok(Some(text)), "a third host could go on as well");
            let told = kv.get("told".into()).await.expect("found");
            assert!(told.starts_with(b"by the first"), "{told:?}");
            kv.put("told".into(), "by the second".into()).await.expect("stored");

            let unloaded = manager.unload("kv").await.expect("it is loaded");
            assert!(matches!(unloaded, Unloaded::Exited { .. }), "{unloaded}");
            wait_for_end(&process);
            let Err(error) = manager.load::<dyn Kv>("kv", &candidate).await else { panic!("it has ended") };
            assert_eq!(error.step(), Step::Start);
            assert!(chain(&error).contains("reattachment process not found"), "{}", chain(&error));
        });
    }
}

/// A number that another process has by now, and one that nobody has.
#[test]
fn a_wrong_process_is_not_found_and_lives_on() {
    let Some(go) = available(go_programs(GoModule::Newest)) else { return };
    let store = tempfile::tempdir().expect("a directory");
    let text = start_and_leave(&go.join("kv-plugin"), store.path(), Tls::None);
    let mut innocent = command("sleep").arg("1000").spawn().expect("it starts");
    let mut gone = command("true").spawn().expect("it starts");
    gone.wait().expect("it ends");

    let (manager, backend) = (Manager::new(), ProcessBackend::start().expect("it starts"));
    let reattach: Reattach = text.parse().expect("what was written");
    block_on(async {
        for pid in [innocent.id(), gone.id()] {
            let mut wrong = reattach.clone();
            wrong.pid = Some(pid);
            let wrong: Reattach = wrong.to_string().parse().expect("as another host reads it");
            let Err(error) = manager.load::<dyn Kv>("kv", &wrong.plugin(&backend)).await else {
                panic!("{pid}")
            };
            assert!(chain(&error).contains("reattachment process not found"), "{}", chain(&error));
        }
        assert!(matches!(innocent.try_wait(), Ok(None)), "it has done nothing");
        // Nor was the plugin harmed.
        let kv = manager.load::<dyn Kv>("kv", &reattach.plugin(&backend)).await.expect("it goes on");
        assert!(kv.get("told".into()).await.is_ok());
        manager.unload("kv").await.expect("it is loaded");
    });
    innocent.kill().expect("it is ours");
    innocent.wait().expect("it ends");
}

fn wait_for_end(process: &impl std::os::fd::AsFd) {
    let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&patience));
    assert_eq!(ended.expect("it is open"), 1, "the process goes on");
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const STORE: &str = "JACKFIELD_TEST_STORE_OF_THE_FIRST_HOST";
const PROGRAM: &str = "JACKFIELD_TEST_PROGRAM_OF_THE_FIRST_HOST";
const MUTUAL: &str = "JACKFIELD_TEST_MUTUAL_TLS_OF_THE_FIRST_HOST";
/// Of what another host needs.
const TEXT: &str = "reattach.json";
