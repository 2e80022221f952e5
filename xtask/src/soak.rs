//! `cargo xtask soak`: lets everything happen to plugins that are being called. See `conformance/soak`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use jackfield_fixtures::Build;

/// For how long, and from which seed.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// From which number the things that happen are drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[expect(clippy::disallowed_methods, reason = "a task runs a program")]
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    eprintln!("building what is let loose");
    let built = jackfield_fixtures::build(&Build::fixtures())?;
    let mut command = Command::new(built.program("jackfield-soak"));
    command
        .current_dir(root)
        .arg(format!("--seconds={}", options.seconds))
        .arg(format!("--seed={}", options.seed));
    let status = command.status().context("the soak cannot be started")?;
    ensure!(status.success(), "the soak has found something, drawing from `--seed {}`", options.seed);
    Ok(())
}
