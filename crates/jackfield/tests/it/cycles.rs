//! Loading and unloading over and over leaves nothing behind; what stays is counted.

use std::fs;
use std::sync::mpsc;
use std::thread;

use jackfield::native::{NativePlugin, pinned_libraries};
use jackfield::{Manager, Unloaded};
use jackfield_fixtures::{Build, Profile};
use probe_interface::Probe;
use reactor_interface::Reactor;

use crate::alone::run_alone;
use crate::support::{block_on, native};

/// A library as one would ship it: one for tests has 20 MB of symbols, which every load would copy and digest.
fn shipped(package: &str) -> NativePlugin {
    let build = Build::new([package]).no_default_features().profile(Profile::Release);
    native().library(jackfield_fixtures::build(&build).expect("it builds").library(package))
}

#[test]
fn a_thousand_cycles_leave_nothing() {
    if let Some(output) = run_alone("cycles::a_thousand_cycles_leave_nothing") {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (manager, native) = (Manager::new(), shipped("probe-one"));
    let cycle = || {
        let probe = block_on(manager.load::<dyn Probe>("cycle", &native)).expect("loaded");
        assert_eq!(probe.add(19, 23), Ok(42));
        // This thread is alive at the unload, so the thread-local is touched on another one.
        thread::spawn(move || probe.touch_thread_local()).join().expect("no panic").expect("touched");
        assert_eq!(block_on(manager.unload("cycle")), Ok(Unloaded::Unmapped));
    };
    let growth = growth(cycle);
    assert!(growth < 1 << 20, "grown by {growth} bytes in 1000 cycles");
    assert_eq!(pinned_libraries(), 0);
}

#[test]
fn a_thousand_cycles_with_tokio_tracing_and_a_thread_local_leave_little() {
    let test = "cycles::a_thousand_cycles_with_tokio_tracing_and_a_thread_local_leave_little";
    if let Some(output) = run_alone(test) {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let (manager, native) = (Manager::new(), shipped("reactor"));
    let cycle = || {
        block_on(async {
            let reactor = manager.load::<dyn Reactor>("cycle", &native).await.expect("loaded");
            assert_eq!(reactor.echo("again".to_owned()).await, Ok("again".to_owned()));
            reactor.sleep(0).await.expect("it sleeps");
            // This thread is alive at the unload, so the thread-local is touched on another one.
            thread::spawn(move || reactor.touch()).join().expect("no panic").expect("touched");
            assert_eq!(manager.unload("cycle").await, Ok(Unloaded::Unmapped));
        });
    };
    // The `tracing` of each load keeps its subscriber for ever, and the list of its subscribers: some 200 bytes.
    let growth = growth(cycle);
    assert!(growth < 1 << 20, "grown by {growth} bytes in 1000 cycles");
    assert_eq!(pinned_libraries(), 0);
}

#[test]
fn pinned_libraries_are_counted_and_small() {
    if let Some(output) = run_alone("cycles::pinned_libraries_are_counted_and_small") {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (manager, native) = (Manager::new(), shipped("probe-one"));
    let mut holders = Vec::new();
    let mut pin = || {
        let probe = block_on(manager.load::<dyn Probe>("pinned", &native)).expect("loaded");
        let (touched, touch) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let holder = thread::spawn(move || {
            touched.send(probe.touch_thread_local()).expect("the test waits");
            let _ = ended.recv();
        });
        touch.recv().expect("it is called").expect("touched");
        let unloaded = block_on(manager.unload("pinned"));
        assert!(matches!(unloaded, Ok(Unloaded::Pinned { .. })), "{unloaded:?}");
        holders.push((holder, end));
    };
    (0..20).for_each(|_| pin());
    let before = resident();
    (0..100).for_each(|_| pin());
    let each = resident().saturating_sub(before) / 100;
    let size = fs::metadata(native.path()).expect("a file").len();
    eprintln!("{} KiB for each pinned library of {} KiB", each / 1024, size / 1024);
    // With the stack of the thread that pins it.
    assert!(each <= size, "{each} bytes for each library of {size} bytes");
    assert_eq!(pinned_libraries(), 120);
    for (holder, end) in holders {
        drop(end);
        holder.join().expect("it ends without a crash");
    }
    // The loader unmaps them with the next library that is unloaded.
    block_on(manager.load::<dyn Probe>("last", &native)).expect("loaded");
    assert_eq!(block_on(manager.unload("last")), Ok(Unloaded::Unmapped));
    assert_eq!(pinned_libraries(), 0);
}

/// By how many bytes the memory of this process grows in 1,000 cycles.
fn growth(cycle: impl Fn()) -> u64 {
    // The allocator keeps what it has once had, up to some measure.
    (0..200).for_each(|_| cycle());
    let before = resident();
    (0..1000).for_each(|_| cycle());
    let growth = resident().saturating_sub(before);
    eprintln!("grown by {} KiB in 1000 cycles", growth / 1024);
    growth
}

/// How many bytes of this process are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a Linux machine");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says so");
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kibibytes * 1024
}
