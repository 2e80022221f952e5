//! One cgroup, from its making to its removal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::place::{NoPlace, of_this_process};
use crate::child::guard::{Entrusted, Guard};
use crate::child::os::write_before_exec;
use crate::child::spawn::Bond;

/// The cgroup of one plugin. Dropping it removes the cgroup if nobody is in it any more.
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    path: PathBuf,
    bytes: u64,
    /// Through which the guard removes it if this host cannot; `None` if the plugin may outlive the host.
    entrusted: Option<Entrusted>,
}

impl MemoryGroup {
    /// Makes a cgroup in which all processes together have at most `bytes` of memory, and no swap. The kernel ends all of
    /// them if they need more.
    ///
    /// # Errors
    /// If none can be made here.
    pub(in crate::child) fn make(bytes: u64, bond: Bond, guard: &Guard) -> Result<Self, NoGroup> {
        let place = of_this_process()?;
        remove_abandoned(&place);
        let random = getrandom::u32().map_err(io::Error::other)?;
        let path = place.join(format!("{PREFIX}{}-{random:08x}", std::process::id()));
        // It hears of it first: this host may die any time.
        let entrusted = (bond == Bond::Tight).then(|| guard.entrust(&path));
        let made = fs::create_dir(&path);
        let this = Self { path, bytes, entrusted };
        made?;
        this.set("memory.max", &bytes.to_string())?;
        // Without swap there is nothing to limit.
        this.set("memory.swap.max", "0").or_else(absent)?;
        this.set("memory.oom.group", "1")?;
        Ok(this)
    }

    /// Puts what `command` starts into the cgroup before it runs anything of its own.
    ///
    /// # Errors
    /// If this process may not.
    pub(in crate::child) fn take_in(&self, command: &mut Command) -> io::Result<()> {
        // "0" is whoever writes it.
        write_before_exec(command, self.open("cgroup.procs")?, b"0");
        Ok(())
    }

    /// Whether a child that nobody has waited for yet is in the cgroup, dead or alive.
    pub(in crate::child) fn holds(&self, pid: u32) -> bool {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let own = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
        // It may have made one of its own below by now.
        own.is_some_and(|path| Path::new(path).iter().any(|name| Some(name) == self.path.file_name()))
    }

    /// The limit in bytes, if the kernel has ended processes since they needed more.
    pub(in crate::child) fn exceeded(&self) -> Option<u64> {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        // The whole machine may be out of memory too, which this limit is not to blame for.
        (count(&events, "oom") > 0 && count(&events, "oom_kill") > 0).then_some(self.bytes)
    }

    /// Kills whoever is left in it and removes it. Blocks for as long as the kernel takes.
    pub(in crate::child) fn end(self) {
        // Before Linux 5.14 it is the search for marks alone that kills.
        if let Err(error) = self.set("cgroup.kill", "1").or_else(absent) {
            tracing::debug!(%error, "what is left in a plugin's cgroup cannot be killed");
        }
        for _ in 0..MAX_TRIES {
            if remove(&self.path).is_ok() {
                return;
            }
            thread::sleep(PAUSE);
        }
        tracing::warn!(cgroup = %self.path.display(), "a plugin's cgroup cannot be removed");
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        self.open(file)?.write_all(value.as_bytes())
    }

    fn open(&self, file: &str) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join(file))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        if remove(&self.path).is_ok()
            && let Some(entrusted) = &self.entrusted
        {
            entrusted.forget();
        }
    }
}

/// Why a plugin has no cgroup of its own.
#[derive(Debug, thiserror::Error)]
pub(in crate::child) enum NoGroup {
    /// There is no place for it.
    #[error(transparent)]
    Place(#[from] NoPlace),
    /// The kernel says no.
    #[error("it cannot be made: {0}")]
    System(#[from] io::Error),
}

/// Removes what hosts left behind that were killed along with their guards, and plugins that outlived their host.
fn remove_abandoned(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let name = entry.file_name();
        let host = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if host.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Somebody may be in it still.
            let _left_to_another = remove(&entry.path());
        }
    }
}

/// Removes a cgroup with those that the plugin made in it, if nobody is in them. One that is gone is no error.
fn remove(path: &Path) -> io::Result<()> {
    // What lives in it may need those that are empty now.
    let events = fs::read_to_string(path.join("cgroup.events")).unwrap_or_default();
    if count(&events, "populated") > 0 {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    remove_within(path, MAX_DEPTH)
}

fn remove_within(path: &Path, depth: u32) -> io::Result<()> {
    let below = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    // The folder is closed before those below it are opened: a plugin may have made many, each in the last.
    let below: Vec<_> = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).collect();
    for path in below.into_iter().map(|entry| entry.path()).filter(|_| depth > 0) {
        remove_within(&path, depth - 1)?;
    }
    fs::remove_dir(path).or_else(absent)
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// A line is `name count`.
fn count(events: &str, name: &str) -> u64 {
    let counts = events.lines().filter_map(|line| line.split_once(' '));
    counts.filter(|(found, _)| *found == name).find_map(|(_, count)| count.parse().ok()).unwrap_or(0)
}

/// How deep those are that a plugin made; deeper ones stay.
const MAX_DEPTH: u32 = 16;
const PREFIX: &str = "jackfield-";
/// For as long as [`stop`](crate::child::stop) waits.
const MAX_TRIES: u32 = 2000;
const PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_their_whole_name() {
        let events = "low 0\nhigh 0\nmax 31\noom 2\noom_kill 3\noom_group_kill 1\n";
        assert_eq!([count(events, "oom"), count(events, "oom_kill"), count(events, "kill")], [2, 3, 0]);
    }

    #[test]
    fn only_what_dead_hosts_left_is_removed() {
        let place = tempfile::tempdir().unwrap();
        // No process has so large a number.
        let dead = format!("{PREFIX}4194305-0badcafe");
        let alive = format!("{PREFIX}{}-0badcafe", std::process::id());
        let names = [dead.as_str(), alive.as_str(), "jackfield", "init"];
        names.iter().for_each(|name| fs::create_dir_all(place.path().join(name).join("below")).unwrap());
        remove_abandoned(place.path());
        let is_there = |name: &&str| place.path().join(name).exists();
        assert_eq!(names.iter().map(is_there).collect::<Vec<_>>(), [false, true, true, true]);
    }
}
