//! What is left of a library after it was unloaded.

use std::fs;
use std::sync::mpsc;

use anyhow::{Context as _, ensure};
use holder::Holder;
use jackfield::{Handle, Interface, Unloaded};
use probe_interface::Probe;
use serde_json::{Value, json};

use crate::Host;

/// By how much the memory of this process grows when a library is loaded, called and unloaded `count` times.
pub(crate) fn unmapped(host: &Host, path: &str, count: u32) -> anyhow::Result<Value> {
    let cycle = || {
        host.probe(path)?.add(19, 23)?;
        let unloaded = host.runtime.block_on(host.manager.unload("probe"))?;
        ensure!(unloaded == Unloaded::Unmapped, "{unloaded:?}");
        Ok(())
    };
    // What is allocated once and for all is no growth.
    (0..WARM_UP).try_for_each(|_| cycle())?;
    let before = resident_kb()?;
    (0..count).try_for_each(|_| cycle())?;
    Ok(json!({"growth_kb": resident_kb()? - before}))
}

/// How much each of `count` small libraries keeps that a thread holds after it was unloaded.
pub(crate) fn pinned(host: &Host, path: &str, count: u32) -> anyhow::Result<Value> {
    kept(host, path, count, |holder: &Handle<dyn Holder>| Ok(holder.hold("a text")?))
}

/// The same of a library that uses all that an interface can have.
pub(crate) fn pinned_probe(host: &Host, path: &str, count: u32) -> anyhow::Result<Value> {
    kept(host, path, count, |probe: &Handle<dyn Probe>| Ok(probe.touch_thread_local().map(drop)?))
}

fn kept<I: Interface + ?Sized>(
    host: &Host,
    path: &str,
    count: u32,
    hold: fn(&Handle<I>) -> anyhow::Result<()>,
) -> anyhow::Result<Value> {
    let library = host.backend.library(path);
    let (plugins, requests) = mpsc::channel::<Handle<I>>();
    let (held, answers) = mpsc::channel();
    let holder = std::thread::spawn(move || requests.iter().try_for_each(|plugin| held.send(hold(&plugin))));
    let cycle = || {
        plugins.send(host.runtime.block_on(host.manager.load("held", &library))?)?;
        answers.recv()??;
        let unloaded = host.runtime.block_on(host.manager.unload("held"))?;
        ensure!(matches!(unloaded, Unloaded::Pinned { .. }), "{unloaded:?}");
        Ok(())
    };
    cycle()?;
    let before = resident_kb()?;
    (0..count).try_for_each(|_| cycle())?;
    let kept_kb = (resident_kb()? - before) / f64::from(count);
    let counted = jackfield::native::pinned_libraries();
    ensure!(counted == count as usize + 1, "{counted} libraries are counted as pinned");
    drop(plugins);
    holder.join().ok().context("the thread ends in code that is still mapped")??;
    Ok(json!({"kept_kb": kept_kb}))
}

/// The memory of this process that is in RAM.
fn resident_kb() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

const WARM_UP: u32 = 50;
