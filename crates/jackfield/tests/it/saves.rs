//! A plugin that is replaced hands over what it holds, and no call that changes it is lost.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jackfield::process::{Handshake, NetRpc, ProcessPlugin, StdioCodec, StdioPlugin};
use jackfield::{Candidate, Context as Configuration, Handle, Limits, Manager, State, Step, Unloaded};
use jackfield_fixtures::{Build, GoModule, Stop, available, go_programs, python};
use kv_interface::Kv;
use probe_interface::Probe;
use tally::Tally;

use crate::home::{Home, online, reason};
use crate::support::{block_on, chain, libraries, native};

pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A plugin that is configured so, behind the name that its version shares.
fn loaded(manager: &Manager, config: &str) -> Handle<dyn Tally> {
    let context = Configuration::new("tally@1", [(config.to_owned(), "not today".to_owned())]);
    block_on(manager.load_with::<dyn Tally>(context, &tally::PLUGIN)).expect("linked in");
    manager.get("tally").expect("it serves")
}

/// Reloads a hundred times while four threads count, and returns what became of the old ones.
fn count_while_reloading(candidate: &dyn Candidate) -> Vec<Unloaded> {
    count_while_replacing(&[candidate; 100])
}

/// Replaces one after the other while four threads count, at last by the first, and returns what became of them.
fn count_while_replacing(candidates: &[&dyn Candidate]) -> Vec<Unloaded> {
    count_under(Limits::default(), candidates)
}

/// The same, where only so much may be asked at once.
fn count_under(limits: Limits, candidates: &[&dyn Candidate]) -> Vec<Unloaded> {
    // However busy the machine is: it is the count that matters here.
    let manager = Manager::builder().hand_over_deadline(Duration::from_secs(60)).limits(limits).build();
    let own = block_on(manager.load::<dyn Tally>("tally@1", candidates[0])).expect("it loads");
    let shared = manager.get::<dyn Tally>("tally").expect("it serves");
    let (stop, counted) = (Stop::default(), AtomicU64::new(0));
    let olds = std::thread::scope(|scope| {
        for tally in [&own, &shared] {
            scope.spawn(|| {
                while !stop.is_told() {
                    tally.add().expect("no call fails");
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            scope.spawn(|| {
                while !stop.is_told() {
                    block_on(tally.add_later()).expect("no call fails");
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stopping = stop.when_dropped();
        let nexts = candidates.iter().skip(1).chain(&candidates[..1]);
        let reload = |next: &&dyn Candidate| block_on(manager.reload("tally@1", *next)).expect("it loads");
        nexts.map(reload).map(|reloaded| reloaded.old).collect::<Vec<_>>()
    });
    assert_eq!(own.count(), Ok(counted.into_inner()), "none is lost, and none is counted twice");
    let generation = candidates.len() as u64 + 1;
    assert_eq!([Handle::generation(&own), Handle::generation(&shared)], [generation; 2]);
    olds
}

#[test]
fn no_increment_is_lost_in_a_hundred_reloads_of_a_plugin_that_is_linked_in() {
    let olds = count_while_reloading(&tally::PLUGIN);
    assert!(olds.iter().all(|old| *old == Unloaded::Dropped), "{olds:?}");
}

#[test]
fn no_increment_is_lost_in_a_hundred_reloads_of_a_library() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let olds = count_while_reloading(&native().library(built.library("tally")));
    assert!(olds.iter().all(|old| *old == Unloaded::Unmapped), "{olds:?}");
}

/// Calls that are limited go another way through this process.
#[test]
fn no_increment_is_lost_in_reloads_of_what_is_limited() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let library = native().library(built.library("tally"));
    let mut limits = Limits::default();
    (limits.calls, limits.queue) = (Some(2), 8);
    let candidates: [&dyn Candidate; 2] = [&tally::PLUGIN, &library];
    let olds = count_under(limits, &candidates.repeat(10));
    let are_gone = |pair: &[Unloaded]| pair == [Unloaded::Dropped, Unloaded::Unmapped];
    assert!(olds.len() == 20 && olds.chunks(2).all(are_gone), "{olds:?}");
}

#[test]
fn no_increment_is_lost_in_a_hundred_reloads_of_a_program() {
    let olds = count_while_reloading(&program().auto_mtls());
    assert!(olds.iter().all(|old| matches!(old, Unloaded::Exited { .. })), "{olds:?}");
}

/// From wire to wire, with and without a handshake.
#[test]
fn no_increment_is_lost_between_the_wires() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let library = native().library(built.library("tally"));
    let mut kinds: Vec<Box<dyn Candidate>> = vec![Box::new(program()), Box::new(net_rpc(program()))];
    kinds.extend(talking().map(|plugin| Box::new(plugin) as _));
    kinds.push(Box::new(net_rpc(program()).auto_mtls()));
    kinds.push(Box::new(library));
    let kinds: Vec<&dyn Candidate> = kinds.iter().map(|kind| &**kind).collect();
    // Each comes after itself and after each other.
    let pairs = kinds.iter().flat_map(|one| kinds.iter().flat_map(move |other| [*one, *other]));
    let olds = count_while_replacing(&pairs.collect::<Vec<_>>());
    // A program over its standard streams has a second to end.
    let is_gone =
        |old: &Unloaded| matches!(old, Unloaded::Exited { .. } | Unloaded::Killed | Unloaded::Unmapped);
    assert!(olds.iter().all(is_gone), "{olds:?}");
}

/// What one kind has saved, every other kind reads.
#[test]
fn a_count_goes_from_kind_to_kind() {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let library = native().library(built.library("tally"));
    let program = program();
    let kinds: [&dyn Candidate; 3] = [&tally::PLUGIN, &program, &library];
    let manager = Manager::new();
    let tally = block_on(manager.load::<dyn Tally>("tally", kinds[2])).expect("it loads");
    let mut count = 0;
    for next in [0, 1, 1, 2, 1, 0, 2] {
        count += 1;
        assert_eq!(tally.add(), Ok(count));
        block_on(manager.reload("tally", kinds[next])).expect("it loads");
    }
    assert_eq!(tally.count(), Ok(count));
}

#[test]
fn a_program_that_fails_leaves_the_old_one_with_what_it_holds() {
    let mut programs: Vec<Box<dyn Candidate>> = vec![Box::new(program()), Box::new(net_rpc(program()))];
    programs.extend(talking().map(|plugin| Box::new(plugin) as _));
    for program in &programs {
        for (config, step) in [("refuse to save", Step::Save), ("refuse what was saved", Step::Start)] {
            let manager = Manager::new();
            let context = Configuration::new("tally", [(config.to_owned(), "not today".to_owned())]);
            let tally = block_on(manager.load_with::<dyn Tally>(context, &**program)).expect("it loads");
            assert_eq!(tally.add(), Ok(1));
            let error = block_on(manager.reload("tally", &**program)).expect_err("it refuses");
            assert_eq!(error.step(), Some(step), "{error:?}");
            assert!(chain(&error).contains("not today"), "{}", chain(&error));
            assert_eq!((tally.add(), Handle::generation(&tally)), (Ok(2), 1), "the old one serves on");
        }
    }
}

/// Written by hand, in Go over net/rpc and over its standard streams, and in Python.
#[test]
fn plugins_in_other_languages_hand_over_without_grpc() {
    let mut kinds: Vec<Box<dyn Candidate>> = vec![Box::new(program())];
    if let Some(go) = available(go_programs(GoModule::Newest)) {
        let program = go.join("tally-plugin");
        kinds.push(Box::new(ProcessPlugin::new(&program).net_rpc(NetRpc::new("tally"))));
        for (name, codec) in [("gob", StdioCodec::Gob), ("json", StdioCodec::Json)] {
            kinds.push(Box::new(StdioPlugin::new(&program).args([name]).codec(codec).hands_over()));
        }
    }
    if let Some(python) = available(python()) {
        let plugin = StdioPlugin::new(python.interpreter()).args([python.script("tally.py")]).hands_over();
        kinds.push(Box::new(plugin.codec(StdioCodec::Json)));
    }
    let kinds: Vec<&dyn Candidate> = kinds.iter().map(|kind| &**kind).collect();
    count_while_replacing(&[&kinds[..], &kinds[..]].concat());
}

#[test]
fn a_plugin_in_python_hands_over_too() {
    let Some(python) = available(python()) else { return };
    let scripts = tempfile::tempdir().expect("a directory");
    let program = python.program("kv_plugin.py", scripts.path());
    let plugin = ProcessPlugin::new(program).handshake(Handshake::new(1, "WKY_PLUGIN", "wukaiying"));
    let manager = Manager::new();
    let kv = block_on(manager.load::<dyn Kv>("kv", &plugin)).expect("it loads");
    for count in 1..4 {
        assert_eq!(block_on(kv.get("__count".to_owned())), Ok(count.to_string().into()));
        block_on(manager.reload("kv", &plugin)).expect("it loads");
    }
}

/// A program that does not save is replaced as ever, without any wait.
#[test]
fn a_program_that_does_not_save_is_not_waited_for() {
    let program = libraries().program("probe-one").to_owned();
    let net_rpc = ProcessPlugin::new(&program).args(["netrpc"]).net_rpc(NetRpc::new("probe-one"));
    let talking = StdioPlugin::new(&program).args(["json2"]).codec(StdioCodec::Json2).hands_over();
    let probes: [&dyn Candidate; 3] = [&ProcessPlugin::new(&program), &net_rpc, &talking];
    for probe in probes {
        let manager = Manager::builder().drain_deadline(Duration::from_millis(20)).build();
        let handle = block_on(manager.load::<dyn Probe>("probe", probe)).expect("it loads");
        let mut waits = pin!(handle.wait());
        assert!(poll(waits.as_mut()).is_pending());
        let reloaded = block_on(manager.reload("probe", probe)).expect("a call that runs does not keep it");
        assert_eq!((reloaded.is_drained, Handle::generation(&handle)), (false, 2));
    }
}

/// The same over net/rpc.
pub(crate) fn net_rpc(program: ProcessPlugin) -> ProcessPlugin {
    program.args(["netrpc"]).net_rpc(NetRpc::new("tally"))
}

/// The same over standard input and output, in every form.
pub(crate) fn talking() -> [StdioPlugin; 3] {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    let codecs = [("gob", StdioCodec::Gob), ("json", StdioCodec::Json), ("json2", StdioCodec::Json2)];
    codecs
        .map(|(name, codec)| StdioPlugin::new(built.program("tally")).args([name]).codec(codec).hands_over())
}

pub(crate) fn program() -> ProcessPlugin {
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    ProcessPlugin::new(built.program("tally"))
}

#[test]
fn a_failure_rolls_back_to_the_old_one_with_what_it_holds() {
    for (config, step) in [("refuse to save", Step::Save), ("refuse what was saved", Step::Construct)] {
        let manager = Manager::new();
        let tally = loaded(&manager, config);
        assert_eq!(tally.add(), Ok(1));
        let mut events = manager.events();
        let error = block_on(manager.reload("tally@1", &tally::PLUGIN)).expect_err("it refuses");
        assert_eq!(error.step(), Some(step), "{error:?}");
        assert!(chain(&error).ends_with(": not today"), "{}", chain(&error));
        let told = [(); 3].map(|()| events.next().expect("the manager is there"));
        let told = told.map(|event| format!("{event:?}"));
        assert!(told[1].contains("Failed") && told[2].contains("Online { generation: 1 }"), "{told:?}");
        assert_eq!((tally.add(), Handle::generation(&tally)), (Ok(2), 1), "the old one serves on");
        assert_eq!(manager.states(), [("tally".into(), online(1)), ("tally@1".into(), online(1))]);
    }
}

#[test]
fn a_call_that_does_not_end_in_time_is_waited_for_the_next_time_too() {
    let manager = Manager::builder().hand_over_deadline(Duration::from_millis(500)).build();
    let tally = loaded(&manager, "");
    let mut waits = pin!(tally.wait());
    assert!(poll(waits.as_mut()).is_pending());
    for _ in 0..2 {
        let error = block_on(manager.reload("tally@1", &tally::PLUGIN)).expect_err("a call is running");
        assert_eq!(error.step(), Some(Step::Drain), "{error:?}");
        assert!(chain(&error).contains("expected the calls of the old one to end within 500ms"), "{error:?}");
        tally.add().expect("the old one serves on");
    }
    tally.release().expect("the old one serves on");
    assert_eq!(block_on(waits), Ok(3));
    // It is the thread's affair that drains when it sees the end of the call.
    while let Err(error) = block_on(manager.reload("tally@1", &tally::PLUGIN)) {
        assert_eq!(error.step(), Some(Step::Drain), "{error:?}");
    }
    assert_eq!((tally.count(), Handle::generation(&tally)), (Ok(3), 2));
}

/// A file in a watched directory is not forgotten because a call was running when it came.
#[test]
fn a_file_that_came_during_a_long_call_is_loaded_after_it() {
    let manager = Manager::builder().hand_over_deadline(Duration::from_secs(3)).build();
    let mut home = Home::watch_by::<dyn Tally>(manager, |directory| directory);
    let built = jackfield_fixtures::build(&Build::fixtures()).expect("it builds");
    home.put(built.library("tally"), "libtally.so");
    assert_eq!(home.told("tally"), [State::Loading, online(1)]);
    let tally = home.get::<dyn Tally>("tally");
    let mut waits = pin!(tally.wait());
    assert!(poll(waits.as_mut()).is_pending());
    home.put(built.library("tally"), "libtally.so");
    let [loading, failed, serving] = home.told("tally");
    assert_eq!((loading, serving), (State::Loading, online(1)));
    assert!(reason(&failed).contains("expected the calls of the old one to end within 3s"), "{failed:?}");
    tally.release().expect("the old one serves on");
    assert_eq!(block_on(waits), Ok(1));
    while home.change() != ("tally".to_owned(), online(2)) {}
    assert_eq!(tally.count(), Ok(1));
}

/// A host with one thread only: a call blocks it, and nobody drives the reload for which the call waits.
#[test]
fn a_call_that_blocks_the_thread_of_the_reload_goes_on_at_the_old_one() {
    let manager = Manager::builder().hand_over_deadline(Duration::from_millis(500)).build();
    let tally = loaded(&manager, "");
    let mut waits = pin!(tally.wait());
    assert!(poll(waits.as_mut()).is_pending());
    let mut reload = pin!(manager.reload("tally@1", &tally::PLUGIN));
    assert!(poll(reload.as_mut()).is_pending());
    let mut later = pin!(tally.add_later());
    assert!(poll(later.as_mut()).is_pending(), "it waits for the new one");
    assert_eq!(tally.add(), Ok(1));
    assert_eq!(block_on(reload).expect_err("a call is running").step(), Some(Step::Drain));
    assert_eq!(block_on(later), Ok(2));
}

#[test]
fn a_reload_that_is_given_up_lets_calls_go_on() {
    let manager = Manager::new();
    let tally = loaded(&manager, "");
    let mut waits = pin!(tally.wait());
    assert!(poll(waits.as_mut()).is_pending());
    let mut later = pin!(tally.add_later());
    {
        let mut reload = pin!(manager.reload("tally@1", &tally::PLUGIN));
        assert!(poll(reload.as_mut()).is_pending());
        assert!(poll(later.as_mut()).is_pending());
        assert_eq!(manager.states()[1], ("tally@1".into(), State::Loading));
    }
    assert_eq!((block_on(later), tally.add()), (Ok(1), Ok(2)));
    assert_eq!(manager.states()[1], ("tally@1".into(), online(1)));
}
