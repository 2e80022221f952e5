//! Sends what a shared library logs with `tracing` to its host, with the spans in which it happened.
//!
//! A library has a `tracing` of its own. The subscriber here is its global default, so that no thread-local with a
//! destructor is ever made on a thread of the host: one would pin the library until that thread ends.

mod fields;
mod spans;
mod subscriber;

use tracing_core::Dispatch;

use self::subscriber::HostLog;

/// Installs the subscriber in this library's own `tracing`, unless there is another.
pub(crate) fn install() {
    // Whoever was faster wants another.
    let _other = tracing_core::dispatcher::set_global_default(Dispatch::new(HostLog::new()));
}

/// Gives back the memory of the spans.
pub(crate) fn clear() {
    tracing_core::dispatcher::get_default(|dispatch| {
        if let Some(log) = dispatch.downcast_ref::<HostLog>() {
            log.clear();
        }
    });
}
