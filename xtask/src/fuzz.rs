//! `cargo xtask fuzz`: runs the fuzz targets, each for a while.
//!
//! libFuzzer is linked into each target; what it needs of the compiler are flags that stable has. A corpus grows below
//! the target directory, from the seeds that are committed.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};

/// Which targets, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// How many run at once.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// The targets; without any, all of them.
    targets: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let fuzz = Fuzz { root: root.join("fuzz"), target: root.join("target/fuzz"), seconds: options.seconds };
    let mut targets = fuzz.targets()?;
    if let Some(unknown) = options.targets.iter().find(|name| !targets.contains(name)) {
        bail!("there is no target `{unknown}`; there are: {}", targets.join(", "));
    }
    if !options.targets.is_empty() {
        targets.retain(|name| options.targets.contains(name));
    }
    fuzz.build()?;
    let waiting = Mutex::new(VecDeque::from(targets));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || std::iter::from_fn(next).try_for_each(|name| fuzz.run(&name));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

/// Where everything is.
struct Fuzz {
    root: PathBuf,
    target: PathBuf,
    seconds: u32,
}

impl Fuzz {
    /// The names of the targets: each is a file of its own.
    fn targets(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join("src/bin")).context("the fuzz targets cannot be listed")? {
            let path = entry?.path();
            names.extend(path.file_stem().and_then(OsStr::to_str).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    #[expect(clippy::disallowed_methods, reason = "a task runs cargo")]
    fn build(&self) -> anyhow::Result<()> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).args(["build", "--release", "--locked", "--target", TRIPLE]);
        // With a target that is named, build scripts and macros stay without the instrumentation.
        command.arg("--target-dir").arg(&self.target).env("RUSTFLAGS", FLAGS.join(" "));
        ensure!(command.status().context("cargo cannot be started")?.success(), "the targets do not build");
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "a task runs programs")]
    #[expect(clippy::print_stdout, reason = "a task tells what it did")]
    fn run(&self, name: &str) -> anyhow::Result<()> {
        let (corpus, artifacts) = (self.directory("corpus", name)?, self.directory("artifacts", name)?);
        let mut command = Command::new(self.target.join(TRIPLE).join("release").join(name));
        command.args(LIMITS).arg(format!("-max_total_time={}", self.seconds));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.arg(corpus).arg(self.root.join("seeds").join(name));
        let output = command.output().with_context(|| format!("`{name}` cannot be started"))?;
        let log = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{name}` found something:\n{log}");
        let last = log.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or("it did not say");
        println!("{name}: {last}");
        Ok(())
    }

    fn directory(&self, kind: &str, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.target.join(kind).join(name);
        fs::create_dir_all(&path).with_context(|| format!("`{}` cannot be created", path.display()))?;
        Ok(path)
    }
}

/// The machine for which the targets are built.
const TRIPLE: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// What libFuzzer wants to know of every branch, and the checks that a release build leaves out.
const FLAGS: [&str; 9] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];

/// No input may take longer, or more memory.
const LIMITS: [&str; 4] = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-print_final_stats=0"];
