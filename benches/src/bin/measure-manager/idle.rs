//! What a host costs while nothing happens.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::{Directory, Event, Manager, State};
use jackfield_benches::running_ns;
use kv_interface::Kv;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// `count` programs in a directory that is watched: how much of a core the host takes for a minute in which nobody calls.
pub(crate) fn idle(runtime: &Runtime, plugin: &Path, count: usize) -> anyhow::Result<Value> {
    let directory = tempfile::tempdir()?;
    let backend = ProcessBackend::start()?;
    fs::copy(plugin, directory.path().join(".plugin"))?;
    for number in 0..count {
        fs::hard_link(directory.path().join(".plugin"), directory.path().join(format!("kv-{number}")))?;
    }
    let offered = backend.clone();
    let source = Directory::new(directory.path()).programs(move |path| {
        let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
        ProcessPlugin::new(path).handshake(handshake).backend(&offered)
    });
    let manager = Manager::builder().event_capacity(4 * count).build();
    let mut events = manager.events();
    let watch = manager.watch::<dyn Kv>(source)?;
    let mut online = 0;
    while online < count {
        let event = events.recv_timeout(Duration::from_secs(60)).context("they do not come online")?;
        let Event::Changed { plugin, state } = event else { continue };
        ensure!(!matches!(state, State::Failed { .. }), "{plugin}: {state:?}");
        online += usize::from(matches!(state, State::Online { .. }));
    }
    std::thread::sleep(SETTLE);
    let (began, ran) = (Instant::now(), running_ns()?);
    std::thread::sleep(MINUTE);
    let busy = running_ns()?.saturating_sub(ran) as f64 / began.elapsed().as_nanos() as f64;
    runtime.block_on(watch.stop());
    for name in manager.names() {
        runtime.block_on(manager.unload(name.as_str()))?;
    }
    Ok(json!({"busy_percent": busy * 100.0}))
}

const SETTLE: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);
