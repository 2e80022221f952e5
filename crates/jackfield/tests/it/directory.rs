//! A directory of plugins: they come, change, fail and go with its files, and come back when they are killed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{
    Bytes, CallError, Directory, Error, Event, FileKind, Handle, Manager, Restart, State, symbols,
};
use jackfield_fixtures::{Forgery, NoteField, Stop};
use probe_interface::Probe;

use crate::home::{Home, online, reason};
use crate::support::{block_on, chain, libraries, native};

#[test]
fn a_library_comes_changes_fails_and_goes_with_its_file() {
    follows_a_library(Home::watch::<dyn Probe>(|directory| {
        directory.poll(Duration::from_secs(24 * 60 * 60))
    }));
}

#[test]
fn so_it_does_where_the_directory_is_polled() {
    follows_a_library(Home::watch::<dyn Probe>(Directory::always_poll));
}

fn follows_a_library(mut home: Home) {
    home.put(libraries().library("probe-one"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    assert_eq!((probe.version(), home.manager.states()), (Ok(1), vec![("probe".into(), online(1))]));

    home.put(libraries().library("probe-two"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    assert_eq!((probe.version(), Handle::generation(&probe)), (Ok(2), 2));

    fs::write(home.path(".garbage"), "garbage").expect("written");
    fs::rename(home.path(".garbage"), home.path("libprobe.so")).expect("renamed");
    let [loading, failed, old] = home.told("probe");
    assert_eq!((loading, old), (State::Loading, online(2)));
    assert!(reason(&failed).contains("expected an ELF file"), "{failed:?}");
    assert_eq!((probe.version(), home.manager.states()), (Ok(2), vec![("probe".into(), online(2))]));

    // Nothing has changed, so nothing is tried again: what is told next is the removal.
    (0..5).for_each(|_| home.look());
    home.remove("libprobe.so");
    assert_eq!(home.told("probe"), [State::Draining, State::Offline]);
    assert!(matches!(probe.version(), Err(Error::Call(CallError::Closed { .. }))));
    assert!(home.manager.states().is_empty() && home.manager.names().is_empty());
}

/// The system's loader knows a library again by its path, and Go by its identity: neither may lead to code that is old.
#[test]
fn files_of_one_identity_are_plugins_of_their_own_and_each_runs_what_it_holds() {
    let namesakes = Arc::new(Mutex::new(Vec::new()));
    let backend = native().observe({
        let namesakes = namesakes.clone();
        move |event| {
            if let symbols::Event::Identity { path, id, other } = event {
                let [path, other] = [path, other].map(|path| path.file_name().expect("a file").to_owned());
                namesakes.lock().expect("no panic").push((path, id.clone(), other));
            }
        }
    });
    let mut home =
        Home::watch::<dyn Probe>(|directory| directory.libraries(move |path| backend.library(path)));
    let built = tempfile::tempdir().expect("a directory");
    let [one, two] = ["probe-one", "probe-two"].map(|package| {
        let mut forgery = Forgery::of(libraries().library(package));
        let mut note = forgery.note();
        note.retain(|field| !matches!(field.number(), 3 | 8));
        // The name is six bytes shorter, which makes room for the identity.
        note.extend([NoteField::Bytes(3, b"one".to_vec()), NoteField::Bytes(8, b"same".to_vec())]);
        forgery.set_note(&note);
        let path = built.path().join(package);
        forgery.write(&path);
        assert_eq!(native().library(&path).inspect().expect("a plugin").note().id, "same");
        path
    });

    home.put(&one, "libfirst.so");
    assert_eq!(home.told("first"), [State::Loading, online(1)]);
    home.put(&two, "libsecond.so");
    assert_eq!(home.told("second"), [State::Loading, online(1)]);
    let (first, second) = (home.get::<dyn Probe>("first"), home.get::<dyn Probe>("second"));
    assert_eq!((first.version(), second.version()), (Ok(1), Ok(2)));

    home.put(&two, "libfirst.so");
    assert_eq!(home.told("first"), [State::Loading, online(2)]);
    home.put(&one, "libsecond.so");
    assert_eq!(home.told("second"), [State::Loading, online(2)]);
    assert_eq!((first.version(), second.version()), (Ok(2), Ok(1)));
    // While the first was updated both files held the same.
    let told = ("libsecond.so".into(), "same".to_owned(), "libfirst.so".into());
    assert_eq!(*namesakes.lock().expect("no panic"), [told.clone(), told]);
}

/// It is counted against another that is polled, so that nobody has to wait.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_is_looked_at_when_it_changes_and_at_no_other_time() {
    let settled =
        |directory: Directory| directory.settle(Duration::from_millis(50)).poll(Duration::from_millis(1));
    let mut home = Home::watch::<dyn Probe>(settled);
    let polled = Home::watch::<dyn Probe>(|directory| settled(directory).always_poll());
    let look = |home: &mut Home, name: &str| {
        let before = (home.watch.looks(), polled.watch.looks());
        home.put(libraries().library("probe-one"), &format!("lib{name}.so"));
        assert_eq!(home.told(name), [State::Loading, online(1)]);
        (home.watch.looks() - before.0, polled.watch.looks() - before.1)
    };
    for name in ["a", "b", "c"] {
        let (looks, polls) = look(&mut home, name);
        // It is renamed into place, and holds still: two looks, and one more if its rename was heard late.
        assert!((2..=3).contains(&looks), "{looks} looks, where another directory is polled {polls} times");
        assert!(polls > looks, "{polls} polls");
    }
    let before = (home.watch.looks(), polled.watch.looks());
    while polled.watch.looks() < before.1 + 100 {
        std::thread::yield_now();
    }
    assert_eq!(home.watch.looks(), before.0, "nothing has changed");
}

#[test]
fn a_host_that_knows_no_interface_follows_whatever_comes() {
    let mut home = Home::watch_dynamic();
    home.put(libraries().library("probe-one"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let interfaces = block_on(home.manager.interfaces("probe")).expect("it says so");
    let probe = block_on(home.manager.dynamic("probe", &interfaces[0])).expect("it serves that");
    let version = || block_on(probe.call("Version", Bytes::new())).expect("an answer");
    assert_eq!(version(), b"\x08\x01"[..]);
    home.put(libraries().library("probe-two"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    assert_eq!(version(), b"\x08\x02"[..]);

    home.put(libraries().library("kv-by-hand"), "libkv.so");
    assert_eq!(home.told("kv"), [State::Loading, online(1)]);
    let served = block_on(home.manager.interfaces("kv")).expect("it says so");
    assert_eq!(
        (interfaces[0].service.as_str(), served[0].service.as_str()),
        ("jackfield.test.Probe", "proto.KV")
    );
    home.remove("libkv.so");
    assert_eq!(home.told("kv"), [State::Draining, State::Offline]);
    assert!(block_on(home.manager.interfaces("kv")).is_err());
}

#[cfg(unix)]
#[test]
fn what_a_link_leads_to_is_followed_too() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let put = |name: &str| {
        let hidden = elsewhere.path().join(".new");
        fs::copy(libraries().library(name), &hidden).expect("a copy");
        fs::rename(hidden, elsewhere.path().join("libprobe.so")).expect("renamed");
    };
    put("probe-one");
    let link = home.path("libprobe.so");
    std::os::unix::fs::symlink(elsewhere.path().join("libprobe.so"), link).expect("linked");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    put("probe-two");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    // Nothing of this happens in the directory.
    fs::remove_file(elsewhere.path().join("libprobe.so")).expect("it is there");
    assert_eq!(home.told("probe"), [State::Draining, State::Offline]);
    put("probe-one");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
}

#[test]
fn what_is_no_plugin_is_told_or_left_out() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    for name in [".hidden.so", "libprobe.d"] {
        fs::write(home.path(name), "no plugin").expect("written");
    }
    fs::create_dir(home.path("folder.so")).expect("created");
    fs::write(home.path("junk.txt"), "junk").expect("written");
    let [failed] = home.told("junk");
    let junk = home.path("junk.txt");
    assert_eq!(
        reason(&failed),
        format!(
            "expected a shared library, an executable file or a manifest, found neither: `{}`\n\
             (hint: make it executable if it is a program, or move it elsewhere)",
            junk.display()
        )
    );
    home.remove("junk.txt");
    assert_eq!(home.told("junk"), [State::Offline]);
    home.put(libraries().library("probe-one"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
}

#[test]
fn a_file_that_is_still_being_written_is_loaded_once_it_is_whole() {
    let mut home = Home::watch::<dyn Probe>(|directory| {
        directory.settle(Duration::from_secs(3)).poll(Duration::from_secs(24 * 60 * 60))
    });
    let content = fs::read(libraries().library("probe-one")).expect("a library");
    let (first, second) = content.split_at(content.len() / 2);
    fs::write(home.path("libprobe.so"), first).expect("written");
    (0..3).for_each(|_| home.look());
    let mut file = OpenOptions::new().append(true).open(home.path("libprobe.so")).expect("it is there");
    file.write_all(second).expect("written");
    drop(file);
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    assert_eq!(home.get::<dyn Probe>("probe").version(), Ok(1));
}

#[test]
fn a_program_that_is_killed_while_it_is_called_comes_back_behind_the_same_handle() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    home.put(libraries().program("probe-one"), "probe");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    let stop = Stop::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.is_told() {
                    match probe.add(20, 22) {
                        Ok(sum) => assert_eq!(sum, 42),
                        Err(Error::Call(_)) => std::thread::yield_now(),
                        Err(Error::Plugin(failure)) => panic!("it never says no: {failure}"),
                    }
                }
            });
        }
        let _stopping = stop.when_dropped();
        for round in 1..=3 {
            home.kill("probe");
            let [failed, loading, back] = home.told("probe");
            assert!(!reason(&failed).is_empty());
            assert_eq!((loading, back), (State::Loading, online(round + 1)));
            assert_eq!(probe.add(1, 2), Ok(3), "round {round}");
        }
    });
    home.remove("probe");
    assert_eq!(home.told("probe"), [State::Draining, State::Offline]);
}

#[test]
fn a_program_that_ends_too_often_is_given_up_until_its_file_changes() {
    let mut restart = Restart::default();
    (restart.failures, restart.window) = (2, Duration::from_secs(24 * 60 * 60));
    restart.first_delay = Duration::from_millis(1);
    let mut home = Home::watch::<dyn Probe>(|directory| directory.restart(restart));
    home.put(libraries().program("probe-one"), "probe");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    home.kill("probe");
    let [_, loading, back] = home.told("probe");
    assert_eq!((loading, back), (State::Loading, online(2)));
    home.kill("probe");
    let [failed, given_up] = home.told("probe");
    assert!(!reason(&failed).is_empty());
    assert!(reason(&given_up).starts_with("it failed 2 times within 86400s"), "{given_up:?}");
    let probe = home.get::<dyn Probe>("probe");
    assert!(matches!(probe.version(), Err(Error::Call(_))));

    // One that cannot be loaded in its place is tried once, and told once.
    let script = home.path(".script");
    fs::write(&script, "#!/bin/sh\nexit 3\n").expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
    home.put(&script, "probe");
    let [State::Loading, failed] = home.told("probe") else { panic!("it is tried") };
    assert!(reason(&failed).contains("exit status: 3"), "{failed:?}");
    home.put(libraries().program("probe-two"), "probe");
    assert_eq!(home.told("probe"), [State::Loading, online(3)]);
    assert_eq!(probe.version(), Ok(2));
}

#[test]
fn a_library_goes_before_the_program_of_the_same_name_behind_the_same_handle() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    home.put(libraries().program("probe-one"), "probe");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    let probe = home.get::<dyn Probe>("probe");
    home.put(libraries().library("probe-two"), "libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);
    assert_eq!(probe.version(), Ok(2));
    home.remove("libprobe.so");
    assert_eq!(home.told("probe"), [State::Loading, online(3)]);
    assert_eq!(probe.version(), Ok(1));

    // Once the watch has ended, the files are of no importance any more.
    let Home { directory, watch, .. } = home;
    block_on(watch.stop());
    drop(directory);
    assert_eq!(probe.version(), Ok(1));
}

#[test]
fn what_the_host_loaded_itself_is_left_alone() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory.settle(Duration::ZERO));
    let probe = block_on(home.manager.load::<dyn Probe>("probe", &probe_two::PLUGIN)).expect("linked in");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    home.put(libraries().library("probe-one"), "libprobe.so");
    home.look();
    home.put(libraries().library("probe-one"), "libwitness.so");
    assert_eq!(home.told("witness"), [State::Loading, online(1)]);
    home.remove("libprobe.so");
    home.look();
    home.remove("libwitness.so");
    assert_eq!(home.told("witness"), [State::Draining, State::Offline]);
    assert_eq!((probe.version(), Handle::generation(&probe)), (Ok(2), 1));

    // And what the host unloads itself stays so until its file changes.
    home.put(libraries().library("probe-one"), "libother.so");
    assert_eq!(home.told("other"), [State::Loading, online(1)]);
    block_on(home.manager.unload("other")).expect("it was loaded");
    assert_eq!(home.told("other"), [State::Draining, State::Offline]);
    home.look();
    home.put(libraries().library("probe-two"), "libother.so");
    assert_eq!(home.told("other"), [State::Loading, online(1)]);

    // What it loads in its place is its own too.
    block_on(home.manager.unload("other")).expect("it was loaded");
    let other = block_on(home.manager.load::<dyn Probe>("other", &probe_one::PLUGIN)).expect("linked in");
    assert_eq!(home.told("other"), [State::Draining, State::Offline, State::Loading, online(1)]);
    home.remove("libother.so");
    home.look();
    home.put(libraries().library("probe-one"), "libwitness.so");
    assert_eq!(home.told("witness"), [State::Loading, online(1)]);
    assert_eq!((other.version(), Handle::generation(&other)), (Ok(1), 1));
}

#[test]
fn an_operator_disables_enables_and_loads_again() {
    let mut restart = Restart::default();
    restart.failures = 1;
    let mut home = Home::watch::<dyn Probe>(|directory| directory.restart(restart));
    home.put(libraries().program("probe-one"), "probe");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    block_on(home.manager.load_again("probe")).expect("it loads");
    assert_eq!(home.told("probe"), [State::Loading, online(2)]);

    // One that was given up comes back behind the same handle.
    let probe = home.get::<dyn Probe>("probe");
    home.kill("probe");
    let [_, given_up] = home.told("probe");
    assert!(reason(&given_up).starts_with("it failed 1 times"), "{given_up:?}");
    block_on(home.manager.load_again("probe")).expect("it loads");
    assert_eq!(home.told("probe"), [State::Loading, online(3)]);
    assert_eq!(probe.version(), Ok(1));

    home.manager.disable("probe").expect("it is watched");
    assert_eq!(home.told("probe"), [State::Draining, State::Offline, State::Disabled]);
    let error = block_on(home.manager.load_again("probe")).expect_err("it is disabled");
    assert!(chain(&error).starts_with("the plugin `probe` is disabled"), "{error}");
    // Whatever becomes of its file: nothing is told of it until it is enabled.
    home.put(libraries().program("probe-two"), "probe");
    home.look();
    home.put(libraries().library("probe-one"), "libwitness.so");
    assert_eq!(home.told("witness"), [State::Loading, online(1)]);
    home.manager.enable("probe").expect("it is watched");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);

    home.write("libprobe.so", "garbage");
    let [_, _, old] = home.told("probe");
    assert_eq!(old, online(1));
    let error = block_on(home.manager.load_again("probe")).expect_err("garbage");
    assert!(chain(&error).contains("expected an ELF file"), "{}", chain(&error));
    let [_, _, old] = home.told("probe");
    assert_eq!(old, online(1));

    // What is not watched any more keeps nobody waiting.
    home.remove("libwitness.so");
    assert_eq!(home.told("witness"), [State::Draining, State::Offline]);
    while block_on(home.manager.load_again("witness")).is_ok() {}
    let unknown = home.manager.disable("nobody").expect_err("there is none");
    assert_eq!(unknown.to_string(), "no plugin `nobody` is loaded\n(hint: loaded are `probe`)");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = Manager::new().watch::<dyn Probe>(Directory::new("/nowhere")).expect_err("no directory");
    assert_eq!(
        chain(&error),
        "the directory of plugins `/nowhere` cannot be read\n(hint: create it before it is watched): \
         No such file or directory (os error 2)"
    );
}

#[test]
fn a_kind_that_the_host_did_not_ask_for_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("libprobe.so"), "anything").expect("written");
    let manager = Manager::new();
    let mut events = manager.events();
    let source = Directory::new(directory.path()).programs(|path| ProcessPlugin::new(path));
    let _watch = manager.watch::<dyn Probe>(source).expect("it is a directory");
    let failed = events.find_map(|event| match event {
        Event::Changed { state: State::Discovered, .. } => None,
        Event::Changed { state, .. } => Some(state),
        other => panic!("expected a change, found {other:?}"),
    });
    let failed = failed.expect("it is told");
    let path = directory.path().join("libprobe.so");
    assert_eq!(
        reason(&failed),
        format!(
            "expected an executable file, found a shared library: `{}`\n\
             (hint: `Directory::libraries` says how to load these)",
            path.display()
        )
    );
}

#[test]
fn what_a_directory_offers_is_said_before_anything_is_loaded() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let write = |directory: &tempfile::TempDir, name: &str, text: &str| {
        fs::write(directory.path().join(name), text).expect("written");
    };
    write(&second, "libkv.so", "anything");
    write(&first, "kv.plugin.toml", "command = \"sh\"");
    write(&first, "off.plugin.toml", "command = \"sh\"\nenabled = false");
    write(&first, "kv@1.2.so", "anything");
    write(&first, "notes.txt", "anything");
    let processes = ProcessBackend::start().expect("it starts");
    let native = native();
    let directory = Directory::new(first.path()).and(second.path()).manifests(&processes);
    let offered = directory.libraries(move |path| native.library(path)).scan().expect("it can be read");
    let found: Vec<_> = offered
        .iter()
        .map(|offered| {
            let file = offered.path.file_name().and_then(|name| name.to_str());
            (offered.name.as_str(), file.expect("a name"), offered.kind, offered.candidate.is_ok())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("kv", "kv.plugin.toml", FileKind::Manifest, true),
            ("kv", "libkv.so", FileKind::Library, true),
            ("kv@1.2", "kv@1.2.so", FileKind::Library, true),
            ("notes", "notes.txt", FileKind::Neither, false),
        ]
    );
    assert!(offered.iter().all(|offered| offered.interface().is_ok_and(|interface| interface.is_none())));
    let reason = offered[3].candidate.as_ref().expect_err("it is no plugin");
    assert!(reason.starts_with("expected a shared library or a manifest, found neither: `"), "{reason}");
    let error = Directory::new("/nowhere").scan().expect_err("no directory");
    assert!(chain(&error).contains("`/nowhere` cannot be read"), "{error}");
}

/// A description may be large, and a directory full of them.
#[test]
fn what_describes_an_interface_is_read_when_somebody_asks() {
    let home = tempfile::tempdir().expect("a directory");
    for name in ["one", "two"] {
        let manifest = format!("command = \"sh\"\ninterface = \"{name}.proto\"");
        fs::write(home.path().join(format!("{name}.plugin.toml")), manifest).expect("written");
    }
    let read = Arc::new(Mutex::new(Vec::new()));
    let reader = {
        let read = read.clone();
        move |path: &Path| {
            read.lock().expect("no panic").push(path.to_owned());
            Err("not today".to_owned())
        }
    };
    let processes = ProcessBackend::start().expect("it starts");
    let directory = Directory::new(home.path()).manifests(&processes).interfaces(reader);
    let offered = directory.scan().expect("it can be read");
    assert_eq!((offered.len(), read.lock().expect("no panic").len()), (2, 0));
    let error = offered[1].interface().expect_err("it cannot be read");
    assert_eq!(error, "`interface`: not today");
    assert_eq!(*read.lock().expect("no panic"), [home.path().join("two.proto")]);
}

/// All three ways in which a library is replaced, while it is called.
#[test]
fn a_new_name_a_rename_and_an_overwrite_in_place_swap_without_a_failed_call() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let [one, two] = ["probe-one", "probe-two"].map(|name| libraries().library(name).to_owned());
    let until = |home: &mut Home, plugin: &str, wanted: State| {
        while home.change() != (plugin.to_owned(), wanted.clone()) {}
    };
    home.put(&one, "probe_v1.so");
    until(&mut home, "probe", online(1));
    let probe = home.get::<dyn Probe>("probe");
    let (stop, calls) = (Stop::default(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.is_told() {
                    let version = probe.version().expect("no call fails");
                    assert!((1..=2).contains(&version), "{version}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stopping = stop.when_dropped();
        home.put(&two, "probe_v2.so");
        until(&mut home, "probe", online(2));
        assert_eq!(probe.version(), Ok(2), "under a new name");
        home.put(&one, "probe_v2.so");
        until(&mut home, "probe", online(3));
        assert_eq!(probe.version(), Ok(1), "renamed over the old one");
        // As `cp` does it: the file that is loaded is cut to nothing, and written anew.
        fs::write(home.path("probe_v2.so"), fs::read(&two).expect("a library")).expect("written");
        until(&mut home, "probe", online(4));
        assert_eq!(probe.version(), Ok(2), "written over in place");
        let before = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) < before + 100 {
            std::thread::yield_now();
        }
    });
}
