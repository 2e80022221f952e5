//! What the system knows of the processes that a measurement has started.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The processes that this one has started and that have not ended.
///
/// # Errors
///
/// The system does not tell.
pub(crate) fn children() -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile.
        let listed = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}

/// Those of them that run this program.
///
/// # Errors
///
/// The system does not tell, or there is no such file.
pub fn children_of(program: &Path) -> anyhow::Result<Vec<u32>> {
    let program = program.canonicalize()?;
    let runs = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == program);
    Ok(children()?.into_iter().filter(runs).collect())
}

/// The resident memory of a process, in kB.
///
/// # Errors
///
/// There is no such process.
pub fn resident_kb(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(resident.parse()?)
}

/// How many nanoseconds the threads of this process have run so far, those that have ended not counted.
///
/// # Errors
///
/// The system does not tell.
pub fn running_ns() -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let ran = text.split_whitespace().next().context("no time in schedstat")?;
        sum += ran.parse::<u64>()?;
    }
    Ok(sum)
}
