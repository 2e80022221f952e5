//! Builds what the demo loads.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use jackfield_fixtures::{Build, GoModule, Missing, Profile, go_programs};

/// What the demo loads.
#[derive(Debug)]
pub(crate) struct Fixtures {
    /// A store in a shared library.
    pub(crate) library: PathBuf,
    /// The same source as a program.
    pub(crate) program: PathBuf,
    /// The same source as a program that talks over the other wires.
    pub(crate) wires: PathBuf,
    /// The store in Go, on the newest go-plugin, if Go is on this machine.
    pub(crate) go: Result<PathBuf, Missing>,
}

impl Fixtures {
    /// Builds them, with progress on stderr.
    pub(crate) fn build() -> anyhow::Result<Self> {
        let progress = progress("building the plugin in Rust: a shared library and two programs")?;
        // With the features with which everything was built already: for a debug build it was the tests that did so.
        let build = match Profile::own() {
            Profile::Release => Build::new(["jackfield-cli", "kv-file"]).profile(Profile::Release),
            _ => Build::fixtures(),
        };
        let rust = jackfield_fixtures::build(&build).context("the plugin in Rust cannot be built")?;
        progress.set_message("building the plugin in Go, on hashicorp/go-plugin");
        let go = go_programs(GoModule::Newest).map(|directory| directory.join("kv-plugin"));
        progress.finish_and_clear();
        Ok(Self {
            library: rust.library("kv-file").to_owned(),
            program: rust.program("kv-file").to_owned(),
            wires: rust.program("kv-file-wires").to_owned(),
            go,
        })
    }
}

/// A spinner, which shows on a terminal only.
fn progress(message: &'static str) -> anyhow::Result<ProgressBar> {
    let progress = ProgressBar::new_spinner().with_message(message);
    progress.set_style(ProgressStyle::with_template("{spinner} {msg} [{elapsed}]")?);
    progress.enable_steady_tick(Duration::from_millis(100));
    Ok(progress)
}
