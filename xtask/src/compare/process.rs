//! Runs one measuring program, and leaves nothing of it behind.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::keys::Placement;

/// A program with its arguments.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) plugin: Option<PathBuf>,
    pub(crate) placement: Placement,
}

/// Runs a program and reads the JSON object that it prints.
///
/// # Cancel safety
///
/// Dropping the future kills the program and what it started.
pub(crate) async fn measure(invocation: &Invocation) -> anyhow::Result<Value> {
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Cargo sets the first for this program, and the loader would search it for every library.
    command.env_remove("LD_LIBRARY_PATH").env_remove("RUST_LOG");
    // A Go plugin that is killed leaves its socket there.
    let directory = tempfile::tempdir().context("no temporary directory")?;
    command.env("TMPDIR", directory.path());
    if let Some(plugin) = &invocation.plugin {
        command.env("BENCH_PLUGIN", plugin);
    }
    // Ctrl-C is for this program, which then ends the group.
    let child = {
        let _placed = Placed::new(invocation.placement)?;
        command.process_group(0).kill_on_drop(true).spawn().context("it cannot be started")?
    };
    let _group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let output = timeout(PATIENCE, child.wait_with_output()).await.context("it takes too long")??;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", output.status, text.trim());
    }
    serde_json::from_slice(&output.stdout).context("it did not print a JSON object")
}

/// The processes of one measurement: a Go plugin goes on when its host was killed.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Mostly there is nobody left.
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// While it lives, this thread starts programs on the cores of a placement.
struct Placed(Option<CpuSet>);

impl Placed {
    fn new(placement: Placement) -> anyhow::Result<Self> {
        if placement == Placement::Free {
            return Ok(Self(None));
        }
        let before = sched_getaffinity(None)?;
        let core =
            (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core)).context("there is no core")?;
        let mut one = CpuSet::new();
        one.set(core);
        sched_setaffinity(None, &one).context("it cannot be pinned to a core")?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // It worked in the other direction.
            let _set = sched_setaffinity(None, before);
        }
    }
}

/// Far longer than any measurement takes.
const PATIENCE: Duration = Duration::from_secs(120);
