//! A directory of whose changes the host tells.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jackfield::{Changes, Directory, Manager, State};
use probe_interface::Probe;

use crate::home::{Home, online};
use crate::scan_loop::git;
use crate::support::{block_on, libraries, native};

/// One that the host tells of changes, and that would be polled all the time if it were polled.
fn told(changes: &Changes) -> Home {
    Home::watch::<dyn Probe>(|directory| {
        directory.settle(Duration::ZERO).poll(Duration::from_millis(1)).told_by(changes)
    })
}

/// Waits for as long as another directory is looked at so often.
fn wait_for_looks(count: u64) {
    let clock = Home::watch::<dyn Probe>(|directory| directory.poll(Duration::from_millis(1)).always_poll());
    while clock.watch.looks() < count {
        thread::yield_now();
    }
}

/// Waits until the system has told somebody else of what lies in a directory.
fn wait_until_others_load(directory: &Path) {
    let (manager, backend) = (Manager::new(), native());
    let source = Directory::new(directory).libraries(move |path| backend.library(path));
    let watch = manager.watch::<dyn Probe>(source.settle(Duration::from_millis(20))).expect("a directory");
    block_on(manager.when_online::<dyn Probe>("probe")).expect("it is a probe");
    block_on(watch.stop());
}

#[test]
fn it_is_looked_at_when_the_host_tells_and_at_no_other_time() {
    let changes = Changes::new();
    changes.tell();
    let mut home = told(&changes);
    assert_eq!(home.watch.looks(), 1, "as it began to be watched");
    home.put(libraries().library("probe-one"), "libprobe.so");
    wait_until_others_load(home.directory.path());
    wait_for_looks(100);
    assert_eq!((home.watch.looks(), home.manager.states()), (1, Vec::new()));

    changes.tell();
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    // It was seen, and has held still.
    assert_eq!(home.watch.looks(), 3);
    home.put(libraries().library("probe-two"), "libprobe.so");
    wait_for_looks(100);
    assert_eq!((home.watch.looks(), probe.version()), (3, Ok(1)));

    // Whoever has a clone tells, from whichever thread.
    let clone = changes.clone();
    drop(changes);
    thread::spawn(move || clone.tell()).join().expect("no panic");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    assert_eq!(probe.version(), Ok(2));
}

#[test]
fn one_host_tells_of_several_directories() {
    let changes = Changes::new();
    let mut homes = [told(&changes), told(&changes)];
    for home in &homes {
        home.put(libraries().library("probe-one"), "libprobe.so");
    }
    changes.tell();
    for home in &mut homes {
        assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    }
    // A watch that has ended is told nothing.
    let [first, mut second] = homes;
    block_on(first.watch.stop());
    second.remove("libprobe.so");
    changes.tell();
    assert_eq!(second.told("probe"), [State::Draining, State::Offline]);
    assert_eq!(first.manager.states(), [("probe".into(), online(1))]);
}

#[test]
fn a_directory_that_cannot_be_read_is_looked_at_again() {
    let changes = Changes::new();
    let mut home = told(&changes);
    home.put(libraries().library("probe-one"), "libprobe.so");
    changes.tell();
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let looks = home.watch.looks();
    let away = tempfile::tempdir().expect("a directory");
    let elsewhere = away.path().join("plugins");
    fs::rename(home.directory.path(), &elsewhere).expect("renamed");
    changes.tell();
    while home.watch.looks() == looks {
        thread::yield_now();
    }
    assert_eq!(home.manager.states(), [("probe".into(), online(1))]);
    // The host has told once, and this look failed.
    fs::copy(libraries().library("probe-two"), elsewhere.join("libprobe.so")).expect("copied");
    fs::rename(&elsewhere, home.directory.path()).expect("renamed");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
}

/// Git says what differs between two commits, and the host tells of it.
#[test]
fn the_set_follows_what_git_says_of_commits() {
    let changes = Changes::new();
    let mut home =
        Home::watch::<dyn Probe>(|directory| directory.settle(Duration::ZERO).told_by(&changes).together());
    let tree = home.directory.path().to_owned();
    let commit = |branch: &str| {
        git(&tree, &["add", "--all", "."]);
        git(&tree, &["commit", "--quiet", "--allow-empty", "--message", branch]);
        git(&tree, &["branch", branch]);
    };
    let mut present = "one";
    let mut pass_to = |branch: &'static str| {
        git(&tree, &["checkout", "--quiet", branch]);
        let differing = git(&tree, &["diff", "--name-only", present, branch, "--", "*.so"]);
        present = branch;
        if !differing.is_empty() {
            changes.tell();
        }
        differing.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    git(&tree, &["init", "--quiet", "--initial-branch=main"]);
    home.put(libraries().library("probe-one"), "a.so");
    commit("one");
    home.write(".notes", "nothing that is loaded");
    commit("same");
    home.put(libraries().library("probe-two"), "a.so");
    home.put(libraries().library("probe-one"), "b.so");
    commit("two");
    git(&tree, &["checkout", "--quiet", "one"]);
    changes.tell();
    assert_eq!(home.told("a"), [State::Loading, online(1)]);
    let looks = home.watch.looks();

    assert_eq!(pass_to("same"), Vec::<String>::new());
    wait_for_looks(100);
    assert_eq!(home.watch.looks(), looks, "no plugin differs");
    assert_eq!(pass_to("two"), ["a.so", "b.so"]);
    let mut told = [home.change(), home.change(), home.change(), home.change()];
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [("a", State::Loading), ("a", online(2)), ("b", State::Loading), ("b", online(1))];
    assert_eq!(told, expected.map(|(plugin, state)| (plugin.to_owned(), state)));
    assert_eq!(pass_to("one"), ["a.so", "b.so"]);
    let mut told = [home.change(), home.change(), home.change(), home.change()];
    told.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [("a", State::Loading), ("a", online(3)), ("b", State::Draining), ("b", State::Offline)];
    assert_eq!(told, expected.map(|(plugin, state)| (plugin.to_owned(), state)));
}
