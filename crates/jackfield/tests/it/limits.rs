//! How much may be asked of a plugin at once.

use std::task::{Context, Waker};
use std::time::Duration;

use jackfield::process::ProcessPlugin;
use jackfield::{
    Breaker, CallError, CallOptions, Candidate, Circuit, Error, Handle, Limits, Manager, State, Unloaded,
};
use probe_interface::Probe;

use crate::home::{Home, online, reason};
use crate::seen;
use crate::supervision::{begun, stats};
use crate::support::{block_on, libraries, native};

fn limits(calls: usize, queue: usize) -> Limits {
    let mut limits = Limits::default();
    (limits.calls, limits.queue) = (Some(calls), queue);
    limits
}

fn load(limits: Limits) -> (Manager, Handle<dyn Probe>) {
    let manager = Manager::builder().limits(limits).build();
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    let probe = block_on(manager.load::<dyn Probe>("probe", &program)).expect("it loads");
    (manager, probe)
}

#[test]
fn a_call_over_the_limit_fails_at_once() {
    let (manager, probe) = load(limits(1, 0));
    let waiting = begun!(probe.wait());
    let busy = CallError::Busy { calls: 1, queue: 0 };
    assert_eq!(probe.add(1, 2), Err(busy.clone().into()));
    assert_eq!(block_on(probe.add_async(1, 2)), Err(busy.clone().into()));
    assert_eq!(
        busy.to_string(),
        "the plugin is busy: 1 calls are in flight and 0 wait, as many as may\n(hint: `Limits` says how many)"
    );
    let stats = stats(&manager);
    assert_eq!((stats.calls, stats.in_flight, stats.errors, stats.rejected), (3, 1, 2, 2));
    drop(waiting);
    assert_eq!(probe.add(1, 2), Ok(3));
}

#[test]
fn whoever_waits_is_let_through_in_order_and_may_go() {
    let (manager, probe) = load(limits(1, 2));
    let waiting = begun!(probe.wait());
    let first = begun!(probe.add_async(1, 2));
    let mut second = begun!(probe.add_async(3, 4));
    assert_eq!(stats(&manager).waiting, 2);
    assert_eq!(probe.add(5, 6), Err(CallError::Busy { calls: 1, queue: 2 }.into()));
    // One that is given up leaves its place to another.
    drop(first);
    let third = begun!(probe.add_async(5, 6));
    assert_eq!(stats(&manager).waiting, 2);
    drop(waiting);
    let mut third = third;
    assert!(third.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "the second is first");
    assert_eq!(block_on(&mut second), Ok(7));
    assert_eq!(block_on(third), Ok(11));
    assert_eq!((stats(&manager).waiting, stats(&manager).in_flight), (0, 0));
}

#[test]
fn whoever_waits_keeps_their_deadline() {
    let (manager, probe) = load(limits(1, 8));
    let waiting = begun!(probe.wait());
    let hurried = || Handle::with(&probe, CallOptions::new().timeout(Duration::from_millis(2)));
    let is_late = |error: Error| matches!(error, Error::Call(CallError::DeadlineExceeded { .. }));
    assert!(block_on(hurried().add_async(1, 2)).is_err_and(is_late));
    assert!(hurried().add(1, 2).is_err_and(is_late));
    assert_eq!((stats(&manager).waiting, stats(&manager).errors, stats(&manager).rejected), (0, 2, 0));
    drop(waiting);
    assert_eq!(probe.add(1, 2), Ok(3));
}

#[test]
fn a_blocking_call_waits_inside_of_a_runtime_too() {
    let (manager, probe) = load(limits(1, 8));
    let waiting = begun!(probe.wait());
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async { probe.add(1, 2) })
        });
        while stats(&manager).waiting == 0 {
            std::thread::yield_now();
        }
        drop(waiting);
        assert_eq!(blocked.join().expect("no panic"), Ok(3));
    });
}

#[test]
fn a_call_without_a_deadline_has_that_of_the_limits() {
    let mut limits = Limits::default();
    limits.deadline = Some(Duration::from_millis(2));
    let (manager, probe) = load(limits);
    let late =
        |result: Result<u32, Error>| matches!(result, Err(Error::Call(CallError::DeadlineExceeded { .. })));
    assert!(late(block_on(probe.wait())));
    // One of its own goes before it.
    let patient = Handle::with(&probe, CallOptions::new().timeout(Duration::from_secs(3600)));
    let mut waiting = begun!(patient.wait());
    assert!(late(block_on(probe.wait())));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(patient.release().is_ok());
    assert_eq!((block_on(waiting), stats(&manager).errors), (Ok(1), 2));
}

#[test]
fn a_plugin_keeps_its_limits_through_a_reload() {
    let manager = Manager::new();
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    let limited = manager.with_limits(limits(1, 0));
    let probe = block_on(limited.load::<dyn Probe>("probe", &program)).expect("it loads");
    let free = block_on(manager.load::<dyn Probe>("free", &program)).expect("it loads");
    block_on(manager.reload("probe", &program)).expect("it loads");
    let _waiting = (begun!(probe.wait()), begun!(free.wait()));
    assert!(matches!(probe.version(), Err(Error::Call(CallError::Busy { .. }))));
    assert_eq!(free.version(), Ok(1));
}

#[test]
fn a_manifest_says_how_much_may_be_asked() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let manifest = format!("command = {:?}\nmax_calls = 1\n", libraries().program("probe-one"));
    home.write("probe.plugin.toml", &manifest);
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    let waiting = begun!(probe.wait());
    assert!(matches!(probe.version(), Err(Error::Call(CallError::Busy { calls: 1, queue: 0 }))));
    drop(waiting);
    home.write("probe.plugin.toml", &manifest.replace("max_calls = 1", "max_calls = 2"));
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    let _waiting = [begun!(probe.wait()), begun!(probe.wait())];
    assert!(matches!(probe.version(), Err(Error::Call(CallError::Busy { calls: 2, queue: 0 }))));
}

#[test]
fn a_program_that_wants_too_much_memory_ends_and_comes_back() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let manifest = format!("command = {:?}\nmax_memory = 40_000_000\n", libraries().program("probe-one"));
    home.write("probe.plugin.toml", &manifest);
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    assert_eq!(probe.filled(1000).map(|bytes| bytes.len()), Ok(1000));
    // Each is held by the plugin at least until it is sent, and several do not fit.
    let greedy: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn({
                let probe = probe.clone();
                move || probe.filled(1 << 24)
            })
        })
        .collect();
    let answers: Vec<_> = greedy.into_iter().map(|call| call.join().expect("no panic")).collect();
    let is_told = |answer: &Result<_, Error>| matches!(answer, Err(Error::Call(CallError::Exited { words, .. })) if is_of_memory(words));
    assert!(
        answers.iter().any(is_told),
        "{:?}",
        answers.iter().map(|answer| answer.as_ref().err()).collect::<Vec<_>>()
    );
    let [failed, loading, back] = home.told("probe");
    assert!(is_of_memory(reason(&failed)), "{failed:?}");
    assert_eq!((loading, back), (State::Loading, online(2)));
    assert_eq!(probe.add(1, 2), Ok(3));
}

/// Whether a plugin's end is said to be for want of memory: by itself, or by the kernel if it is in a cgroup.
fn is_of_memory(words: &str) -> bool {
    words.contains("memory allocation of") || words.contains("(memory limit)")
}

fn breaker(pause: Duration) -> Breaker {
    let mut breaker = Breaker::default();
    (breaker.errors, breaker.pause) = (2, pause);
    breaker
}

#[test]
fn a_plugin_that_does_not_answer_is_called_no_more_until_it_is_reloaded() {
    let manager = Manager::new().with_breaker(breaker(Duration::from_secs(3600)));
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    let probe = block_on(manager.load::<dyn Probe>("probe", &program)).expect("it loads");
    let hurried = || Handle::with(&probe, CallOptions::new().timeout(Duration::from_millis(2)));
    assert!(block_on(hurried().wait()).is_err());
    assert_eq!((probe.version(), stats(&manager).circuit), (Ok(1), Some(Circuit::Closed)), "it answers");
    for _ in 0..2 {
        assert!(matches!(block_on(hurried().wait()), Err(Error::Call(CallError::DeadlineExceeded { .. }))));
    }
    let tripped = probe.version().expect_err("the circuit is open");
    let text = tripped.to_string();
    assert!(matches!(tripped, Error::Call(CallError::Tripped { errors: 2, .. })), "{text}");
    assert!(
        text.starts_with(
            "the plugin left 2 calls in a row without an answer, and is not called for another 3"
        )
    );
    assert!(text.contains("the deadline of the call of `/jackfield.test.Probe/Wait`"), "{text}");
    assert!(matches!(block_on(probe.wait()), Err(Error::Call(CallError::Tripped { .. }))));
    let stats = || stats(&manager);
    assert_eq!((stats().circuit, stats().rejected, stats().errors), (Some(Circuit::Open), 2, 5));

    block_on(manager.reload("probe", &program)).expect("it loads");
    assert_eq!((probe.version(), stats().circuit), (Ok(1), Some(Circuit::Closed)));
}

#[test]
fn a_plugin_that_answers_again_is_called_again() {
    // Beyond a second the next call tries it as well, however long the first one takes.
    let manager = Manager::builder().breaker(breaker(Duration::from_secs(1))).build();
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    let probe = block_on(manager.load::<dyn Probe>("probe", &program)).expect("it loads");
    for _ in 0..2 {
        let hurried = Handle::with(&probe, CallOptions::new().timeout(Duration::from_millis(2)));
        assert!(block_on(hurried.wait()).is_err());
    }
    // Whoever tries it and gives up leaves that to the next.
    let trying = loop {
        let mut trying = Box::pin(probe.wait());
        if trying.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            break trying;
        }
        std::thread::yield_now();
    };
    assert_eq!(stats(&manager).circuit, Some(Circuit::HalfOpen));
    assert!(matches!(probe.version(), Err(Error::Call(CallError::Tripped { left: Duration::ZERO, .. }))));
    drop(trying);
    assert_eq!((probe.version(), stats(&manager).circuit), (Ok(1), Some(Circuit::Closed)));
}

/// The probe in this process, linked in and as a shared library, and what becomes of it in the end.
fn in_this_process() -> [(Box<dyn Candidate>, Unloaded); 2] {
    let library = native().library(libraries().library("probe-one"));
    [(Box::new(probe_one::PLUGIN), Unloaded::Dropped), (Box::new(library), Unloaded::Unmapped)]
}

#[test]
fn a_plugin_in_this_process_has_its_limits_too() {
    for (candidate, end) in in_this_process() {
        let manager = Manager::builder().limits(limits(1, 1)).build();
        let probe = block_on(manager.load::<dyn Probe>("probe", &*candidate)).expect("it loads");
        let waiting = begun!(probe.wait());
        let next = begun!(probe.add_async(1, 2));
        let busy = CallError::Busy { calls: 1, queue: 1 };
        assert_eq!(probe.add(1, 2), Err(busy.clone().into()));
        assert_eq!(block_on(probe.add_async(1, 2)), Err(busy.into()));
        let stats = || stats(&manager);
        assert_eq!((stats().calls, stats().in_flight, stats().waiting, stats().rejected), (4, 1, 1, 2));
        drop(waiting);
        assert_eq!((block_on(next), probe.add(3, 4)), (Ok(3), Ok(7)));
        assert!(matches!(probe.fail("no".into()), Err(Error::Plugin(_))));
        assert!(matches!(probe.panic("oh".into()), Err(Error::Call(CallError::Panicked { .. }))));
        assert_eq!((stats().calls, stats().in_flight, stats().errors, stats().failures), (7, 0, 3, 1));
        let reloaded = block_on(manager.reload("probe", &*candidate)).expect("it loads");
        assert_eq!((reloaded.is_drained, &reloaded.old), (true, &end));
        assert_eq!(probe.bytes(1 << 20).map(|bytes| bytes.len()), Ok(1 << 20));
        assert_eq!(block_on(manager.unload("probe")), Ok(end));
    }
}

#[test]
fn a_plugin_in_this_process_that_misses_deadlines_is_called_no_more() {
    for (candidate, _) in in_this_process() {
        let mut limits = Limits::default();
        limits.deadline = Some(Duration::from_millis(2));
        let manager = Manager::builder().limits(limits).breaker(breaker(Duration::from_secs(3600))).build();
        let probe = block_on(manager.load::<dyn Probe>("probe", &*candidate)).expect("it loads");
        assert_eq!((probe.version(), stats(&manager).circuit), (Ok(1), Some(Circuit::Closed)));
        for _ in 0..2 {
            assert!(matches!(block_on(probe.wait()), Err(Error::Call(CallError::DeadlineExceeded { .. }))));
            assert_eq!(stats(&manager).in_flight, 0);
        }
        assert!(matches!(probe.version(), Err(Error::Call(CallError::Tripped { errors: 2, .. }))));
        assert_eq!(stats(&manager).circuit, Some(Circuit::Open));
        block_on(manager.reload("probe", &*candidate)).expect("it loads");
        assert_eq!(probe.version(), Ok(1));
    }
}

#[test]
fn each_call_into_this_process_has_a_span_if_the_host_wants_that() {
    seen::install();
    for (manager, expected) in [(Manager::new(), 0), (Manager::builder().trace_all().build(), 2)] {
        let name = format!("spans-{expected}");
        let probe = block_on(manager.load::<dyn Probe>(&name, &probe_one::PLUGIN)).expect("it loads");
        assert_eq!((probe.add(1, 2), block_on(probe.add_async(3, 4))), (Ok(3), Ok(7)));
        assert_eq!(seen::spans_of(&name), expected);
    }
}
