//! What is known of the calls of a plugin in its own process.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jackfield::native::NativeBackend;
use jackfield::process::ProcessPlugin;
use jackfield::{
    BoxFuture, Bytes, CallError, CallOptions, Candidate, Error, Handle, Instance, Limits, Load, LoadError,
    Manager, Messages, Stats, Stream as _, Streaming, Unloaded,
};
use jackfield_core::{Channel, Lane, Method, Parcel, Part, interface};
use probe_interface::Probe;

use crate::home::{Home, online};
use crate::support::{block_on, libraries};

/// Polls once a future that is not ready.
macro_rules! begun {
    ($future:expr) => {{
        let mut future = Box::pin($future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        future
    }};
}
pub(crate) use begun;

pub(crate) fn stats(manager: &Manager) -> Stats {
    manager.stats("probe").expect("it is loaded")
}

#[test]
fn calls_are_counted_through_all_generations() {
    let manager = Manager::new();
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    let probe = block_on(manager.load::<dyn Probe>("probe", &program)).expect("it loads");
    let before = stats(&manager);
    assert_eq!((before.calls, before.p50, before.generation), (0, None, 1));
    assert!(before.memory.is_some_and(|bytes| bytes > 100_000), "{before:?}");

    assert_eq!(probe.add(20, 22), Ok(42));
    assert_eq!(block_on(probe.add_async(20, 22)), Ok(42));
    assert!(matches!(probe.fail("no".into()), Err(Error::Plugin(_))));
    assert!(matches!(probe.panic("oh".into()), Err(Error::Call(CallError::Panicked { .. }))));
    let after = stats(&manager);
    assert_eq!((after.calls, after.failures, after.errors, after.in_flight), (4, 1, 1, 0));
    let (p50, p99) = (after.p50.expect("answered"), after.p99.expect("answered"));
    assert!(Duration::ZERO < p50 && p50 <= p99 && p99 < Duration::from_secs(60), "{after:?}");

    // A call that is given up is no error, unless its deadline has come.
    let waiting = begun!(probe.wait());
    assert_eq!(stats(&manager).in_flight, 1);
    drop(waiting);
    assert_eq!((stats(&manager).in_flight, stats(&manager).errors), (0, 1));
    let hurried = Handle::with(&probe, CallOptions::new().timeout(Duration::from_millis(1)));
    assert!(matches!(block_on(hurried.wait()), Err(Error::Call(CallError::DeadlineExceeded { .. }))));
    assert_eq!((stats(&manager).calls, stats(&manager).errors), (6, 2));

    block_on(manager.reload("probe", &program)).expect("it loads");
    assert_eq!(probe.version(), Ok(1));
    let reloaded = stats(&manager);
    assert_eq!((reloaded.generation, reloaded.calls, reloaded.restarts), (2, 7, 0));
    assert!(reloaded.memory.is_some(), "it is that of the new process");
    assert_eq!(manager.all_stats().len(), 1);
    block_on(manager.unload("probe")).expect("it is loaded");
    assert!(manager.stats("probe").is_err() && manager.all_stats().is_empty());
}

#[test]
#[expect(unsafe_code, reason = "a host writes it once")]
fn calls_into_this_process_are_counted_on_their_threads() {
    // SAFETY: the library is of this repository.
    let backend = unsafe { NativeBackend::new() };
    let manager = Manager::new();
    let library = backend.library(libraries().library("probe-one"));
    for candidate in [&library as &dyn Candidate, &probe_one::PLUGIN] {
        let probe = block_on(manager.load::<dyn Probe>("probe", candidate)).expect("it loads");
        assert_eq!((stats(&manager).calls, stats(&manager).p50), (0, None));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..1_000).for_each(|_| assert_eq!(probe.add(20, 22), Ok(42))));
            }
        });
        assert_eq!(block_on(probe.add_async(20, 22)), Ok(42));
        assert_eq!(block_on(probe.pend(3)), Ok(3));
        assert!(matches!(probe.fail("no".into()), Err(Error::Plugin(_))));
        assert!(matches!(probe.panic("oh".into()), Err(Error::Call(CallError::Panicked { .. }))));
        assert!(matches!(block_on(probe.panic_later("oh".into())), Err(Error::Call(_))));
        let hurried = Handle::with(&probe, CallOptions::new().timeout(Duration::from_secs(60)));
        assert_eq!(hurried.add(1, 2), Ok(3), "also under options");
        let after = stats(&manager);
        assert_eq!((after.calls, after.failures, after.errors), (2_006, 1, 2), "{after:?}");
        assert!(after.p50.is_some_and(|time| time < Duration::from_secs(1)), "{after:?}");

        block_on(manager.reload("probe", candidate)).expect("it loads");
        assert_eq!(probe.version(), Ok(1));
        assert_eq!((stats(&manager).calls, stats(&manager).generation), (2_007, 2));
        block_on(manager.unload("probe")).expect("it is loaded");
    }
}

#[test]
fn a_restart_is_counted_and_its_calls_with_it() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    home.put(libraries().program("probe-one"), "probe");
    let [_, first] = home.told("probe");
    assert_eq!(first, online(1));
    let probe = home.get::<dyn Probe>("probe");
    let waiting = begun!(probe.wait());
    home.kill("probe");
    let [_, _, back] = home.told("probe");
    assert_eq!(back, online(2));
    assert!(matches!(block_on(waiting), Err(Error::Call(CallError::Exited { .. }))));
    let stats = stats(&home.manager);
    assert_eq!((stats.restarts, stats.calls, stats.errors, stats.generation), (1, 1, 1, 2));
    assert!(stats.memory.is_some());
}

#[test]
fn the_name_of_versions_has_the_figures_of_the_one_that_serves() {
    let manager = Manager::new();
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    block_on(manager.load::<dyn Probe>("probe@1", &program)).expect("it loads");
    let probe = manager.get::<dyn Probe>("probe").expect("it serves");
    assert_eq!(probe.version(), Ok(1));
    assert_eq!((stats(&manager).calls, manager.all_stats()[0].0.as_str()), (1, "probe@1"));
}

/// What a plugin would be that ticks.
#[interface(service = "test.Ticker", version = "1.0")]
trait Ticker {
    async fn ticks(&self) -> Result<Streaming<u64>, Error>;
    async fn now(&self) -> Result<u64, Error>;
}

/// A wire whose other end answers everything with a stream of one message.
#[derive(Debug)]
struct Ticking;

impl Candidate for Ticking {
    fn load<'a>(&'a self, _: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(std::future::ready(Ok(Box::new(Self) as Box<dyn Instance>)))
    }
}

impl Instance for Ticking {
    fn lane(&self) -> Lane {
        Lane::Channel(Arc::new(Self))
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        Box::pin(std::future::pending())
    }

    fn unload(self: Box<Self>, _: Duration) -> BoxFuture<'static, Unloaded> {
        Box::pin(std::future::ready(Unloaded::Dropped))
    }
}

impl Channel for Ticking {
    fn call(
        &self,
        _: &'static Method,
        _: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        assert!(options.is_none(), "a stream lasts as long as somebody reads");
        let messages = Part::Stream(Messages::from(Bytes::from_static(b"\x08\x07")));
        Box::pin(std::future::ready(Ok(Parcel { bytes: Bytes::new(), parts: vec![(1, messages)] })))
    }

    fn call_blocking(&self, _: &'static Method, _: Parcel, _: Option<&CallOptions>) -> Result<Parcel, Error> {
        unreachable!("it has no method that blocks")
    }
}

#[test]
fn a_call_is_in_flight_until_its_stream_ends() {
    let mut limits = Limits::default();
    (limits.calls, limits.deadline) = (Some(1), Some(Duration::from_secs(3600)));
    let manager = Manager::builder().limits(limits).build();
    let ticker = block_on(manager.load::<dyn Ticker>("probe", &Ticking)).expect("it loads");
    let mut ticks = block_on(ticker.ticks()).expect("it begins");
    assert_eq!(stats(&manager).in_flight, 1);
    assert!(matches!(block_on(ticker.now()), Err(Error::Call(CallError::Busy { .. }))));
    let mut next = || block_on(poll_fn(|context| Pin::new(&mut ticks).poll_next(context)));
    assert_eq!((next(), next()), (Some(Ok(7)), None));
    assert_eq!(stats(&manager).in_flight, 0);
    drop(block_on(ticker.ticks()).expect("it begins"));
    assert_eq!((stats(&manager).in_flight, stats(&manager).calls), (0, 3));
}
