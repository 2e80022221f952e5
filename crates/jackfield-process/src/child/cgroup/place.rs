//! Finds the cgroup below which those of plugins may be made.
//!
//! A cgroup that gives controllers to cgroups below it must not hold processes itself, unless it is the root of them all.
//! So those of plugins lie beside the one of this process, and below it only if that is the root.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// What tells where this process is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The text of `/proc/self/cgroup`.
    pub(super) cgroup: &'a str,
    /// The text of `/proc/self/mountinfo`.
    pub(super) mounts: &'a str,
    /// What mount points start from: `/`, except in tests.
    pub(super) root: &'a Path,
    /// Whether systemd runs this system, and so divides its cgroups.
    pub(super) is_systemd: bool,
}

/// Finds the cgroup below which others may be made that have the memory controller, and gives them the controller.
/// `is_delegated` tells whether systemd has left a cgroup to those who are in it.
///
/// # Errors
/// If there is none.
pub(super) fn find(facts: Facts<'_>, is_delegated: impl Fn(&Path) -> bool) -> Result<PathBuf, NoPlace> {
    let own = Own::find(facts).ok_or(NoPlace::Hidden)?;
    let place = own.place().ok_or(NoPlace::Topmost)?;
    if (facts.is_systemd || is_named_by_systemd(&place)) && !is_delegated(&place) {
        return Err(NoPlace::Foreign(place));
    }
    match give_memory(&place) {
        Ok(Given::Memory) => Ok(place),
        Ok(Given::Nothing) => Err(NoPlace::NoController(place)),
        Err(source) => Err(NoPlace::Refused { place, source }),
    }
}

/// Finds it for this process.
///
/// # Errors
/// As [`find`].
pub(super) fn of_this_process() -> Result<PathBuf, NoPlace> {
    let read = |path| fs::read_to_string(path).map_err(|_| NoPlace::Hidden);
    let (cgroup, mounts) = (read("/proc/self/cgroup")?, read("/proc/self/mountinfo")?);
    let is_systemd = Path::new("/run/systemd/system").exists();
    find(Facts { cgroup: &cgroup, mounts: &mounts, root: Path::new("/"), is_systemd }, is_delegated)
}

/// Why no cgroup can be made for a plugin.
#[derive(Debug, thiserror::Error)]
pub(in crate::child) enum NoPlace {
    /// The cgroups are systemd's.
    #[error(
        "`{}` is divided by systemd\n(hint: `Delegate=yes` and `DelegateSubgroup=host` leave it to the service)",
        .0.display()
    )]
    Foreign(PathBuf),
    /// Of version 2 there are none, or they are not mounted where this process sees them.
    #[error("this process sees no cgroup of version 2 that it is in")]
    Hidden,
    /// It cannot bound memory.
    #[error("`{}` has no memory controller", .0.display())]
    NoController(PathBuf),
    /// The kernel says no.
    #[error("`{}` cannot be divided", place.display())]
    Refused {
        /// Below which it was tried.
        place: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds this process itself, and what is above it cannot be seen.
    #[error(
        "this process is in the topmost cgroup that it sees\n(hint: in a container, start it in a cgroup below that one)"
    )]
    Topmost,
}

/// The cgroup of this process.
#[derive(Debug)]
struct Own {
    directory: PathBuf,
    /// Where the tree of cgroups begins, as far as it can be seen.
    top: PathBuf,
}

impl Own {
    fn find(facts: Facts<'_>) -> Option<Self> {
        let path = facts.cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
        // The latest mount hides those before it.
        facts.mounts.lines().rev().filter_map(Mount::parse).find_map(|mount| {
            let below = Path::new(path).strip_prefix(&mount.root).ok()?;
            // A process may be in a cgroup outside of those that its namespace shows.
            let is_seen = below.components().all(|component| matches!(component, Component::Normal(_)));
            let top = facts.root.join(mount.point.strip_prefix("/").ok()?);
            is_seen.then(|| Self { directory: top.join(below), top })
        })
    }

    fn place(self) -> Option<PathBuf> {
        // Only the root of all has no type.
        if !self.directory.join("cgroup.type").exists() {
            return Some(self.directory);
        }
        if self.directory == self.top { None } else { self.directory.parent().map(Path::to_owned) }
    }
}

/// A mount of cgroups of version 2.
struct Mount {
    /// The cgroup that is mounted.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// A line is `id parent device root point options … - type source options`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3).map(unescape);
        let this = Self { root: fields.next()?, point: fields.next()? };
        (filesystem.split(' ').next() == Some("cgroup2")).then_some(this)
    }
}

/// Blanks and backslashes stand there as `\` with three octal digits.
fn unescape(field: &str) -> PathBuf {
    let mut path = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        let escaped = code.filter(|_| *byte == b'\\');
        path.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&path))
}

/// Whether a cgroup is a unit of systemd's, which in a container may be that of the machine around it.
fn is_named_by_systemd(directory: &Path) -> bool {
    let kind = directory.extension().unwrap_or_default();
    ["scope", "service", "slice"].iter().any(|unit| kind == *unit)
}

fn is_delegated(directory: &Path) -> bool {
    // The second is of versions before 251, and only for root.
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(directory, *name, &mut value).is_ok_and(|length| value[..length] == *b"1")
    })
}

enum Given {
    Memory,
    Nothing,
}

fn give_memory(directory: &Path) -> io::Result<Given> {
    let has_memory = |file| {
        let controllers = fs::read_to_string(directory.join(file))?;
        Ok::<_, io::Error>(controllers.split_whitespace().any(|controller| controller == "memory"))
    };
    if !has_memory("cgroup.controllers")? {
        return Ok(Given::Nothing);
    }
    if !has_memory("cgroup.subtree_control")? {
        let mut control = OpenOptions::new().write(true).open(directory.join("cgroup.subtree_control"))?;
        control.write_all(b"+memory")?;
    }
    Ok(Given::Memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of cgroups as the kernel would show it.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// Adds a cgroup with what it has and what it gives to those below it; one that is not the root has a type.
        fn cgroup(self, path: &str, controllers: &str, given: &str) -> Self {
            self.root(path, controllers, given).file(path, "cgroup.type", "domain")
        }

        fn root(self, path: &str, controllers: &str, given: &str) -> Self {
            fs::create_dir_all(self.0.path().join(path)).unwrap();
            self.file(path, "cgroup.controllers", controllers).file(path, "cgroup.subtree_control", given)
        }

        fn file(self, path: &str, name: &str, text: &str) -> Self {
            fs::write(self.0.path().join(path).join(name), format!("{text}\n")).unwrap();
            self
        }

        fn given(&self, path: &str) -> String {
            fs::read_to_string(self.0.path().join(path).join("cgroup.subtree_control")).unwrap()
        }

        /// Where a process of the cgroup `path` may make others.
        fn find(&self, path: &str, mounts: &str, system: System) -> Result<PathBuf, NoPlace> {
            let (is_systemd, delegated) = match system {
                System::Bare => (false, None),
                System::Systemd { delegated } => (true, delegated),
            };
            let cgroup = format!("4:memory:/other\n0::{path}\n");
            let facts = Facts { cgroup: &cgroup, mounts, root: self.0.path(), is_systemd };
            let is_delegated = |directory: &Path| delegated.is_some_and(|end| directory.ends_with(end));
            find(facts, is_delegated).map(|place| place.strip_prefix(self.0.path()).unwrap().to_owned())
        }
    }

    #[derive(Clone, Copy)]
    enum System {
        Bare,
        Systemd { delegated: Option<&'static str> },
    }

    const MOUNT: &str =
        "25 1 0:6 / /proc rw - proc proc rw\n30 1 0:28 / /cg rw,nosuid - cgroup2 cgroup2 rw\n";
    const SERVICE: System = System::Systemd { delegated: Some("a.service") };

    fn says(found: Result<PathBuf, NoPlace>, words: &str) {
        let error = found.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn below_the_root_which_is_told_to_give_memory() {
        let tree = Tree::new().root("cg", "cpu memory pids", "cpu");
        assert_eq!(tree.find("/", MOUNT, System::Bare).unwrap(), Path::new("cg"));
        assert_eq!(tree.given("cg"), "+memory");
        says(tree.find("/", MOUNT, System::Systemd { delegated: None }), "is divided by systemd");
    }

    #[test]
    fn beside_a_subgroup_of_a_service_that_is_delegated() {
        let tree = Tree::new()
            .root("cg", "memory", "memory")
            .cgroup("cg/system.slice", "memory", "memory")
            .cgroup("cg/system.slice/a.service", "cpu memory", "")
            .cgroup("cg/system.slice/a.service/host", "", "");
        let service = Path::new("cg/system.slice/a.service");
        assert_eq!(tree.find("/system.slice/a.service/host", MOUNT, SERVICE).unwrap(), service);
        assert_eq!(tree.given("cg/system.slice/a.service"), "+memory");
    }

    #[test]
    fn never_among_the_units_of_systemd() {
        let tree = Tree::new()
            .root("cg", "memory", "memory")
            .cgroup("cg/system.slice", "memory", "memory")
            .cgroup("cg/system.slice/a.service", "memory", "");
        // It is delegated, but the process itself is in the way.
        says(tree.find("/system.slice/a.service", MOUNT, SERVICE), "system.slice` is divided by systemd");
        // As it looks in a container that shows the cgroups of the machine around it.
        says(tree.find("/system.slice/a.service", MOUNT, System::Bare), "is divided by systemd");
    }

    #[test]
    fn in_a_container_beside_a_cgroup_below_its_own() {
        let tree = Tree::new().cgroup("cg", "memory pids", "memory").cgroup("cg/init", "memory pids", "");
        assert_eq!(tree.find("/init", MOUNT, System::Bare).unwrap(), Path::new("cg"));
        assert_eq!(tree.given("cg"), "memory\n");
        says(tree.find("/", MOUNT, System::Bare), "the topmost cgroup that it sees");
        says(tree.find("/../elsewhere", MOUNT, System::Bare), "sees no cgroup");
    }

    #[test]
    fn within_what_is_mounted() {
        let mounts = format!("{MOUNT}31 1 0:28 /pods/one /a\\040b ro shared:1 - cgroup2 none rw\n");
        let tree = Tree::new()
            .cgroup("a b", "memory", "memory")
            .cgroup("a b/init", "memory", "")
            .root("cg", "memory", "memory")
            .cgroup("cg/elsewhere", "memory", "");
        assert_eq!(tree.find("/pods/one/init", &mounts, System::Bare).unwrap(), Path::new("a b"));
        says(tree.find("/pods/one", &mounts, System::Bare), "the topmost");
        // The other mount shows what this one does not.
        assert_eq!(tree.find("/elsewhere", &mounts, System::Bare).unwrap(), Path::new("cg"));
    }

    #[test]
    fn nowhere_without_the_controller() {
        let tree = Tree::new().root("cg", "cpu pids", "").cgroup("cg/one", "", "");
        says(tree.find("/one", MOUNT, System::Bare), "has no memory controller");
        says(tree.find("/one", "", System::Bare), "sees no cgroup");
        says(tree.find("/gone/one", MOUNT, System::Bare), "cannot be divided");
    }

    #[test]
    fn of_a_process_without_cgroups_of_version_2() {
        let facts = Facts { cgroup: "4:memory:/a\n", mounts: MOUNT, root: Path::new("/"), is_systemd: false };
        says(find(facts, |_| true), "sees no cgroup");
    }
}
