//! A plugin that uses tokio, of every kind.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::thread;

use futures_core::Stream as _;
use jackfield::process::ProcessPlugin;
use jackfield::{CallError, Error, Handle, Manager, Unloaded};
use jackfield_core::CallOptions;
use reactor_interface::{Reactor, Sleeper as _};

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
    let error = reactor.panic_later("late".to_owned()).await.expect_err("it panics");
    let Error::Call(CallError::Panicked { message }) = &error else { panic!("{error:?}") };
    assert!(message.contains("late"), "{message}");
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
        assert_eq!(
            manager.unload("own reactor").await,
            Ok(Unloaded::Unmapped),
            "though this thread is alive"
        );
    });
}

#[test]
fn a_plugin_that_is_linked_in_has_a_reactor_of_its_own_too() {
    block_on(async {
        let manager = Manager::new();
        let reactor = manager.load::<dyn Reactor>("linked", &reactor::PLUGIN).await.expect("loaded");
        assert_eq!(reactor.sleep(1).await, Ok("linked".to_owned()));
        exercise(&reactor).await;
        assert_eq!(manager.unload("linked").await, Ok(Unloaded::Dropped));
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
        manager.unload("program").await.expect("it was loaded");
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
