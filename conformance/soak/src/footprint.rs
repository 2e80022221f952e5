//! What the host holds.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::Pid;

/// What the host holds while all its plugins serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    memory_kb: u64,
    descriptors: u64,
    threads: u64,
}

impl Footprint {
    pub(crate) fn now() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let number = |key: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
            Ok(line.split_whitespace().next().context("no number")?.parse()?)
        };
        let descriptors = fs::read_dir("/proc/self/fd")?.count() as u64;
        Ok(Self { memory_kb: number("VmRSS:")?, descriptors, threads: number("Threads:")? })
    }

    /// What it holds once what is under way has ended: what was mended last may still be swapped and drained.
    pub(crate) async fn settled(before: Option<&Self>) -> anyhow::Result<Self> {
        let (began, mut least) = (Instant::now(), Self::now()?);
        while began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = Self::now()?;
            least = Self {
                memory_kb: least.memory_kb.min(now.memory_kb),
                descriptors: least.descriptors.min(now.descriptors),
                threads: least.threads.min(now.threads),
            };
            let is_calm = began.elapsed() > CALM;
            if is_calm && before.is_none_or(|before| least.check_against(before).is_ok()) {
                break;
            }
        }
        Ok(least)
    }

    /// Whether it has not grown since by more than it breathes.
    pub(crate) fn check_against(&self, before: &Self) -> anyhow::Result<()> {
        ensure!(self.memory_kb <= before.memory_kb + MEMORY_KB, "the memory grows: {before}, then {self}");
        ensure!(self.descriptors <= before.descriptors + FEW, "descriptors are left: {before}, then {self}");
        ensure!(self.threads <= before.threads + FEW, "threads are left: {before}, then {self}");
        Ok(())
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_kb, descriptors, threads } = self;
        write!(f, "{memory_kb} kB, {descriptors} descriptors, {threads} threads")
    }
}

/// The processes that this one has started, but for the guard of the process backend.
pub(crate) fn children() -> anyhow::Result<Vec<Pid>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile.
        let listed = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
    children.retain(|child| !is_guard(*child));
    Ok(children)
}

/// It runs from a memory file.
fn is_guard(child: Pid) -> bool {
    let program = fs::read_link(format!("/proc/{}/exe", child.as_raw_nonzero())).unwrap_or_default();
    program.to_string_lossy().starts_with("/memfd:")
}

/// What a heap may hold back.
const MEMORY_KB: u64 = 8 * 1024;
/// How long everything is given to settle.
const CALM: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);
/// What is under way at any time.
const FEW: u64 = 8;
