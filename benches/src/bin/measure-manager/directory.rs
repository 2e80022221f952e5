//! Directories: how long a look takes, and how soon a new file is online.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jackfield::native::NativeBackend;
use jackfield::{Directory, Event, Manager, State};
use kv_interface::Kv;
use probe_interface::Probe;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{milliseconds, quantile};

/// The first look at `count` candidates, and one more at the same. A third are links to a library, a third programs, a third
/// manifests; none is loaded, since nothing ever settles.
pub(crate) fn scan(
    runtime: &Runtime,
    native: &NativeBackend,
    library: &Path,
    count: usize,
) -> anyhow::Result<Value> {
    let directory = tempfile::tempdir()?;
    fill(directory.path(), library, count)?;
    let native = native.clone();
    let source = Directory::new(directory.path())
        .libraries(move |path| native.library(path))
        .settle(Duration::from_secs(3600));
    let manager = Manager::new();
    let began = Instant::now();
    let watch = manager.watch::<dyn Kv>(source)?;
    runtime.block_on(watch.look())?;
    let cold = began.elapsed();
    let mut again = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        runtime.block_on(watch.look())?;
        again.push(began.elapsed());
    }
    ensure!(watch.looks() > LOOKS, "it did not look");
    runtime.block_on(watch.stop());
    Ok(json!({"cold_ms": milliseconds(cold), "again_ms": milliseconds(quantile(again, 0.5))}))
}

fn fill(directory: &Path, library: &Path, count: usize) -> anyhow::Result<()> {
    let (copy, program) = (directory.join(".library"), directory.join(".program"));
    fs::copy(library, &copy)?;
    fs::write(&program, "#!/bin/sh\nexit 1\n")?;
    fs::set_permissions(&program, fs::metadata(library)?.permissions())?;
    for number in 0..count {
        match number % 3 {
            0 => fs::hard_link(&copy, directory.join(format!("libplugin-{number}.so")))?,
            1 => fs::hard_link(&program, directory.join(format!("plugin-{number}")))?,
            _ => fs::write(
                directory.join(format!("plugin-{number}.plugin.toml")),
                "command = \"./.program\"\n",
            )?,
        }
    }
    Ok(())
}

/// How long after it has settled a library is online that was renamed into the directory.
pub(crate) fn notice(
    runtime: &Runtime,
    native: &NativeBackend,
    library: &Path,
    count: usize,
) -> anyhow::Result<Value> {
    let directory = tempfile::tempdir()?;
    let manager = Manager::new();
    let native = native.clone();
    let source = Directory::new(directory.path()).libraries(move |path| native.library(path)).settle(SETTLE);
    let mut events = manager.events();
    let watch = manager.watch::<dyn Probe>(source)?;
    runtime.block_on(watch.look())?;
    let mut samples = Vec::new();
    for number in 0..count {
        let hidden = directory.path().join(".new");
        fs::copy(library, &hidden)?;
        let name = format!("probe-{number}");
        let began = Instant::now();
        fs::rename(&hidden, directory.path().join(format!("lib{name}.so")))?;
        loop {
            let event = events.recv_timeout(PATIENCE).context("the library does not come online")?;
            let Event::Changed { plugin, state } = event else { continue };
            ensure!(!matches!(state, State::Failed { .. }), "{plugin}: {state:?}");
            if plugin.as_str() == name && matches!(state, State::Online { .. }) {
                break;
            }
        }
        samples.push(began.elapsed().saturating_sub(SETTLE));
    }
    runtime.block_on(watch.stop());
    for name in manager.names() {
        runtime.block_on(manager.unload(name.as_str()))?;
    }
    Ok(json!({"p50_ms": milliseconds(quantile(samples, 0.5))}))
}

const LOOKS: u64 = 20;
const SETTLE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);
