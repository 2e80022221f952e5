//! A plugin that is started again by the next call after it has ended: each end and each failed start is the test's doing.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield::{
    BoxFuture, CallError, CallOptions, Candidate, Context, Error, Handle, Instance, Load, LoadError,
    LoadErrorKind, Manager, Restart, Restartable, Step, Unloaded,
};
use jackfield_core::{Channel, Lane, Method, Parcel, interface};
use probe_interface::Probe;
use tokio::sync::watch;

use crate::support::{block_on, chain};

/// What a program says of itself.
#[interface(service = "jackfield.test.Program", version = "1.0")]
trait Program {
    /// Which start this is.
    fn start(&self) -> Result<u32, Error>;

    /// Answers when the program ends, and then with an error.
    async fn wait(&self) -> Result<u32, Error>;
}

/// Another interface of the same program.
#[interface(service = "jackfield.test.Other", version = "1.0")]
trait Other {
    /// Which start this is.
    fn start(&self) -> Result<u32, Error>;
}

/// A program that runs nowhere.
#[derive(Debug, Default)]
struct Fake {
    starts: AtomicU32,
    is_broken: AtomicBool,
    is_slow: AtomicBool,
    /// The name and root of each start.
    told: Mutex<Vec<String>>,
    running: Mutex<watch::Sender<bool>>,
}

impl Fake {
    /// Ends what runs.
    fn kill(&self) {
        self.running.lock().expect("no panic").send_replace(true);
    }

    fn starts(&self) -> u32 {
        self.starts.load(Ordering::SeqCst)
    }
}

impl Candidate for Fake {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async {
            if self.is_slow.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let start = self.starts.fetch_add(1, Ordering::SeqCst) + 1;
            let context = &load.context;
            let told = format!("{} {}", context.plugin(), context.config("root").unwrap_or_default());
            self.told.lock().expect("no panic").push(told);
            if self.is_broken.load(Ordering::SeqCst) {
                return Err(load.error(LoadErrorKind::backend("fake", Step::Start, "it is broken")));
            }
            let (running, ended) = watch::channel(false);
            *self.running.lock().expect("no panic") = running;
            Ok(Box::new(FakeInstance { start, ended }) as Box<dyn Instance>)
        })
    }
}

#[derive(Clone, Debug)]
struct FakeInstance {
    start: u32,
    ended: watch::Receiver<bool>,
}

impl FakeInstance {
    async fn end(mut self) -> CallError {
        let _ = self.ended.wait_for(|ended| *ended).await;
        CallError::Exited { status: "signal: 9 (SIGKILL)".to_owned(), words: String::new() }
    }
}

impl Instance for FakeInstance {
    fn lane(&self) -> Lane {
        Lane::Channel(Arc::new(self.clone()))
    }

    fn interface<'a>(&'a self, _: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        Box::pin(std::future::ready(Ok(self.lane())))
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        Box::pin(self.clone().end())
    }

    fn unload(self: Box<Self>, _: Duration) -> BoxFuture<'static, Unloaded> {
        let status = format!("start {}", self.start);
        Box::pin(std::future::ready(Unloaded::Exited { status }))
    }
}

impl Channel for FakeInstance {
    fn call(
        &self,
        _: &'static Method,
        _: Parcel,
        _: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let this = self.clone();
        Box::pin(async { Err(this.end().await.into()) })
    }

    fn call_blocking(&self, _: &'static Method, _: Parcel, _: Option<&CallOptions>) -> Result<Parcel, Error> {
        // Field 1 as a varint.
        Ok(Parcel { bytes: vec![8, self.start as u8].into(), parts: Vec::new() })
    }
}

/// A manager with a fake that is restarted without a pause, until it has failed so often.
fn load(failures: u32) -> (Arc<Fake>, Manager, Handle<dyn Program>) {
    let mut restart = Restart::default();
    (restart.failures, restart.first_delay) = (failures, Duration::ZERO);
    load_with(restart)
}

fn load_with(restart: Restart) -> (Arc<Fake>, Manager, Handle<dyn Program>) {
    let (fake, manager) = (Arc::new(Fake::default()), Manager::new());
    let context = Context::new("store", [("root".to_owned(), "/srv".to_owned())]);
    let program = block_on(manager.load_with(context, &Restartable::new(fake.clone(), restart)));
    (fake, manager, program.expect("it starts"))
}

#[test]
fn the_next_call_starts_it_again_with_the_same_configuration() {
    let (fake, manager, program) = load(5);
    let other = block_on(manager.interface::<dyn Other>("store")).expect("it has both");
    assert_eq!((program.start(), other.start()), (Ok(1), Ok(1)));
    fake.kill();
    assert_eq!(fake.starts(), 1, "nobody has called yet");
    // Whichever interface is called first.
    assert_eq!((other.start(), program.start()), (Ok(2), Ok(2)));
    fake.kill();
    assert_eq!((program.start(), other.start()), (Ok(3), Ok(3)));
    assert_eq!(*fake.told.lock().expect("no panic"), ["store /srv"; 3]);
    assert_eq!(Handle::generation(&program), 1);
    let unloaded = block_on(manager.unload("store")).expect("it is loaded");
    assert_eq!(unloaded.to_string(), "exited (start 3)");
    assert!(matches!(program.start(), Err(Error::Call(CallError::Closed { .. }))));
    assert_eq!(fake.starts(), 3);
}

#[test]
fn all_who_call_wait_for_one_start() {
    let (fake, _manager, program) = load(5);
    fake.kill();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| program.start())).collect();
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), Ok(2));
        }
    });
    assert_eq!(fake.starts(), 2);
}

#[test]
fn a_call_that_runs_when_it_ends_fails_and_is_not_repeated() {
    let (fake, _manager, program) = load(5);
    let mut running = program.wait();
    let waker = std::task::Waker::noop();
    assert!(running.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    fake.kill();
    let error = block_on(running).expect_err("it ended");
    assert_eq!(error.to_string(), "the plugin ended: signal: 9 (SIGKILL)");
    assert_eq!(fake.starts(), 1);
    assert_eq!(program.start(), Ok(2));
}

#[test]
fn it_is_given_up_with_the_last_failure_that_the_policy_allows() {
    let (fake, manager, program) = load(4);
    let closed = block_on(manager.interface::<dyn Other>("store")).expect("it has both");
    fake.is_broken.store(true, Ordering::SeqCst);
    fake.kill();
    let why = |error: Error| chain(&error);
    let broken = "the plugin is closed: it ended, and was not started again: failed to load the plugin `store` (step \
                  `start`): the `fake` backend failed: it is broken";
    for start in 2..=4 {
        assert_eq!(program.start().map_err(why), Err(broken.to_owned()));
        assert_eq!(fake.starts(), start);
    }
    // It ended once, and failed to start thrice.
    fake.is_broken.store(false, Ordering::SeqCst);
    let given_up = "the plugin is closed: it failed 4 times within 60s, and is not restarted any more";
    assert_eq!(program.start().map_err(why), Err(given_up.to_owned()));
    assert_eq!(closed.start().map_err(why), Err(given_up.to_owned()));
    assert_eq!(fake.starts(), 4);
    assert_eq!(block_on(manager.unload("store")), Ok(Unloaded::Dropped));
}

#[test]
fn a_call_waits_no_longer_than_its_deadline() {
    let mut restart = Restart::default();
    restart.first_delay = Duration::from_secs(24 * 60 * 60);
    restart.longest_delay = restart.first_delay;
    let paused = load_with(restart);
    let slow = load(5);
    slow.0.is_slow.store(true, Ordering::SeqCst);
    for (fake, manager, program) in [paused, slow] {
        fake.kill();
        let soon = Handle::with(&program, CallOptions::new().timeout(Duration::from_millis(1)));
        for error in [soon.start().expect_err("blocking"), block_on(soon.wait()).expect_err("asynchronous")] {
            assert!(matches!(error, Error::Call(CallError::DeadlineExceeded { .. })), "{error}");
        }
        // Nobody waits for the pause or for the start any more.
        assert_eq!(block_on(manager.unload("store")), Ok(Unloaded::Dropped));
        assert_eq!(fake.starts(), 1);
    }
}

#[test]
fn code_in_this_process_is_loaded_as_it_is() {
    let manager = Manager::new();
    let linked = Restartable::new(Arc::new(probe_one::PLUGIN), Restart::default());
    let probe = block_on(manager.load::<dyn Probe>("probe", &linked)).expect("linked in");
    assert_eq!(probe.version(), Ok(1));
    assert!(matches!(Handle::current(&probe).lane(), Lane::Bound(_)));
}
