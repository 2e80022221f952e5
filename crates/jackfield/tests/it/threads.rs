//! What a shared library does on threads: those that it starts, and those on which it begins and ends.

use std::time::Duration;

use jackfield::native::NativeError;
use jackfield::{Context, Error, LoadErrorKind, Manager, Step, Unloaded};
use tenant_interface::Tenant;
use tracing::Level;

use crate::alone::run_alone;
use crate::seen::{install, wait_for};
use crate::support::{libraries, native};

#[tokio::test]
async fn a_panic_in_a_thread_of_the_plugin_is_logged_with_its_place() {
    install();
    let manager = Manager::new();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("panics", &native).await.expect("loaded");
    on_a_thread(move || tenant.panic_in_thread("worker".to_owned(), "out of luck".to_owned()));
    let event = wait_for("panics", |event| *event.metadata.level() == Level::ERROR);
    let message = event.field("message");
    assert!(message.starts_with("the plugin's thread `worker` panicked: out of luck, at "), "{message}");
    assert!(message.contains("tenant/src/lib.rs:"), "{message}");
    assert_eq!(manager.unload("panics").await, Ok(Unloaded::Unmapped));
}

#[tokio::test]
async fn a_panic_at_the_end_of_a_thread_of_the_plugin_ends_neither_thread_nor_host() {
    install();
    let manager = Manager::builder().stop_deadline(Duration::from_millis(1)).build();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("late panic", &native).await.expect("loaded");
    tenant.panic_at_end_of_own_thread("doomed".to_owned()).expect("the host lives on");
    let event = wait_for("late panic", |event| *event.metadata.level() == Level::ERROR);
    let message = event.field("message");
    assert!(message.contains("`doomed` panicked in the destructor of a thread-local"), "{message}");
    assert!(message.contains("boom in a destructor, at "), "{message}");
    let Ok(Unloaded::Pinned { by }) = manager.unload("late panic").await else { panic!("a thread holds it") };
    assert!(matches!(by.as_slice(), [by] if by.starts_with("thread `doomed` (")), "{by:?}");
}

#[test]
fn a_panic_at_the_end_of_a_thread_of_the_host_is_logged_before_std_ends_the_process() {
    let test = "threads::a_panic_at_the_end_of_a_thread_of_the_host_is_logged_before_std_ends_the_process";
    if let Some(output) = run_alone(test) {
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(printed.contains("jackfield::panic: the destructor of a thread-local panicked"), "{printed}");
        assert!(printed.contains("boom in a destructor, at "), "{printed}");
        return;
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let native = native().library(libraries().library("tenant"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let tenant = runtime.block_on(Manager::new().load::<dyn Tenant>("host", &native)).expect("loaded");
    let ended = std::thread::spawn(move || tenant.panic_at_end_of_thread()).join();
    unreachable!("std does not end a process any more: {ended:?}");
}

#[tokio::test]
async fn a_thread_that_goes_on_pins_the_library_and_is_named() {
    let manager = Manager::builder().stop_deadline(Duration::from_millis(1)).build();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("busy", &native).await.expect("loaded");
    tenant.start_thread("ticker".to_owned()).expect("started");
    let Ok(Unloaded::Pinned { by }) = manager.unload("busy").await else { panic!("a thread holds it") };
    let [by] = by.as_slice() else { panic!("one thread: {by:?}") };
    assert!(by.starts_with("thread `ticker` (") && by.ends_with("), which the plugin started"), "{by}");
}

#[tokio::test]
async fn a_thread_that_is_ending_is_waited_for() {
    let manager = Manager::new();
    let native = native().library(libraries().library("tenant"));
    let tenant = manager.load::<dyn Tenant>("ending", &native).await.expect("loaded");
    on_a_thread(move || {
        tenant.start_thread("ticker".to_owned())?;
        tenant.end_threads()
    });
    assert_eq!(manager.unload("ending").await, Ok(Unloaded::Unmapped));
}

#[tokio::test]
async fn a_constructor_that_never_returns_is_an_error() {
    let manager = Manager::new();
    let native = native().load_deadline(Duration::from_secs(4)).library(libraries().library("tenant"));
    let context = Context::new("hangs", [("hang".to_owned(), String::new())]);
    let error = manager.load_with::<dyn Tenant>(context, &native).await.expect_err("it hangs");
    let LoadErrorKind::Backend { source, .. } = error.kind() else { panic!("{error:?}") };
    let Some(NativeError::Deadline { step, .. }) = source.downcast_ref() else { panic!("{source:?}") };
    assert_eq!(*step, Step::Construct);
    assert!(
        source.to_string().contains("did not come to an end of the step `construct` within 4s"),
        "{source}"
    );
    assert!(jackfield::native::pinned_libraries() >= 1);
}

#[tokio::test]
async fn a_destructor_that_never_returns_pins_the_library() {
    let manager = Manager::builder().stop_deadline(Duration::from_millis(1)).build();
    let native = native().library(libraries().library("tenant"));
    let context = Context::new("clings", [("hang on drop".to_owned(), String::new())]);
    manager.load_with::<dyn Tenant>(context, &native).await.expect("loaded");
    let expected = Unloaded::Pinned { by: vec!["its own code, which has not returned".to_owned()] };
    assert_eq!(manager.unload("clings").await, Ok(expected));
}

/// Calls a plugin on a thread that ends: std has a thread-local on every thread that starts another one.
fn on_a_thread(call: impl FnOnce() -> Result<(), Error> + Send + 'static) {
    std::thread::spawn(call).join().expect("no panic").expect("it works");
}
