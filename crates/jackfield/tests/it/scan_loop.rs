//! A host's loop over a directory: what comes, changes, goes, is no plugin, is checked out by git, or is not to be trusted.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jackfield::{Directory, State};
use probe_interface::Probe;

use crate::home::{Home, online, reason};
use crate::support::{block_on, is_root, libraries, native};

#[test]
fn a_directory_is_followed_from_empty_to_junk() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let [one, two] = ["probe-one", "probe-two"].map(|name| libraries().library(name).to_owned());
    home.put(&one, "a.so");
    assert_eq!(home.told("a"), [State::Loading, online(1)]);
    home.put(&one, "b.so");
    assert_eq!(home.told("b"), [State::Loading, online(1)]);
    home.put(&two, "a.so");
    assert_eq!(home.told("a"), [State::Loading, online(2)]);
    assert_eq!(home.get::<dyn Probe>("a").version(), Ok(2));
    home.remove("b.so");
    assert_eq!(home.told("b"), [State::Draining, State::Offline]);
    home.write("junk.txt", "junk");
    let [failed] = home.told("junk");
    assert!(reason(&failed).contains("found neither"), "{failed:?}");
    // Looks that find no change tell nothing: what is told next is the next change.
    (0..5).for_each(|_| home.look());
    home.put(&one, "c.so");
    assert_eq!(home.told("c"), [State::Loading, online(1)]);
    let states = home.manager.states().into_iter().map(|(plugin, state)| (plugin.as_str().to_owned(), state));
    let expected = [("a", online(2)), ("c", online(1)), ("junk", failed)];
    assert_eq!(states.collect::<Vec<_>>(), expected.map(|(plugin, state)| (plugin.to_owned(), state)));
}

#[test]
fn every_step_from_a_file_that_is_seen_to_a_plugin_is_told() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let path =
        |states: &[State]| states.iter().map(|state| ("a".to_owned(), state.clone())).collect::<Vec<_>>();
    let told = |home: &mut Home, count| (0..count).map(|_| home.any_change()).collect::<Vec<_>>();
    home.put(libraries().library("probe-one"), "a.so");
    let first = path(&[State::Discovered, State::Verified, State::Loading, online(1)]);
    assert_eq!(told(&mut home, 4), first);
    home.put(libraries().library("probe-two"), "a.so");
    assert_eq!(told(&mut home, 2), path(&[State::Loading, online(2)]), "the old one is online meanwhile");
    home.remove("a.so");
    assert_eq!(told(&mut home, 2), path(&[State::Draining, State::Offline]));
}

#[test]
fn a_file_that_never_holds_still_is_seen_and_lost() {
    let still = Duration::from_secs(3600);
    let mut home = Home::watch::<dyn Probe>(|directory| directory.settle(still));
    home.put(libraries().library("probe-one"), "a.so");
    assert_eq!(home.any_change(), ("a".to_owned(), State::Discovered));
    assert_eq!(home.manager.states(), [("a".into(), State::Discovered)]);
    let Home { watch, mut events, manager, .. } = home;
    block_on(watch.stop());
    let lost = jackfield::Event::Changed { plugin: "a".into(), state: State::Offline };
    assert_eq!(events.next(), Some(lost));
    assert!(manager.states().is_empty());
}

/// Runs git, and returns what it prints.
#[expect(clippy::disallowed_methods, reason = "a test runs git")]
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "core.hooksPath=/dev/null",
    ]);
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("git is on every machine that builds this");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

#[test]
fn a_checkout_swaps_the_set_as_one_change() {
    let mut home = Home::watch::<dyn Probe>(Directory::together);
    let tree = home.directory.path().to_owned();
    let [one, two] = ["probe-one", "probe-two"].map(|name| libraries().library(name).to_owned());
    git(&tree, &["init", "--quiet", "--initial-branch=main"]);
    home.put(&one, "a.so");
    home.put(&one, "b.so");
    let mut told = BTreeMap::new();
    while told.len() < 2 {
        let (plugin, state) = home.change();
        if state == online(1) {
            told.insert(plugin, state);
        }
    }
    git(&tree, &["add", "."]);
    git(&tree, &["commit", "--quiet", "--message=main"]);
    git(&tree, &["checkout", "--quiet", "-b", "other"]);
    let a = home.get::<dyn Probe>("a");

    // While git is at work nothing is taken, however often somebody looks.
    let lock = tree.join(".git/index.lock");
    fs::write(&lock, "").expect("written");
    home.put(&two, "a.so");
    home.remove("b.so");
    home.put(&two, "c.so");
    let looks = home.watch.looks();
    while home.watch.looks() < looks + 10 && a.version() == Ok(1) {
        std::thread::yield_now();
    }
    assert_eq!((a.version(), home.manager.names()), (Ok(1), vec!["a".into(), "b".into()]));
    fs::remove_file(&lock).expect("it is there");
    expect_set(&mut home, [("a", online(2)), ("b", State::Offline), ("c", online(1))]);
    assert_eq!(a.version(), Ok(2));

    git(&tree, &["add", "--all", "."]);
    git(&tree, &["commit", "--quiet", "--message=other"]);
    git(&tree, &["checkout", "--quiet", "main"]);
    expect_set(&mut home, [("a", online(3)), ("b", online(1)), ("c", State::Offline)]);
    assert_eq!(a.version(), Ok(1));
    git(&tree, &["checkout", "--quiet", "other"]);
    expect_set(&mut home, [("a", online(4)), ("b", State::Offline), ("c", online(1))]);
    assert_eq!(a.version(), Ok(2));
}

/// Waits until these are the last states that were told of these plugins, with nothing told of others.
fn expect_set(home: &mut Home, expected: [(&str, State); 3]) {
    let expected: BTreeMap<_, _> = expected.map(|(plugin, state)| (plugin.to_owned(), state)).into();
    let mut told = BTreeMap::new();
    while told != expected {
        let (plugin, state) = home.change();
        assert!(!matches!(state, State::Failed { .. }), "{plugin}: {state:?}");
        told.insert(plugin, state);
    }
}

#[test]
fn the_first_of_several_directories_goes_before_the_others() {
    let system = tempfile::tempdir().expect("a directory");
    let path = system.path().to_owned();
    let mut home = Home::watch::<dyn Probe>(move |directory| directory.and(path));
    let put = |name: &str| {
        let hidden = system.path().join(".new");
        fs::copy(libraries().library(name), &hidden).expect("a copy");
        fs::rename(hidden, system.path().join("libprobe.so")).expect("renamed");
    };
    put("probe-one");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    // Even a program goes before the library of another directory.
    home.put(libraries().program("probe-two"), "probe");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    assert_eq!(probe.version(), Ok(2));
    // What is not used may change: what is told next is that it is used again.
    put("probe-two");
    home.look();
    put("probe-one");
    home.remove("probe");
    assert_eq!(home.told("probe"), [State::Loading, online(3)]);
    assert_eq!(probe.version(), Ok(1));
}

#[test]
fn a_library_that_is_not_on_the_list_is_refused() {
    let allowed =
        *native().library(libraries().library("probe-one")).inspect().expect("a plugin").digest().as_bytes();
    let backend = native();
    let mut home = Home::watch::<dyn Probe>(move |directory| {
        directory.libraries(move |path| backend.library(path).digests([[0; 32], allowed]))
    });
    home.put(libraries().library("probe-one"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    home.put(libraries().library("probe-two"), "libprobe.so");
    let [_, failed, old] = home.told("probe");
    assert!(reason(&failed).contains("to have a digest that this host allows, found"), "{failed:?}");
    assert_eq!((old, home.get::<dyn Probe>("probe").version()), (online(1), Ok(1)));
}

#[test]
fn what_others_could_have_changed_is_refused() {
    let mut home = Home::watch::<dyn Probe>(Directory::owned_only);
    let set =
        |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    let hidden = home.path(".new");
    fs::copy(libraries().library("probe-one"), &hidden).expect("a copy");
    set(&hidden, 0o666);
    let library = home.path("libprobe.so");
    fs::rename(hidden, &library).expect("renamed");
    let [failed] = home.told("probe");
    let expected = format!(
        "expected a file that only its owner can change, found mode 666: `{}`\n(hint: chmod go-w)",
        library.display()
    );
    assert_eq!(reason(&failed), expected);
    set(&library, 0o644);
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);

    // A program that a manifest names is looked at too, and so is the directory in which it lies.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let program = elsewhere.path().join("program");
    fs::copy(libraries().program("probe-one"), &program).expect("a copy");
    set(&program, 0o755);
    set(elsewhere.path(), 0o777);
    home.write("other.plugin.toml", &format!("command = {program:?}"));
    let [failed] = home.told("other");
    assert!(reason(&failed).contains("expected a directory that only its owner can change"), "{failed:?}");
    set(elsewhere.path(), 0o755);
    home.write("other.plugin.toml", &format!("command = {program:?}\n"));
    assert_eq!(home.told("other"), [State::Loading, online(1)]);
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let own = |path: &Path, user| chown(path, Some(user), None).expect("root may");
    let mut home = Home::watch::<dyn Probe>(Directory::owned_only);
    let hidden = home.path(".new");
    fs::copy(libraries().library("probe-one"), &hidden).expect("a copy");
    own(&hidden, NOBODY);
    let library = home.path("libprobe.so");
    fs::rename(hidden, &library).expect("renamed");
    let [failed] = home.told("probe");
    let expected = |what: &str, path: &Path| {
        format!("expected {what} of user 0 or root, found one of user {NOBODY}: `{}`", path.display())
    };
    assert_eq!(reason(&failed), expected("a file", &library));
    own(&library, 0);
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");

    // He could have put it into the place of ours. What was loaded before serves on.
    own(&library, NOBODY);
    let [failed, old] = home.told("probe");
    assert_eq!((reason(&failed), old), (&*expected("a file", &library), online(1)));
    own(home.directory.path(), NOBODY);
    own(&library, 0);
    let [failed, old] = home.told("probe");
    assert_eq!((reason(&failed), old), (&*expected("a directory", home.directory.path()), online(1)));
    assert_eq!(probe.version(), Ok(1));
}

/// The user of whom nobody has anything.
const NOBODY: u32 = 65_534;
