//! Marks processes through their environment, by which they and their descendants are found again.

use std::fmt::Write;
use std::{fs, io};

use super::os::ProcessHandle;

/// A variable with a value that no other process tree has.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    name: &'static str,
    value: String,
}

impl Mark {
    /// The mark of one host: on all its plugins and on what they start.
    pub(crate) fn host() -> io::Result<Self> {
        Self::unique("JACKFIELD_HOST")
    }

    /// The mark of one instance: on one plugin and on what it starts.
    pub(crate) fn instance() -> io::Result<Self> {
        Self::unique("JACKFIELD_INSTANCE")
    }

    /// The variable's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The variable's value.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// The mark as it stands in an environment.
    pub(crate) fn entry(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    /// Kills every process that carries the mark, save this one, until a whole search finds none.
    pub(crate) fn sweep(&self) {
        let entry = self.entry();
        for _ in 0..MAX_ROUNDS {
            if kill_carriers(entry.as_bytes()) == 0 {
                return;
            }
        }
    }

    fn unique(name: &'static str) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let value = random.iter().fold(String::new(), |mut value, byte| {
            let _infallible = write!(value, "{byte:02x}");
            value
        });
        Ok(Self { name, value })
    }
}

fn kill_carriers(entry: &[u8]) -> usize {
    let Ok(directory) = fs::read_dir("/proc") else { return 0 };
    let pids = directory.filter_map(|process| process.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && kill_carrier(*pid, entry)).count()
}

/// The second look, through which the handle is known to name the process that was found, keeps a
/// recycled number from being killed.
fn kill_carrier(pid: u32, entry: &[u8]) -> bool {
    carries(pid, entry)
        && ProcessHandle::of_pid(pid).is_some_and(|process| carries(pid, entry) && process.kill().is_ok())
}

fn carries(pid: u32, entry: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|found| found == entry)
}

/// A process that starts others faster than they are found is left to the guard.
const MAX_ROUNDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_unique_and_plain() {
        let (one, other) = (Mark::host().unwrap(), Mark::host().unwrap());
        assert_ne!(one.value(), other.value());
        assert_eq!(one.entry().len(), "JACKFIELD_HOST=".len() + 32);
    }

    #[test]
    fn an_entry_must_match_as_a_whole() {
        let pid = std::process::id();
        let own = fs::read("/proc/self/environ").unwrap();
        let entry = own.split(|byte| *byte == 0).find(|entry| entry.len() > 2).unwrap();
        assert!(carries(pid, entry));
        assert!(!carries(pid, &entry[..entry.len() - 1]));
        assert!(!carries(pid, &entry[1..]));
    }
}
