//! How soon a plugin that was killed answers again.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::{Directory, Event, Events, Handle, Manager, Restart, State};
use jackfield_benches::{Client, Wire, children_of};
use kv_interface::Kv;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{milliseconds, quantile};

/// From the kill to the next answer, beside a start from the spawn to the first answer. The first restart has no pause.
pub(crate) fn restart(runtime: &Runtime, plugin: &Path, count: usize) -> anyhow::Result<Value> {
    let directory = tempfile::tempdir()?;
    let program = directory.path().join("kv");
    fs::copy(plugin, &program)?;
    let backend = ProcessBackend::start()?;
    let candidate = Wire::Grpc.candidate(program.as_os_str(), &backend);
    let manager = Manager::new();
    let mut starts = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let kv: Handle<dyn Kv> = runtime.block_on(manager.load("kv", &*candidate))?;
        runtime.block_on(Client::get(&kv, "16".to_owned()))?;
        starts.push(began.elapsed());
        runtime.block_on(manager.unload("kv"))?;
    }
    let restarts = kill(runtime, &manager, (&backend, directory.path(), &program), count)?;
    let (start, restart) = (quantile(starts, 0.5), quantile(restarts, 0.5));
    Ok(json!({"start_ms": milliseconds(start), "restart_ms": milliseconds(restart)}))
}

fn kill(
    runtime: &Runtime,
    manager: &Manager,
    (backend, directory, program): (&ProcessBackend, &Path, &Path),
    count: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut restart = Restart::default();
    (restart.first_delay, restart.longest_delay, restart.failures) =
        (Duration::ZERO, Duration::ZERO, u32::MAX);
    let backend = backend.clone();
    let source =
        Directory::new(directory).settle(Duration::from_millis(1)).restart(restart).programs(move |path| {
            let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
            ProcessPlugin::new(path).handshake(handshake).backend(&backend)
        });
    let mut events = manager.events();
    let watch = manager.watch::<dyn Kv>(source)?;
    loop {
        match events.recv_timeout(Duration::from_secs(10)).context("it does not come online")? {
            Event::Changed { state: State::Online { .. }, .. } => break,
            Event::Changed { state: State::Failed { reason }, .. } => bail!("{reason}"),
            _ => {}
        }
    }
    let kv: Handle<dyn Kv> = manager.get("kv")?;
    let mut samples = Vec::new();
    for _ in 0..count {
        runtime.block_on(Client::get(&kv, "16".to_owned()))?;
        let [child] = children_of(program)?[..] else { bail!("expected one process of the plugin") };
        let child = Pid::from_raw(child.try_into()?).context("a process has the number 0")?;
        let began = Instant::now();
        kill_process(child, Signal::KILL)?;
        until_online(&mut events)?;
        runtime.block_on(Client::get(&kv, "16".to_owned()))?;
        samples.push(began.elapsed());
    }
    runtime.block_on(watch.stop());
    runtime.block_on(manager.unload("kv"))?;
    Ok(samples)
}

fn until_online(events: &mut Events) -> anyhow::Result<()> {
    loop {
        let event = events.recv_timeout(Duration::from_secs(10)).context("it does not come online")?;
        if matches!(event, Event::Changed { state: State::Online { .. }, .. }) {
            return Ok(());
        }
    }
}
