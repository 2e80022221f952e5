//! Panics inside a library: caught at every entry, told with their place, and heard where nothing catches them.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::host::{self, Thread};
use crate::log::{Level, Record};
use crate::shim::{Refusal, RefusalKind, Reply};

/// Replaces the panic hook of the std in which this code is linked by one that remembers the panic's message and
/// place for the shim that catches it, and logs a panic in a thread of the library's own.
///
/// A library calls it once for its own std, at load: std's default hook would print, and under `RUST_BACKTRACE`
/// its symbolizer would keep the library's file mapped for ever. Nothing calls it in a host or in a program.
pub fn forward_panics() {
    std::panic::set_hook(Box::new(|info| {
        let description = describe(info);
        let thread = host::calling_thread();
        if !IS_CAUGHT.get() {
            report(thread, &description);
        }
        remember(description);
        if thread.is_own && thread.is_ending {
            // std would end the process: nothing may unwind out of the destructor of a thread-local. A thread that
            // never ends costs a thread.
            loop {
                std::thread::park();
            }
        }
    }));
}

/// Takes the description of the last panic on this thread, if the hook of [`forward_panics`] saw one.
pub fn forwarded_panic() -> Option<String> {
    let (mut seen, thread) = (seen(), thread_key());
    let index = seen.iter().position(|(other, _)| *other == thread)?;
    Some(seen.remove(index).1)
}

/// Forgets what nobody has asked for.
pub(crate) fn forget_all() {
    *seen() = Vec::new();
}

/// Makes a refusal of a panic that was caught.
#[cold]
pub(crate) fn refusal(payload: Box<dyn Any + Send>) -> Refusal {
    let payload = match payload.downcast::<Refusal>() {
        Ok(refusal) => return *refusal,
        Err(payload) => payload,
    };
    let message = message(payload.as_ref());
    // A payload that was thrown without a panic of its own passes the hook by.
    let text = forwarded_panic().filter(|text| text.starts_with(&message)).unwrap_or(message);
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A payload that panics in its own destructor has nothing to say that anybody could hear.
        std::mem::forget(another);
    }
    Refusal::new(RefusalKind::Panic, text)
}

/// Runs the plugin's code on a thread of the library's own, for somebody who hears of a panic otherwise than by the log.
pub(crate) fn catch<V>(run: impl FnOnce() -> V) -> Reply<V> {
    let outer = IS_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_CAUGHT.set(outer);
    result.map_err(refusal)
}

/// Passes a panic that was caught on another thread on, so that it is caught again as the same refusal.
pub(crate) fn resume(refusal: Refusal) -> ! {
    std::panic::resume_unwind(Box::new(refusal))
}

/// Logs a panic that was caught where nobody waits for an answer.
#[cold]
pub(crate) fn log_caught(place: &str, payload: Box<dyn Any + Send>) {
    let text = refusal(payload).text();
    host::send_log(&Record::new(Level::Error, TARGET, &format!("{place} panicked: {text}")));
}

/// Logs a panic that no shim catches.
fn report(thread: Thread, description: &str) {
    let text = match thread {
        Thread { is_own: true, is_ending } => {
            let current = std::thread::current();
            let name = current.name().unwrap_or("without a name");
            let doing =
                if is_ending { " in the destructor of a thread-local, and is kept from ending" } else { "" };
            format!("the plugin's thread `{name}` panicked{doing}: {description}")
        }
        Thread { is_ending: true, .. } => format!(
            "the destructor of a thread-local panicked on a thread of the host, so std ends the process: {description}"
        ),
        // A shim catches it, and whoever called hears of it.
        Thread { .. } => return,
    };
    host::send_log(&Record::new(Level::Error, TARGET, &text));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = message(info.payload());
    match info.location() {
        Some(location) => format!("{message}, at {location}"),
        None => message,
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is not a text".to_owned()
    }
}

fn remember(description: String) {
    let (mut seen, thread) = (seen(), thread_key());
    // What was there is the description of a panic that the plugin caught itself.
    seen.retain(|(other, _)| *other != thread);
    if seen.len() == MAX_SEEN {
        seen.remove(0);
    }
    seen.push((thread, description));
}

fn seen() -> MutexGuard<'static, Vec<(usize, String)>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells the threads that are alive apart.
fn thread_key() -> usize {
    IS_CAUGHT.with(|place| std::ptr::from_ref(place).addr())
}

/// The last panic of each thread. It is no thread-local, since one with a destructor would pin the library to any host
/// thread on which a panic was.
static SEEN: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());

/// How many threads may have panicked without anybody asking.
const MAX_SEEN: usize = 64;

const TARGET: &str = "jackfield::panic";

thread_local! {
    /// Whether somebody waits for a panic on this thread of the library's own. Its address tells threads apart.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}
