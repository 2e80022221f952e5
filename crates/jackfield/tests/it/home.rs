//! A directory of plugins that a test watches.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{Directory, Event, Events, Handle, Interface, Manager, State, Watch, WatchError};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{block_on, native};

/// A directory that is watched, and what is told of it.
pub(crate) struct Home {
    pub(crate) directory: TempDir,
    pub(crate) manager: Manager,
    pub(crate) events: Events,
    pub(crate) watch: Watch,
}

impl Home {
    /// Watches an empty directory.
    pub(crate) fn watch<I: Interface + ?Sized>(configure: impl FnOnce(Directory) -> Directory) -> Self {
        Self::watch_by::<I>(Manager::new(), configure)
    }

    /// The same, by a manager of the test's own.
    pub(crate) fn watch_by<I: Interface + ?Sized>(
        manager: Manager,
        configure: impl FnOnce(Directory) -> Directory,
    ) -> Self {
        Self::begin(manager, |manager, directory| manager.watch::<I>(configure(directory)))
    }

    /// Watches an empty directory for whatever comes.
    pub(crate) fn watch_dynamic() -> Self {
        Self::watch_dynamic_by(|directory| directory)
    }

    /// The same, of a directory that is configured.
    pub(crate) fn watch_dynamic_by(configure: impl FnOnce(Directory) -> Directory) -> Self {
        Self::begin(Manager::new(), |manager, directory| manager.watch_dynamic(configure(directory)))
    }

    fn begin(manager: Manager, watch: impl FnOnce(&Manager, Directory) -> Result<Watch, WatchError>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (native, processes) = (native(), ProcessBackend::start().expect("it starts"));
        let described = processes.clone();
        let source = Directory::new(directory.path())
            .libraries(move |path| native.library(path))
            .programs(move |path| ProcessPlugin::new(path).backend(&processes))
            .manifests(&described)
            .settle(Duration::from_millis(20))
            .poll(Duration::from_millis(20));
        let events = manager.events();
        let watch = watch(&manager, source).expect("it is a directory");
        Self { directory, manager, events, watch }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a copy into the directory, or in place of what lies there, at once.
    pub(crate) fn put(&self, from: &Path, name: &str) {
        let hidden = self.path(".new");
        fs::copy(from, &hidden).expect("a copy");
        fs::rename(hidden, self.path(name)).expect("renamed");
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("it is there");
    }

    /// Writes a file, or what lies in its place, at once.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let hidden = self.path(".new");
        fs::write(&hidden, text).expect("written");
        fs::rename(hidden, self.path(name)).expect("renamed");
    }

    /// Kills the program of this file.
    pub(crate) fn kill(&self, name: &str) {
        self.signal(name, Signal::KILL);
    }

    /// Sends a signal to the program of this file.
    pub(crate) fn signal(&self, name: &str, signal: Signal) {
        kill_process(process_of(&self.path(name)), signal).expect("it is ours");
    }

    pub(crate) fn get<I: Interface + ?Sized>(&self, name: &str) -> Handle<I> {
        self.manager.get(name).expect("it is online")
    }

    /// The next so many states, all of this plugin.
    pub(crate) fn told<const N: usize>(&mut self, name: &str) -> [State; N] {
        std::array::from_fn(|_| match self.change() {
            (plugin, state) if plugin == name => state,
            other => panic!("expected an event of `{name}`, found {other:?}"),
        })
    }

    /// The next change of whichever plugin, save that it comes closer to be loaded: most tests are of what follows.
    pub(crate) fn change(&mut self) -> (String, State) {
        loop {
            let change = self.any_change();
            if !matches!(change.1, State::Discovered | State::Verified) {
                return change;
            }
        }
    }

    /// The next change of whichever plugin.
    pub(crate) fn any_change(&mut self) -> (String, State) {
        match self.events.recv_timeout(LONG) {
            Ok(Event::Changed { plugin, state }) => (plugin.as_str().to_owned(), state),
            other => panic!("expected a change, found {other:?}"),
        }
    }

    pub(crate) fn look(&self) {
        block_on(self.watch.look()).expect("it can be read");
    }
}

/// The process of a program, which nobody else runs.
pub(crate) fn process_of(program: &Path) -> Pid {
    let program = program.canonicalize().expect("it is there");
    let processes = fs::read_dir("/proc").expect("the processes").flatten();
    let pid = processes
        .filter(|process| fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == program))
        .find_map(|process| process.file_name().to_str()?.parse().ok());
    Pid::from_raw(pid.expect("it runs")).expect("not 0")
}

pub(crate) fn online(generation: u64) -> State {
    State::Online { generation }
}

pub(crate) fn reason(state: &State) -> &str {
    match state {
        State::Failed { reason } => reason,
        other => panic!("expected a failure, found {other:?}"),
    }
}

/// Longer than anything takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(120);
