//! Loads, swaps and unloads shared libraries while other threads call them: what the thread sanitizer looks at.
//!
//! The tests do the same, on top of libtest and tokio. Here is no more than what has to be free of races.

#![expect(clippy::print_stdout, reason = "it tells what it has done")]

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};

use jackfield::native::{NativeBackend, NativePlugin};
use jackfield::{Handle, Manager, Unloaded};
use jackfield_fixtures::{Artifacts, Build, Stop};
use probe_interface::Probe;

fn main() {
    let build = Build::new(["probe-one", "probe-two"]).no_default_features();
    let libraries = jackfield_fixtures::build(&build).expect("the fixtures build");
    swap_under_load(&libraries);
    println!("swapped a hundred times under four threads");
    update_in_three_ways(&libraries);
    println!("updated in three ways");
    unload_one_unmapped_and_one_pinned(&libraries);
    println!("unloaded: one unmapped, one pinned");
}

fn swap_under_load(libraries: &Artifacts) {
    let plugins = ["probe-one", "probe-two"].map(|name| library(libraries.library(name)));
    let manager = Manager::new();
    let probe = load(&manager, "probe", &plugins[0]);
    let stop = Stop::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| call_until(&probe, &stop));
        }
        let _stop = stop.when_dropped();
        for round in 1..=100 {
            let reloaded = block_on(manager.reload("probe", &plugins[round % 2])).expect("reloaded");
            assert!(reloaded.is_drained, "round {round}");
            assert!(is_unmapped_but_for_values(&reloaded.old), "round {round}: {:?}", reloaded.old);
        }
    });
    assert_eq!(Handle::generation(&probe), 101);
    assert_eq!(block_on(manager.unload("probe")), Ok(Unloaded::Unmapped));
    let maps = fs::read_to_string("/proc/self/maps").expect("a Linux machine");
    assert!(!maps.contains("memfd:jackfield:"), "the last value that is dropped unmaps its library:\n{maps}");
}

/// A call's bytes may outlive it, and keep their library mapped until they are dropped.
fn is_unmapped_but_for_values(old: &Unloaded) -> bool {
    match old {
        Unloaded::Pinned { by } => by.iter().all(|reason| reason.ends_with("values that came from it")),
        other => *other == Unloaded::Unmapped,
    }
}

/// Calls every way that a call can take: blocking, ready at once, pending, and with bytes that change hands.
fn call_until(probe: &Handle<dyn Probe>, stop: &Stop) {
    while !stop.is_told() {
        assert_eq!(probe.add(20, 22), Ok(42));
        assert_eq!(block_on(probe.add_async(20, 22)), Ok(42));
        assert_eq!(block_on(probe.pend(2)), Ok(2));
        assert_eq!(probe.bytes(16).as_deref(), Ok(&[7; 16][..]));
    }
}

fn update_in_three_ways(libraries: &Artifacts) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(libraries.library("probe-one"), directory.path(), "probe.so");
    let manager = Manager::new();
    let probe = load(&manager, "probe", &library(&path));
    let update = |path: &Path, version| {
        let reloaded = block_on(manager.reload("probe", &library(path))).expect("reloaded");
        assert_eq!((probe.version(), reloaded.old), (Ok(version), Unloaded::Unmapped));
    };

    let newer = copy(libraries.library("probe-two"), directory.path(), "probe-2.so");
    update(&newer, 2);
    fs::rename(newer, &path).expect("renamed over the old name");
    update(&path, 2);
    fs::copy(libraries.library("probe-one"), &path).expect("overwritten in place");
    assert_eq!(probe.version(), Ok(2), "it stays what it was until it is reloaded");
    update(&path, 1);
}

fn unload_one_unmapped_and_one_pinned(libraries: &Artifacts) {
    let plugin = library(libraries.library("probe-one"));
    let manager = Manager::new();
    assert_eq!(load(&manager, "unmapped", &plugin).add(1, 2), Ok(3));
    assert_eq!(block_on(manager.unload("unmapped")), Ok(Unloaded::Unmapped));

    let probe = load(&manager, "pinned", &plugin);
    let (touched, end) = (mpsc::channel(), mpsc::channel::<()>());
    let holder = thread::spawn(move || {
        touched.0.send(probe.touch_thread_local()).expect("somebody waits");
        let _ = end.1.recv();
    });
    touched.1.recv().expect("the thread touches it").expect("touched");
    let unloaded = block_on(manager.unload("pinned"));
    assert!(matches!(&unloaded, Ok(Unloaded::Pinned { by }) if by.len() == 1), "{unloaded:?}");
    drop(end.0);
    holder.join().expect("the thread ends, and the destructor runs in code that is still mapped");
}

fn load(manager: &Manager, name: &str, plugin: &NativePlugin) -> Handle<dyn Probe> {
    block_on(manager.load(name, plugin)).expect("loaded")
}

#[expect(unsafe_code, reason = "a host writes it once")]
fn library(path: &Path) -> NativePlugin {
    // SAFETY: these are the fixtures of this repository.
    unsafe { NativeBackend::new() }.library(path)
}

fn copy(from: &Path, directory: &Path, name: &str) -> PathBuf {
    let to = directory.join(name);
    fs::copy(from, &to).expect("a copy");
    to
}

/// The smallest executor there is.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
