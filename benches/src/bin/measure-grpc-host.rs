//! Measures the plugin named by `BENCH_PLUGIN` from our host.
//!
//! It takes the arguments of the Go peer `grpc-host`, such as `-netrpc` for another wire than gRPC, and `-per-runtime` for
//! a connection on the caller's runtime.

use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use jackfield::netrpc::NetRpc;
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::stdio::{StdioCodec, StdioPlugin};
use jackfield::{Candidate, Handle, Manager};
use jackfield_benches::{Client, Start, print, soak, started, unary};
use kv_interface::Kv;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let path = std::env::var_os("BENCH_PLUGIN").context("BENCH_PLUGIN must hold the path of the plugin")?;
    let backend = ProcessBackend::start()?;
    let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
    let mut plugin = ProcessPlugin::new(&path).handshake(handshake).backend(&backend);
    let talking = |wire, codec| {
        let plugin = StdioPlugin::new(&path).args([wire]).codec(codec).backend(&backend);
        Some(Box::new(plugin) as Box<dyn Candidate>)
    };
    let mut other = None;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (switches, operands): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    for switch in switches {
        plugin = match switch {
            "-automtls" => plugin.auto_mtls(),
            "-gob" => {
                other = talking("gob", StdioCodec::Gob);
                plugin
            }
            "-json" => {
                other = talking("json", StdioCodec::Json);
                plugin
            }
            "-netrpc" => plugin.args(["netrpc"]).net_rpc(NetRpc::new("kv").map_arguments("Put")),
            "-per-runtime" => plugin.connection_per_runtime(),
            other => bail!("unknown switch `{other}`"),
        };
    }
    let manager = Manager::new();
    let result = match operands.as_slice() {
        ["unary", seconds, key, concurrency] => {
            let kv: Handle<dyn Kv> = manager.load("kv", other.as_deref().unwrap_or(&plugin)).await?;
            let result = unary(&kv, seconds.parse()?, key, concurrency.parse()?).await;
            manager.unload("kv").await?;
            result?
        }
        ["soak", count] => {
            let kv: Handle<dyn Kv> = manager.load("kv", other.as_deref().unwrap_or(&plugin)).await?;
            let result = soak(&kv, count.parse()?).await;
            manager.unload("kv").await?;
            result?
        }
        ["start", count] => start(&manager, &plugin, count.parse()?).await?,
        _ => bail!(
            "usage: [-automtls] [-per-runtime] [-netrpc|-gob|-json] (unary SECONDS KEY CONCURRENCY | soak N | start N)"
        ),
    };
    Ok(print(&result)?)
}

/// The unloading is kept out of the measured time.
async fn start(manager: &Manager, plugin: &ProcessPlugin, count: usize) -> anyhow::Result<serde_json::Value> {
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
