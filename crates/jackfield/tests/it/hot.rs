//! A plugin whose file is replaced while it is called.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jackfield::symbols::{OpenError, Var};
use jackfield_fixtures::Build;

use crate::support::{copy, libraries, native};

/// The greeter, built with this identity and greeting, under a name of its own.
fn build(directory: &Path, id: &str, greeting: &str) -> PathBuf {
    // All of them are built into the same file, and each is built once: so what came of it is kept here.
    static BUILT: Mutex<BTreeMap<[String; 2], Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let library = built.entry([id, greeting].map(str::to_owned)).or_insert_with(|| {
        let build = Build::new(["symbols-hot"])
            .variable("hot", "JACKFIELD_PLUGIN_ID", id)
            .variable("hot", "GREETING", greeting);
        let built = jackfield_fixtures::build(&build).expect("it builds");
        std::fs::read(built.library("symbols-hot")).expect("a library")
    });
    let path = directory.join(format!("built-{}.so", greeting.replace(' ', "-")));
    std::fs::write(&path, library).expect("a copy");
    path
}

#[test]
fn three_ways_of_replacing_a_file_lose_no_call() {
    let directory = tempfile::tempdir().expect("a directory");
    let builds = ["hello v1", "hello v2"]
        .map(|greeting| build(directory.path(), &format!("plugin/hot-{}", &greeting[7..]), greeting));
    let path = copy(&builds[0], directory.path(), "Eng.so");
    let native = native();
    let plugin = native.open(&path).expect("it opens");
    let greet = plugin.lookup("Greet").expect("exported").assert::<fn() -> String>();
    assert_eq!((plugin.id().as_str(), greet.call()), ("plugin/hot-1", Ok("hello v1".to_owned())));

    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let greeting = greet.call().expect("no call fails");
                    assert!(greeting == "hello v1" || greeting == "hello v2", "{greeting}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for (round, way) in
            [rename_over, overwrite_in_place, rename_over, overwrite_in_place].iter().enumerate()
        {
            let next = (round + 1) % 2;
            way(&builds[next], &path);
            let reopened = native.open(&path).expect("it is an update");
            assert!(reopened.is_same(&plugin));
            assert_eq!(plugin.id(), format!("plugin/hot-{}", next + 1));
            assert_eq!(greet.call(), Ok(format!("hello v{}", next + 1)), "round {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(plugin.generation(), 5);
    assert!(calls.load(Ordering::Relaxed) > 0);

    // The third way is a new name: another plugin, which is open beside the first.
    let other = native.open(&builds[1]).expect("another identity");
    let greet = other.lookup("Greet").expect("exported").assert::<fn() -> String>();
    assert_eq!((other.id().as_str(), greet.call()), ("plugin/hot-2", Ok("hello v2".to_owned())));
}

fn rename_over(new: &Path, path: &Path) {
    let beside = path.with_extension("new");
    std::fs::copy(new, &beside).expect("a copy");
    std::fs::rename(beside, path).expect("renamed");
}

fn overwrite_in_place(new: &Path, path: &Path) {
    let content = std::fs::read(new).expect("a library");
    std::fs::write(path, content).expect("written over the file that is open");
}

#[test]
fn one_identity_with_other_content_is_refused_while_both_would_be_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = build(directory.path(), "plugin/same", "hello one");
    let two = build(directory.path(), "plugin/same", "hello two");
    let native = native();
    let plugin = native.open(&one).expect("it opens");
    let error = native.open(&two).expect_err("the same identity");
    assert!(matches!(&error, OpenError::Identity { id, .. } if id == "plugin/same"));
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` has the identity `plugin/same`, but other content than `{}`, which is open under this identity\n\
             (hint: build one of them with an identity of its own, or unload the other first)",
            two.display(),
            one.display()
        )
    );
    plugin.unload().expect("it was open");
    native.open(&two).expect("the identity is free");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an example is a program")]
fn the_example_prints_the_new_greeting_without_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let builds = ["hello v1", "hello v2"]
        .map(|greeting| build(directory.path(), &format!("plugin/hot-{}", &greeting[7..]), greeting));
    let path = copy(&builds[0], directory.path(), "Eng.so");
    let mut command = Command::new(libraries().program("hot"));
    let mut host =
        command.arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(host.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("a text");
    assert_eq!(line(), "plugin/hot-1: hello v1");
    rename_over(&builds[1], &path);
    let mut stdin = host.stdin.take().expect("piped");
    writeln!(stdin).expect("it listens");
    assert_eq!(line(), "plugin/hot-2: hello v2");
    drop(stdin);
    assert!(host.wait().expect("it ends").success());
}

#[test]
fn a_symbol_in_use_is_neither_taken_away_nor_changed_by_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(libraries().library("symbols-one"), directory.path(), "plugin.so");
    let native = native();
    let plugin = native.open(&path).expect("it opens");
    let seven = plugin.lookup("Seven").expect("exported").assert::<Var<i64>>();
    rename_over(libraries().library("symbols-number"), &path);
    let error = native.open(&path).expect_err("the new one has no such symbol");
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` cannot replace what is open: `Seven` is in use as a variable `Var<i64>`, but would be nothing",
            path.display()
        )
    );
    assert_eq!(seven.get(), Ok(7), "the old one goes on");
    drop(seven);
    assert!(native.open(&path).expect("nobody needs it any more").is_same(&plugin));
    assert_eq!((plugin.name().as_str(), plugin.generation()), ("symbols-number", 2));
    plugin.lookup("Seven").expect_err("it is gone");
}

#[test]
fn a_broken_update_leaves_the_old_one_serving() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(libraries().library("symbols-one"), directory.path(), "plugin.so");
    let native = native();
    let plugin = native.open(&path).expect("it opens");
    let add = plugin.lookup("add").expect("exported").assert::<fn(i64, i64) -> i64>();
    std::fs::write(&path, "abc").expect("written over the file that is open");
    native.open(&path).expect_err("a text");
    plugin.reload().expect_err("a text");
    assert_eq!((add.call(1, 2), plugin.generation()), (Ok(3), 1));
    copy(libraries().library("symbols-one"), directory.path(), "plugin.so");
    plugin.reload().expect("the same bytes again");
    assert_eq!((add.call(1, 2), plugin.generation()), (Ok(3), 2));
}
