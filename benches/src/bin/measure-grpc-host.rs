//! Measures the plugin named by `BENCH_PLUGIN` from our host.
//!
//! It takes the arguments of the Go peer `grpc-host`, such as `-netrpc` for another wire than gRPC, and `-per-runtime` for
//! a connection on the caller's runtime.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use jackfield::process::ProcessBackend;
use jackfield::{Candidate, Handle, Manager};
use jackfield_benches::{
    Client, Start, Wire, children_of, print, resident_kb, running_ns, soak, started, unary,
};
use kv_interface::Kv;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let path = std::env::var_os("BENCH_PLUGIN").context("BENCH_PLUGIN must hold the path of the plugin")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (switches, operands): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    let wire = match switches.as_slice() {
        [] => Wire::Grpc,
        [switch] => Wire::of_switch(switch)?,
        _ => bail!("expected one switch at most"),
    };
    let backend = ProcessBackend::start()?;
    let plugin = wire.candidate(&path, &backend);
    let (manager, plugin) = (Manager::new(), &*plugin);
    let result = match operands.as_slice() {
        ["death", count] => death(&manager, plugin, path.as_ref(), count.parse()?).await?,
        ["many", count] => many(&manager, plugin, count.parse()?).await?,
        ["memory"] => memory(&manager, plugin, path.as_ref()).await?,
        ["silent", seconds] => silent(&manager, plugin, Duration::from_secs_f64(seconds.parse()?)).await?,
        ["soak", count] => {
            let kv: Handle<dyn Kv> = manager.load("kv", plugin).await?;
            let result = soak(&kv, count.parse()?).await;
            manager.unload("kv").await?;
            result?
        }
        ["start", count] => start(&manager, plugin, count.parse()?).await?,
        ["unary", seconds, key, concurrency] => {
            let kv: Handle<dyn Kv> = manager.load("kv", plugin).await?;
            let result = unary(&kv, seconds.parse()?, key, concurrency.parse()?).await;
            manager.unload("kv").await?;
            result?
        }
        _ => bail!(
            "usage: [-automtls|-per-runtime|-(netrpc|gob|json)[-on-runtime]] (death N | many N | memory | \
             silent SECONDS | soak N | start N | unary SECONDS KEY CONCURRENCY)"
        ),
    };
    Ok(print(&result)?)
}

/// The unloading is kept out of the measured time.
async fn start(manager: &Manager, plugin: &dyn Candidate, count: usize) -> anyhow::Result<Value> {
    let mut start = Start::default();
    for _ in 0..count {
        let began = Instant::now();
        let kv: Handle<dyn Kv> = manager.load("kv", plugin).await?;
        let value = Client::get(&kv, "16".to_owned()).await?;
        start.add(began);
        ensure!(value.len() == 16, "the plugin answers with {} bytes", value.len());
        manager.unload("kv").await?;
    }
    started(start)
}

/// The resident memory of a plugin that has answered once.
async fn memory(manager: &Manager, plugin: &dyn Candidate, path: &Path) -> anyhow::Result<Value> {
    let kv: Handle<dyn Kv> = manager.load("kv", plugin).await?;
    Client::get(&kv, "16".to_owned()).await?;
    tokio::time::sleep(SETTLE).await;
    let memory = resident_kb(the_child(path)?.as_raw_nonzero().get().try_into()?)?;
    manager.unload("kv").await?;
    Ok(json!({"memory_kb": memory}))
}

/// Whether a connection on which nobody says anything for so long is there afterwards.
async fn silent(manager: &Manager, plugin: &dyn Candidate, silence: Duration) -> anyhow::Result<Value> {
    let kv: Handle<dyn Kv> = manager.load("kv", plugin).await?;
    Client::get(&kv, "16".to_owned()).await?;
    tokio::time::sleep(silence).await;
    Client::get(&kv, "16".to_owned()).await?;
    manager.unload("kv").await?;
    Ok(json!({"silent_seconds": silence.as_secs_f64()}))
}

/// How long after its plugin was killed a call that is in flight fails: the plugin is stopped, asked, and killed.
async fn death(
    manager: &Manager,
    plugin: &dyn Candidate,
    path: &Path,
    count: usize,
) -> anyhow::Result<Value> {
    let mut samples = Vec::new();
    for _ in 0..count {
        let kv: Handle<dyn Kv> = manager.load("kv", plugin).await?;
        Client::get(&kv, "16".to_owned()).await?;
        let child = the_child(path)?;
        kill_process(child, Signal::STOP)?;
        let mut call = pin!(Client::get(&kv, "16".to_owned()));
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        ensure!(polled.is_pending(), "a plugin that was stopped has answered");
        // Until the request has left.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        kill_process(child, Signal::KILL)?;
        ensure!(call.await.is_err(), "a plugin that was killed has answered");
        samples.push(began.elapsed());
        manager.unload("kv").await?;
    }
    samples.sort();
    let quantile = |part: f64| samples[(part * (samples.len() - 1) as f64) as usize].as_secs_f64() * 1e3;
    Ok(json!({"p50_ms": quantile(0.5), "p99_ms": quantile(0.99)}))
}

/// Many plugins of one host: how long until all have answered, what the host holds then, and how busy it is while nobody calls.
async fn many(manager: &Manager, plugin: &dyn Candidate, count: usize) -> anyhow::Result<Value> {
    let names: Vec<String> = (0..count).map(|number| format!("kv-{number}")).collect();
    let began = Instant::now();
    for name in &names {
        let kv: Handle<dyn Kv> = manager.load(name, plugin).await?;
        Client::get(&kv, "16".to_owned()).await?;
    }
    let started = began.elapsed();
    tokio::time::sleep(SETTLE).await;
    let (began, ran) = (Instant::now(), running_ns()?);
    tokio::time::sleep(IDLE).await;
    let busy = running_ns()?.saturating_sub(ran) as f64 / began.elapsed().as_nanos() as f64;
    let memory = resident_kb(std::process::id())?;
    for name in &names {
        manager.unload(name).await?;
    }
    Ok(json!({"started_ms": started.as_secs_f64() * 1e3, "memory_kb": memory, "busy_percent": busy * 100.0}))
}

fn the_child(program: &Path) -> anyhow::Result<Pid> {
    let [child] = children_of(program)?[..] else { bail!("expected one process of the plugin") };
    Pid::from_raw(child.try_into()?).context("a process has the number 0")
}

/// For what is left to do after a start.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a host is watched that does nothing.
const IDLE: Duration = Duration::from_secs(5);
