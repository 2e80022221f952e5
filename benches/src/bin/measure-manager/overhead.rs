//! What a call costs more through the manager than without one.

use std::ffi::OsStr;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jackfield::native::NativeBackend;
use jackfield::process::ProcessBackend;
use jackfield::{Candidate, Context, Handle, Instance, Interface, Load, Manager};
use jackfield_benches::{Client, Wire, alternate};
use jackfield_core::{Description, Slot};
use kv_interface::Kv;
use probe_interface::Probe;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A blocking call into a library.
pub(crate) fn native(
    runtime: &Runtime,
    native: &NativeBackend,
    library: &str,
    duration: Duration,
) -> anyhow::Result<Value> {
    let (manager, library) = (Manager::new(), native.library(library));
    let managed: Handle<dyn Probe> = runtime.block_on(manager.load("managed", &library))?;
    let (bare, _instance) = runtime.block_on(bare::<dyn Probe>(&library))?;
    let calls = |probe: &Handle<dyn Probe>, count| {
        for number in 0..count {
            black_box(probe.add(black_box(number as i64), 2).is_ok());
        }
    };
    let (ours, without) = alternate(duration, |count| calls(&managed, count), |count| calls(&bare, count));
    Ok(json!({"managed_ns": ours, "bare_ns": without, "added_ns": ours - without}))
}

/// A call to a process. Both are the same program, started twice.
pub(crate) fn process(runtime: &Runtime, plugin: &OsStr, duration: Duration) -> anyhow::Result<Value> {
    let backend = ProcessBackend::start()?;
    let candidate = Wire::Grpc.candidate(plugin, &backend);
    let manager = Manager::new();
    let managed: Handle<dyn Kv> = runtime.block_on(manager.load("managed", &*candidate))?;
    let (bare, instance) = runtime.block_on(bare::<dyn Kv>(&*candidate))?;
    let calls = |kv: &Handle<dyn Kv>, count| {
        runtime.block_on(async {
            for _ in 0..count {
                assert_eq!(Client::get(kv, "16".to_owned()).await.map_or(0, |value| value.len()), 16);
            }
        });
    };
    let (ours, without) = alternate(duration, |count| calls(&managed, count), |count| calls(&bare, count));
    runtime.block_on(manager.unload("managed"))?;
    runtime.block_on(instance.unload(Duration::from_secs(2)));
    Ok(json!({"managed_us": ours / 1e3, "bare_us": without / 1e3}))
}

/// A handle to a plugin that no manager knows.
async fn bare<I: Interface + ?Sized>(
    candidate: &dyn Candidate,
) -> anyhow::Result<(Handle<I>, Box<dyn Instance>)> {
    let load = Load::new(Context::new("bare", []), Description::of::<I>());
    let instance = candidate.load(&load).await?;
    let slot = Arc::new(Slot::new::<I>(instance.lane()));
    Ok((slot.handle().context("the slot is of another interface")?, instance))
}
