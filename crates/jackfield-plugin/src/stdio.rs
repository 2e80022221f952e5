//! The `main` of a program that talks over its standard input and output.

use std::process::ExitCode;

use jackfield_core::Plugin;

pub use jackfield_process::stdio::StdioCodec;

/// Answers the host over standard input and output, as [`jackfield_process::stdio::serve`] does: all of `main`.
///
/// A plugin with `runtime = tokio` lives on the runtime on which it is served.
#[inline]
pub fn serve(codec: StdioCodec, plugin: &'static Plugin) -> ExitCode {
    #[cfg(feature = "tokio")]
    crate::tokio_runtime::serve_on_this();
    jackfield_process::stdio::serve(codec, plugin)
}
