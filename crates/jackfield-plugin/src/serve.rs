//! The `main` of a plugin's program.

use std::process::ExitCode;

use jackfield_core::Plugin;
use jackfield_process::ServeConfig;

/// Serves `plugin` to the host that started this program, as [`jackfield_process::serve`] does: all of `main`.
///
/// A plugin with `runtime = tokio` lives on the runtime on which it is served.
// Inlined, so that a shared library does not carry the whole gRPC stack.
#[inline]
pub fn serve(config: ServeConfig, plugin: &'static Plugin) -> ExitCode {
    #[cfg(feature = "tokio")]
    crate::tokio_runtime::serve_on_this();
    jackfield_process::serve(config, plugin)
}
