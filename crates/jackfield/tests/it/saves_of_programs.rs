//! Programs that hand over what they hold: how much, for which of their interfaces, and what becomes of one that cannot say
//! whether it does.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield::process::{Handshake, NetRpc, ProcessPlugin, StdioCodec, StdioPlugin};
use jackfield::{CallOptions, Candidate, Handle, Manager, Restart, Restartable, Step};
use jackfield_fixtures::{Build, available, python};
use kv_interface::Kv;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use tally::{Ballast, Tally};
use tempfile::TempDir;

use crate::home::process_of;
use crate::saves::{net_rpc, poll, program, talking};
use crate::support::{block_on, chain, copy, native};

/// One object is loaded, and the other asked for afterwards.
#[test]
fn every_interface_of_a_plugin_hands_over_for_itself() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let mut kinds: Vec<Box<dyn Candidate>> = vec![Box::new(program()), Box::new(net_rpc(program()))];
    kinds.extend(talking().map(|plugin| Box::new(plugin) as _));
    kinds.push(Box::new(native().library(built.library("tally"))));
    let manager = Manager::new();
    let tally = block_on(manager.load::<dyn Tally>("tally", &*kinds[0])).expect("it loads");
    let ballast = block_on(manager.interface::<dyn Ballast>("tally")).expect("it has both");
    for (round, next) in (1..).zip(kinds.iter().chain(&kinds)) {
        assert_eq!(tally.add(), Ok(round));
        ballast.load(7, 10).expect("it takes it in");
        block_on(manager.reload("tally", &**next)).expect("it loads");
        assert_eq!((tally.count(), ballast.weigh(7)), (Ok(round), Ok(10 * round)), "{next:?}");
    }
}

#[test]
fn what_is_larger_than_a_message_may_be_is_handed_over() {
    const OWN: &str = "jackfield.test.Ballast";
    let mut kinds: Vec<Box<dyn Candidate>> = vec![Box::new(program().max_message(4 << 20))];
    kinds.push(Box::new(program().args(["netrpc"]).net_rpc(NetRpc::new(OWN))));
    kinds.extend(talking().map(|plugin| Box::new(plugin.service(OWN).max_message(4 << 20)) as _));
    for kind in kinds {
        let manager = Manager::new();
        let ballast = block_on(manager.load::<dyn Ballast>("tally", &*kind)).expect("it loads");
        ballast.load(7, 5 << 20).expect("it takes it in");
        block_on(manager.reload("tally", &*kind)).expect("it loads");
        assert_eq!((ballast.weigh(7), Handle::generation(&ballast)), (Ok(5 << 20), 2));
    }
}

/// They may be secret, and are of no use once the plugin has read them.
#[test]
fn the_files_of_what_was_saved_go_once_the_next_one_is_there() {
    let place = tempfile::tempdir().expect("a directory");
    let program = own_program(&place);
    let process = ProcessPlugin::new(&program);
    let talking = StdioPlugin::new(&program).args(["json"]).codec(StdioCodec::Json).hands_over();
    let kinds: [&dyn Candidate; 3] = [&net_rpc(process.clone()), &talking, &process];
    for kind in kinds {
        let manager = Manager::new();
        let tally = block_on(manager.load::<dyn Tally>("tally", kind)).expect("it loads");
        assert_eq!(tally.add(), Ok(1));
        block_on(manager.reload("tally", kind)).expect("it loads");
        let directory = variable(process_of(&program), "JACKFIELD_SAVED").expect("it took something over");
        let begun = Instant::now();
        while directory.exists() {
            assert!(begun.elapsed() < LONG, "{directory:?} is still there");
            std::thread::yield_now();
        }
        assert_eq!(tally.count(), Ok(1));
    }
}

/// What was saved was for the one that took it over, and not for those that come after it.
#[test]
fn one_that_is_started_again_after_a_crash_begins_anew() {
    let place = tempfile::tempdir().expect("a directory");
    let program = own_program(&place);
    let mut restart = Restart::default();
    restart.first_delay = Duration::ZERO;
    let plugin = Restartable::new(Arc::new(ProcessPlugin::new(&program)), restart);
    let manager = Manager::new();
    let tally = block_on(manager.load::<dyn Tally>("tally", &plugin)).expect("it loads");
    assert_eq!(tally.add(), Ok(1));
    block_on(manager.reload("tally", &plugin)).expect("it loads");
    assert_eq!((tally.add(), Handle::generation(&tally)), (Ok(2), 2), "it hands over as any other");
    kill_process(process_of(&program), Signal::KILL).expect("it is ours");
    // Calls fail until its end is known.
    let begun = Instant::now();
    let count = loop {
        match tally.count() {
            Ok(count) => break count,
            Err(error) => assert!(begun.elapsed() < LONG, "{error}"),
        }
    };
    assert_eq!((count, Handle::generation(&tally)), (0, 2));
}

/// All of its threads wait, and so does the question whether it saves.
#[test]
fn a_program_that_is_too_busy_to_say_whether_it_saves_is_left() {
    let Some(python) = available(python()) else { return };
    let scripts = tempfile::tempdir().expect("a directory");
    let program = python.program("kv_plugin.py", scripts.path());
    let plugin = ProcessPlugin::new(program).handshake(Handshake::new(1, "WKY_PLUGIN", "wukaiying"));
    let manager = patient();
    let kv = block_on(manager.load::<dyn Kv>("kv", &plugin)).expect("it loads");
    let mut busy: Vec<_> = (0..30).map(|_| Box::pin(kv.get("__sleep".to_owned()))).collect();
    assert!(busy.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    // gRPC in Python may begin with the last of them.
    let within = || CallOptions::new().timeout(Duration::from_secs(5));
    while block_on(Handle::with(&kv, within()).get("__count".to_owned())).is_ok() {}
    is_left(&manager, "kv", &plugin);
    assert_eq!(Handle::generation(&kv), 1);
}

/// Of its calls it takes no more, but go-plugin's own question is answered beside them.
#[test]
fn a_program_that_is_too_busy_over_net_rpc_is_left() {
    let (plugin, manager) = (net_rpc(program()), patient());
    let tally = block_on(manager.load::<dyn Tally>("tally", &plugin)).expect("it loads");
    let mut busy: Vec<_> = (0..6000).map(|_| Box::pin(tally.wait())).collect();
    assert!(busy.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    is_left(&manager, "tally", &plugin);
    assert_eq!(Handle::generation(&tally), 1);
}

/// A script that does one thing after the other.
#[test]
fn a_script_that_is_too_busy_is_left_until_it_has_time() {
    let Some(python) = available(python()) else { return };
    let place = tempfile::tempdir().expect("a directory");
    let gate = place.path().join("gate");
    mknodat(CWD, &gate, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe with a name");
    let plugin = StdioPlugin::new(python.interpreter()).args([python.script("tally.py")]).hands_over();
    let plugin = plugin.codec(StdioCodec::Json).env("TALLY_GATE", &gate);
    let manager = patient();
    let tally = block_on(manager.load::<dyn Tally>("tally", &plugin)).expect("it loads");
    let mut busy = pin!(tally.wait());
    assert!(poll(busy.as_mut()).is_pending());
    is_left(&manager, "tally", &plugin);
    std::fs::write(gate, "").expect("it waits at the other end");
    assert_eq!((block_on(busy), Handle::generation(&tally)), (Ok(1), 1));
    block_on(manager.reload("tally", &plugin)).expect("it has time");
    assert_eq!((tally.count(), Handle::generation(&tally)), (Ok(1), 2));
}

/// It answers nothing at all, and would never say whether it saves.
#[test]
fn a_program_that_is_wedged_is_replaced_as_if_it_did_not_save() {
    std::thread::scope(|scope| {
        for wire in [net_rpc, |program| program] {
            scope.spawn(move || {
                let place = tempfile::tempdir().expect("a directory");
                let program = own_program(&place);
                let (plugin, manager) = (wire(ProcessPlugin::new(&program)), Manager::new());
                let tally = block_on(manager.load::<dyn Tally>("tally", &plugin)).expect("it loads");
                assert_eq!(tally.add(), Ok(1));
                kill_process(process_of(&program), Signal::STOP).expect("it is ours");
                block_on(manager.reload("tally", &plugin)).expect("it loads");
                assert_eq!((tally.count(), Handle::generation(&tally)), (Ok(0), 2));
            });
        }
    });
}

/// A manager under which a call is waited for longer than the question whether a plugin saves.
fn patient() -> Manager {
    Manager::builder().hand_over_deadline(LONG).drain_deadline(LONG).build()
}

/// The plugin is not replaced, and no call was held for it.
fn is_left(manager: &Manager, plugin: &str, candidate: &dyn Candidate) {
    let begun = Instant::now();
    let error = block_on(manager.reload(plugin, candidate)).expect_err("it is busy");
    assert!(begun.elapsed() < LONG, "it said that it saves");
    assert_eq!(error.step(), Some(Step::Drain), "{error:?}");
    assert!(chain(&error).contains("expected the calls of the old one to end within"), "{}", chain(&error));
}

/// A copy of the program that nobody else runs.
fn own_program(place: &TempDir) -> PathBuf {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    copy(built.program("tally"), place.path(), "tally")
}

/// A variable with which a process was started.
fn variable(process: Pid, name: &str) -> Option<PathBuf> {
    let path = format!("/proc/{}/environ", process.as_raw_nonzero());
    let environment = std::fs::read_to_string(path).expect("it is ours");
    let mut values = environment.split('\0').filter_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
    values.next().map(PathBuf::from)
}

/// Longer than anything takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(120);
