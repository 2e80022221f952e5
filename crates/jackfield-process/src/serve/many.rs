//! Serves one of several plugins that are in one program.

use std::process::ExitCode;

use super::config::ServeConfig;

/// Serves the plugin that the program's only argument names: all of `main` of a program that has several.
///
/// A host starts it as `ProcessPlugin::new(program).args(["name"])`. Without such an argument, or with a name that
/// no plugin has, it says which there are, and ends with exit code 1.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use jackfield_process::{Handshake, ServeConfig, serve_many};
///
/// fn main() -> ExitCode {
///     let handshake = Handshake::new(1, "KV_PLUGIN", "hello");
///     serve_many([
///         ("fs", ServeConfig::new(handshake.clone())),
///         ("memory", ServeConfig::new(handshake)),
///     ])
/// }
/// ```
pub fn serve_many<'a>(plugins: impl IntoIterator<Item = (&'a str, ServeConfig)>) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let mut names = Vec::new();
    for (name, config) in plugins {
        if let [argument] = arguments.as_slice()
            && argument == name
        {
            return config.serve();
        }
        names.push(format!("`{name}`"));
    }
    let found = match arguments.as_slice() {
        [argument] => format!("`{}`", argument.to_string_lossy()),
        others => format!("{} arguments", others.len()),
    };
    eprintln!("expected the name of a plugin, one of {}, found {found}", names.join(", "));
    ExitCode::FAILURE
}
