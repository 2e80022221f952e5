//! Marks processes through their environment, by which they and their descendants are found again.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

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
    let (mut killed, mut environments) = (0, Environments::default());
    let mut look = |pid: u32| match environments.carries(pid, entry) {
        Carries::Yes => {
            killed += usize::from(kill_carrier(&mut environments, pid, entry));
            false
        }
        Carries::Unclear => true,
        Carries::No => false,
    };
    let mut unclear: Vec<u32> = pids.filter(|pid| *pid != std::process::id() && look(*pid)).collect();
    for _ in 0..EXECUTION {
        if unclear.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
        unclear.retain(|pid| look(*pid));
    }
    killed
}

/// The second look, through which the handle is known to name the process that was found, keeps a
/// recycled number from being killed.
fn kill_carrier(environments: &mut Environments, pid: u32, entry: &[u8]) -> bool {
    let process = ProcessHandle::of_pid(pid);
    process.is_some_and(|process| environments.carries(pid, entry) == Carries::Yes && process.kill().is_ok())
}

/// Whether a process has an entry in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    No,
    /// It has no environment: either none at all, or none yet, since it is just being executed.
    Unclear,
    Yes,
}

/// Reads the environments of processes, one after the other, into one buffer: there are hundreds, most of them small.
#[derive(Debug, Default)]
struct Environments {
    buffer: Vec<u8>,
}

impl Environments {
    fn carries(&mut self, pid: u32, entry: &[u8]) -> Carries {
        let Ok(environment) = self.read(pid) else { return Carries::No };
        if environment.is_empty() {
            // Threads of the kernel execute nothing.
            let executes = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
            return if executes { Carries::Unclear } else { Carries::No };
        }
        let found = environment.split(|byte| *byte == 0).any(|found| found == entry);
        if found { Carries::Yes } else { Carries::No }
    }

    fn read(&mut self, pid: u32) -> io::Result<&[u8]> {
        let mut file = File::open(format!("/proc/{pid}/environ"))?;
        let mut length = 0;
        loop {
            if self.buffer.len() == length {
                self.buffer.resize(length + PAGE, 0);
            }
            match file.read(&mut self.buffer[length..]) {
                Ok(0) => return Ok(&self.buffer[..length]),
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How many milliseconds a process may take from its execution to its environment.
const EXECUTION: usize = 10;
/// Few are longer.
const PAGE: usize = 4096;
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
        let mut environments = Environments::default();
        assert_eq!(environments.carries(pid, entry), Carries::Yes);
        assert_eq!(environments.carries(pid, &entry[..entry.len() - 1]), Carries::No);
        assert_eq!(environments.carries(pid, &entry[1..]), Carries::No);
    }
}
