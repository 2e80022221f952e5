//! What the system tells of a process.

/// A process, told from others that get its number once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pid: u32,
    /// When it began, in the system's own measure.
    begun: u64,
}

impl Process {
    /// The process that has this number now, where the system tells of it.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, begun: Status::of(pid)?.begun })
    }

    /// How many bytes of it are in memory; nothing once it has ended.
    pub(super) fn memory(self) -> Option<u64> {
        let status = Status::of(self.pid)?;
        (status.begun == self.begun && status.pages > 0).then(|| status.pages * page_size())
    }
}

struct Status {
    begun: u64,
    pages: u64,
}

#[cfg(target_os = "linux")]
impl Status {
    /// A line is `pid (name) state …`, where the name may be anything. The 22nd field is when it began, and the 24th how
    /// many pages are in memory.
    fn of(pid: u32) -> Option<Self> {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = line.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(19);
        let begun = fields.next()?.parse().ok()?;
        Some(Self { begun, pages: fields.nth(1)?.parse().ok()? })
    }
}

#[cfg(not(target_os = "linux"))]
impl Status {
    fn of(_: u32) -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(not(target_os = "linux"))]
fn page_size() -> u64 {
    1
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_is_told_from_another_of_its_number() {
        let own = Process::of(std::process::id()).expect("it runs");
        let ballast = std::hint::black_box(vec![1_u8; 32 << 20]);
        let memory = own.memory().expect("it runs");
        assert!(memory > ballast.len() as u64 && memory < 1 << 40, "{memory} bytes");
        assert_eq!(Process { begun: own.begun + 1, ..own }.memory(), None);
        assert_eq!(Process::of(u32::MAX), None);
    }
}
