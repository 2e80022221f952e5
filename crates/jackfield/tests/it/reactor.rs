//! A plugin that uses tokio, of every kind.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_core::Stream as _;
use jackfield::process::ProcessPlugin;
use jackfield::{CallError, CallOptions, Error, Handle, Interface, Manager, Unloaded};
use jackfield_core::Lane;
use jackfield_plugin::plugin;
use reactor_interface::{Reactor, Sleeper};

use crate::support::{block_on, libraries, native};

/// Polls a future once.
fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

async fn exercise(reactor: &Handle<dyn Reactor>) {
    assert_eq!(reactor.echo("through a socket".to_owned()).await, Ok("through a socket".to_owned()));
    assert!(reactor.ticks().await.is_ok_and(|ticks| ticks > 2));
    reactor.sleep(1).await.expect("it sleeps");
    let asked = Handle::with(reactor, CallOptions::new().metadata("colour", "green"));
    assert_eq!(asked.option("colour".to_owned()).await, Ok("green".to_owned()));
    a_deadline_ends_a_call_of_what_was_returned(reactor).await;
    what_is_passed_is_called(reactor).await;
    let error = reactor.panic_later("late".to_owned()).await.expect_err("it panics");
    let Error::Call(CallError::Panicked { message }) = &error else { panic!("{error:?}") };
    assert!(message.contains("late"), "{message}");
}

/// A handle whose calls end soon.
fn hurried<I: Interface + ?Sized>(handle: &Handle<I>) -> Handle<I> {
    Handle::with(handle, CallOptions::new().timeout(Duration::from_millis(20)))
}

/// Expects something, some time later.
async fn expect<T: PartialEq + std::fmt::Debug>(what: impl AsyncFn() -> T, expected: T) {
    let begun = Instant::now();
    while what().await != expected && begun.elapsed() < Duration::from_secs(20) {}
    assert_eq!(what().await, expected);
}

async fn a_deadline_ends_a_call_of_what_was_returned(reactor: &Handle<dyn Reactor>) {
    let sleeper = reactor.sleeper().await.expect("an object");
    let dropped = reactor.dropped().expect("a number");
    let error = hurried(&sleeper).sleep(u64::MAX).await.expect_err("it sleeps for ever");
    assert!(matches!(error, Error::Call(CallError::DeadlineExceeded { .. })), "{error}");
    // The plugin has given the call up, and goes on.
    expect(async || reactor.dropped(), Ok(dropped + 1)).await;
    sleeper.sleep(1).await.expect("it sleeps, without the other handle's deadline");
}

/// An object of the host's.
struct HostsSleeper {
    /// Shared with those that count the objects, and the calls that have not ended.
    live: Arc<()>,
}

#[plugin]
impl Sleeper for HostsSleeper {
    async fn sleep(&self, milliseconds: u64) -> Result<String, Error> {
        let _live = self.live.clone();
        if milliseconds == u64::MAX {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        let deadline = CallOptions::current().remaining().is_some();
        Ok(format!("asleep for {milliseconds} ms, with a deadline: {deadline}"))
    }

    fn thread(&self) -> Result<String, Error> {
        Ok(thread::current().name().unwrap_or_default().to_owned())
    }
}

async fn what_is_passed_is_called(reactor: &Handle<dyn Reactor>) {
    let live = Arc::new(());
    let sleeper = || Handle::<dyn Sleeper>::new(HostsSleeper { live: live.clone() });
    assert_eq!(reactor.ask(sleeper(), 3).await, Ok("asleep for 3 ms, with a deadline: false".to_owned()));
    reactor.ask_beside(sleeper()).await.expect("it is called beside the runtime");
    reactor.ask_now(sleeper()).expect("it is called by a blocking method");
    let within = reactor.ask_within(sleeper()).await;
    match (Handle::current(reactor).lane(), within) {
        (Lane::Channel(_), within) => {
            let error = within.expect_err("the thread would wait for what it has to do itself");
            assert!(error.to_string().contains("would wait for itself"), "{error}");
        }
        (_, within) => drop(within.expect("it is called where it lies")),
    }
    let error = hurried(reactor).ask(sleeper(), u64::MAX).await.expect_err("it sleeps for ever");
    assert!(matches!(error, Error::Call(CallError::DeadlineExceeded { .. })), "{error}");
    expect(async || Arc::strong_count(&live), 1).await;
}

/// Keeps an object of the host's beyond an unload, which ends the call that is made of it.
async fn what_is_kept_is_let_go(manager: &Manager, name: &str, reactor: &Handle<dyn Reactor>) -> Unloaded {
    let live = Arc::new(());
    reactor.keep(Handle::new(HostsSleeper { live: live.clone() })).await.expect("kept");
    // The object, and the call of the plugin's task.
    expect(async || Arc::strong_count(&live), 3).await;
    let unloaded = manager.unload(name).await.expect("it was loaded");
    expect(async || Arc::strong_count(&live), 1).await;
    unloaded
}

#[test]
fn a_library_uses_a_reactor_of_its_own_and_leaves_nothing_on_the_threads_of_its_host() {
    block_on(async {
        let manager = Manager::new();
        let native = native().library(libraries().library("reactor"));
        let reactor = manager.load::<dyn Reactor>("own reactor", &native).await.expect("loaded");
        assert_eq!(reactor.sleep(1).await, Ok("own reactor".to_owned()), "the thread has the plugin's name");
        exercise(&reactor).await;
        let mut numbers = reactor.count(3).await.expect("a stream");
        for number in 0..3 {
            let next = poll_fn(|context| Pin::new(&mut numbers).poll_next(context)).await;
            assert_eq!(next, Some(Ok(number)));
        }
        drop(numbers);
        let sleeper = reactor.sleeper().await.expect("an object");
        assert_eq!(sleeper.sleep(1).await, Ok("own reactor".to_owned()));
        drop(sleeper);
        let error = reactor.panic_later("placed".to_owned()).await.expect_err("it panics").to_string();
        assert!(error.contains("placed, at ") && error.contains("reactor/src/lib.rs:"), "{error}");
        let unloaded = what_is_kept_is_let_go(&manager, "own reactor", &reactor).await;
        assert_eq!(unloaded, Unloaded::Unmapped, "though this thread is alive");
    });
}

#[test]
fn a_plugin_that_is_linked_in_has_a_reactor_of_its_own_too() {
    block_on(async {
        let manager = Manager::new();
        let reactor = manager.load::<dyn Reactor>("linked", &reactor::PLUGIN).await.expect("loaded");
        assert_eq!(reactor.sleep(1).await, Ok("linked".to_owned()));
        exercise(&reactor).await;
        assert_eq!(what_is_kept_is_let_go(&manager, "linked", &reactor).await, Unloaded::Dropped);
    });
}

#[test]
fn a_program_uses_the_reactor_on_which_it_is_served() {
    block_on(async {
        let manager = Manager::new();
        let process = ProcessPlugin::new(libraries().program("reactor"));
        let reactor = manager.load::<dyn Reactor>("program", &process).await.expect("loaded");
        assert_eq!(reactor.sleep(1).await, Ok("main".to_owned()));
        exercise(&reactor).await;
        what_is_kept_is_let_go(&manager, "program", &reactor).await;
    });
}

#[test]
fn a_call_that_is_dropped_is_dropped_in_the_plugin() {
    block_on(async {
        let manager = Manager::new();
        let native = native().library(libraries().library("reactor"));
        let reactor = manager.load::<dyn Reactor>("cancelled", &native).await.expect("loaded");
        let mut waiting = Box::pin(reactor.wait());
        assert!(is_pending(&mut waiting));
        // What was asked for later has been begun later.
        reactor.sleep(1).await.expect("it sleeps");
        assert_eq!(reactor.dropped(), Ok(0));
        drop(waiting);
        reactor.sleep(1).await.expect("it sleeps");
        assert_eq!(reactor.dropped(), Ok(1));
        assert_eq!(manager.unload("cancelled").await, Ok(Unloaded::Unmapped));
    });
}

#[test]
fn a_call_is_woken_from_a_thread_of_the_host() {
    block_on(async {
        let manager = Manager::new();
        let native = native().library(libraries().library("reactor"));
        let reactor = manager.load::<dyn Reactor>("woken", &native).await.expect("loaded");
        let mut waiting = Box::pin(reactor.wait());
        assert!(is_pending(&mut waiting));
        reactor.sleep(1).await.expect("it sleeps");
        let (released, release) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let host = thread::spawn({
            let reactor = reactor.clone();
            move || {
                released.send(reactor.release()).expect("the test waits");
                let _ = ended.recv();
            }
        });
        release.recv().expect("it is called").expect("released");
        assert_eq!(waiting.await, Ok(()));
        assert_eq!(manager.unload("woken").await, Ok(Unloaded::Unmapped), "though the thread is alive");
        drop(end);
        host.join().expect("it ends without a crash");
    });
}
