//! Processes of plugins end while they are called.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use jackfield::{CallError, Error, Handle};
use kv_interface::Kv;
use rustix::process::{Pid, Signal, kill_process};

use super::stage::round_trip;

/// Lets a plugin's code crash in a call.
pub(super) async fn crash(kv: &Handle<dyn Kv>) -> anyhow::Result<String> {
    let start = Instant::now();
    match kv.get("__crash".into()).await {
        Err(Error::Call(error @ CallError::Exited { .. })) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Ok(format!("{line} ({:.0?})", start.elapsed()))
        }
        other => bail!("expected that the plugin dies, found {other:?}"),
    }
}

/// Kills the one plugin that runs this program, while it is called. It is stopped before, so that it cannot answer first.
pub(super) async fn kill(kv: &Handle<dyn Kv>, program: &Path) -> anyhow::Result<String> {
    let child = child(program)?;
    kill_process(child, Signal::STOP).context("the plugin cannot be stopped")?;
    while !is_stopped(child)? {
        tokio::task::yield_now().await;
    }
    let killing = async { kill_process(child, Signal::KILL) };
    let (answer, killed) = tokio::join!(biased; kv.get("hello".into()), killing);
    killed.context("the plugin cannot be killed")?;
    match answer {
        // Its last words are what it happened to log.
        Err(Error::Call(CallError::Exited { status, .. })) => Ok(format!("the plugin ended: {status}")),
        other => bail!("expected that the plugin is killed, found {other:?}"),
    }
}

/// Calls it until it answers again: a call that comes before its end is known fails.
pub(super) async fn come_back(kv: &Handle<dyn Kv>) -> anyhow::Result<String> {
    let start = Instant::now();
    while let Err(error) = kv.get("hello".into()).await {
        let is_end = matches!(error, Error::Call(CallError::Exited { .. } | CallError::Closed { .. }));
        if !is_end {
            return Err(error).context("the plugin does not come back");
        }
        tokio::task::yield_now().await;
    }
    let took = start.elapsed();
    Ok(format!("{} ({took:.0?})", round_trip(kv).await?))
}

/// Whether all of its threads have stopped, of which each does so by itself. The state stands behind the name.
fn is_stopped(process: Pid) -> anyhow::Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()))? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        if !stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The process that this one has started from a program.
fn child(program: &Path) -> anyhow::Result<Pid> {
    let program = program.canonicalize()?;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile.
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            if std::fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|runs| runs == program) {
                return Pid::from_raw(child.parse()?).context("a process has a number");
            }
        }
    }
    bail!("no process runs `{}`", program.display())
}
