//! What a shared library does when a host has loaded it, and before the host unloads it.

/// Connects the library's own statics to the host.
pub extern "C" fn attached() {
    #[cfg(feature = "log")]
    crate::log_records::install();
    #[cfg(feature = "tracing")]
    crate::tracing_events::install();
}

/// Gives back what the library's own statics hold.
pub extern "C" fn detached() {
    #[cfg(feature = "tracing")]
    crate::tracing_events::clear();
}
