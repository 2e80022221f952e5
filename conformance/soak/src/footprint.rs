//! What the host holds.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jackfield::Events;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::timeout;

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

    /// What it holds once nothing becomes of any plugin for a while: what was mended last may still be swapped and drained.
    pub(crate) async fn settled(events: &mut Events, before: Option<&Self>) -> anyhow::Result<Self> {
        let began = Instant::now();
        loop {
            let is_told = timeout(CALM, events.recv()).await.is_ok();
            if is_told && began.elapsed() < PATIENCE {
                continue;
            }
            let now = Self::now()?;
            let is_calm = before.is_none_or(|before| now.check_against(before).is_ok());
            if is_calm || began.elapsed() > PATIENCE {
                return Ok(now);
            }
        }
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

/// Whether a process has ended, or does so soon.
pub(crate) fn has_ended(child: Pid) -> anyhow::Result<bool> {
    // An error says that there is none any more.
    let Ok(process) = pidfd_open(child, PidfdFlags::empty()) else { return Ok(true) };
    let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience))? > 0)
}

/// It runs from a memory file.
fn is_guard(child: Pid) -> bool {
    let program = fs::read_link(format!("/proc/{}/exe", child.as_raw_nonzero())).unwrap_or_default();
    program.to_string_lossy().starts_with("/memfd:")
}

/// What a heap may hold back.
const MEMORY_KB: u64 = 8 * 1024;
/// For how long nothing is told when everything has settled, and how long that is waited for.
const CALM: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);
/// What is under way at any time.
const FEW: u64 = 8;
