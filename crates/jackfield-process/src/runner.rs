//! Runs plugins somewhere else than as they are, such as in a container.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::child::Launch;
use crate::handshake::Address;
use crate::saving::SAVED;

/// Runs a plugin's program in another place: it turns the program into one that is started here and leads there.
///
/// What it makes is a child of the host like any other: its outputs are the plugin's, its death is the plugin's
/// death, and what it leaves behind is killed by its mark. So a runner of containers runs them in the foreground.
///
/// The sockets of both sides lie in a directory that the two places share, perhaps under different names. A runner
/// knows both and translates.
pub trait Runner: fmt::Debug + Send + Sync {
    /// What to start here so that `program` runs there.
    fn wrap(&self, program: Program) -> Program;

    /// Where the host finds a socket that the plugin calls `address`, if the host's name of the directory is `sockets`.
    fn plugin_to_host(&self, address: Address, sockets: &Path) -> Address {
        let _same = sockets;
        address
    }

    /// Where the plugin finds a socket that the host calls `address`.
    fn host_to_plugin(&self, address: Address, sockets: &Path) -> Address {
        let _same = sockets;
        address
    }

    /// What a person should know if the plugin did not become one.
    fn diagnose(&self) -> Option<String> {
        None
    }
}

/// A program with what it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// Its file; one without a slash is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where it starts; where the host is, if `None`.
    pub directory: Option<PathBuf>,
    /// What it needs in its environment. The last of one name wins.
    pub variables: Vec<(OsString, OsString)>,
    /// Where both sides put their sockets, as the host calls it; the variables call it so too.
    pub sockets: PathBuf,
}

impl Program {
    /// Calls the directory of sockets `path` in the program's environment.
    pub fn set_sockets(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        // What was saved lies there, too.
        let saved = self.variables.iter().find(|(name, _)| name == SAVED);
        let within = saved.and_then(|(_, saved)| Path::new(saved).strip_prefix(&self.sockets).ok());
        if let Some(inside) = within.map(|within| path.join(within)) {
            self.variables.push((SAVED.into(), inside.into()));
        }
        self.variables.push((SOCKET_DIRECTORY.into(), path.into()));
    }

    pub(crate) fn of(launch: &Launch, sockets: &Path) -> Self {
        let Launch { program, arguments, directory, variables, .. } = launch.clone();
        Self { program, arguments, directory, variables, sockets: sockets.to_owned() }
    }

    pub(crate) fn into_launch(self, rest: &Launch) -> Launch {
        let Self { program, arguments, directory, variables, .. } = self;
        let Launch { environment, bond, memory, .. } = *rest;
        Launch { program, arguments, directory, variables, environment, bond, memory }
    }
}

/// A runner, for one plugin's directory of sockets.
#[derive(Debug, Clone)]
pub(crate) struct Translator {
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) sockets: PathBuf,
}

impl Translator {
    pub(crate) fn plugin_to_host(&self, address: Address) -> Address {
        self.runner.plugin_to_host(address, &self.sockets)
    }

    pub(crate) fn host_to_plugin(&self, address: Address) -> Address {
        self.runner.host_to_plugin(address, &self.sockets)
    }
}

/// Runs plugins under [bubblewrap]: they see the file system read-only, an empty `/tmp`, no other process, and no
/// network but the sockets that they share with the host.
///
/// [bubblewrap]: https://github.com/containers/bubblewrap
#[derive(Debug, Clone, Default)]
pub struct Bubblewrap {
    writable: Vec<PathBuf>,
}

impl Bubblewrap {
    /// Lets nothing be written but `/tmp`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `path` be written too.
    #[must_use]
    pub fn writable(mut self, path: impl Into<PathBuf>) -> Self {
        self.writable.push(path.into());
        self
    }
}

impl Runner for Bubblewrap {
    fn wrap(&self, mut program: Program) -> Program {
        program.set_sockets(INSIDE);
        let file = program.program.clone();
        let mut arguments: Vec<OsString> = OPTIONS.iter().map(OsString::from).collect();
        let mut add = |option: &str, words: &[&OsStr]| {
            arguments.push(option.into());
            arguments.extend(words.iter().map(|word| (*word).to_owned()));
        };
        if file.is_absolute() {
            // It may lie below the `/tmp` that it does not see.
            add("--ro-bind", &[file.as_os_str(), file.as_os_str()]);
        }
        add("--bind", &[program.sockets.as_os_str(), INSIDE.as_ref()]);
        for path in &self.writable {
            add("--bind", &[path.as_os_str(), path.as_os_str()]);
        }
        if let Some(directory) = &program.directory {
            add("--chdir", &[directory.as_os_str()]);
        }
        add("--", &[file.as_os_str()]);
        arguments.append(&mut program.arguments);
        Program { program: "bwrap".into(), arguments, directory: None, ..program }
    }

    fn plugin_to_host(&self, address: Address, sockets: &Path) -> Address {
        moved(address, Path::new(INSIDE), sockets)
    }

    fn host_to_plugin(&self, address: Address, sockets: &Path) -> Address {
        moved(address, sockets, Path::new(INSIDE))
    }
}

/// The same socket, if what is `from` there is `to` here.
fn moved(address: Address, from: &Path, to: &Path) -> Address {
    match &address {
        Address::Unix(path) => match path.strip_prefix(from) {
            Ok(rest) => Address::Unix(to.join(rest)),
            Err(_) => address,
        },
        Address::Tcp(_) => address,
    }
}

/// What the directory of sockets is called inside.
const INSIDE: &str = "/tmp/jackfield";
const SOCKET_DIRECTORY: &str = "PLUGIN_UNIX_SOCKET_DIR";
const OPTIONS: [&str; 12] = [
    "--die-with-parent",
    "--unshare-all",
    "--new-session",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--tmpfs",
    "/tmp",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_bubblewrap_both_sides_find_each_others_sockets() {
        let sockets = Path::new("/tmp/jackfield-1");
        let runner = Bubblewrap::new().writable("/var/lib/kv");
        let inside = Address::Unix("/tmp/jackfield/plugin7".into());
        let outside = Address::Unix("/tmp/jackfield-1/plugin7".into());
        assert_eq!(runner.plugin_to_host(inside.clone(), sockets), outside);
        assert_eq!(runner.host_to_plugin(outside, sockets), inside);

        let program = Program {
            program: "/opt/kv".into(),
            arguments: vec!["-v".into()],
            directory: Some("/var/lib/kv".into()),
            variables: Vec::new(),
            sockets: sockets.to_owned(),
        };
        let wrapped = runner.wrap(program);
        let words: Vec<_> = wrapped.arguments.iter().map(|word| word.to_string_lossy()).collect();
        let line = words.join(" ");
        assert_eq!(wrapped.program, Path::new("bwrap"));
        assert!(
            line.contains("--bind /tmp/jackfield-1 /tmp/jackfield --bind /var/lib/kv /var/lib/kv"),
            "{line}"
        );
        assert!(line.ends_with("--chdir /var/lib/kv -- /opt/kv -v"), "{line}");
    }
}
