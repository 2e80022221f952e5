//! Panics inside a library: caught at every entry, and told with their place.

use std::any::Any;
use std::cell::Cell;
use std::panic::PanicHookInfo;

use crate::shim::{self, Refusal, RefusalKind};

/// Replaces the panic hook of the std in which this code is linked by one that remembers the panic's message and
/// place for the shim that catches it.
///
/// A library calls it once for its own std, at load: std's default hook would print, and under `RUST_BACKTRACE`
/// its symbolizer would keep the library's file mapped for ever. Nothing calls it in a host or in a program.
pub fn forward_panics() {
    std::panic::set_hook(Box::new(|info| {
        let description = describe(info);
        // What was there is the description of a panic that the plugin caught itself.
        drop(forwarded_panic());
        LAST.set(Some(Box::leak(Box::new(description))));
    }));
}

/// Takes the description of the last panic on this thread, if the hook of [`forward_panics`] saw one.
pub fn forwarded_panic() -> Option<String> {
    // SAFETY: the hook leaked this box, and taking it out of the cell makes us its only owner.
    LAST.take().map(|text| *unsafe { Box::from_raw(std::ptr::from_mut(text)) })
}

/// Makes a refusal of a panic that was caught.
#[cold]
pub(crate) fn refusal(payload: Box<dyn Any + Send>) -> Refusal {
    let message = message(payload.as_ref());
    // A payload that was thrown without a panic of its own passes the hook by.
    let text = forwarded_panic().filter(|text| text.starts_with(&message)).unwrap_or(message);
    shim::discard(payload);
    Refusal::new(RefusalKind::Panic, text)
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

thread_local! {
    /// Without a destructor on purpose: one that was registered on a host thread would pin the library.
    static LAST: Cell<Option<&'static mut String>> = const { Cell::new(None) };
}
