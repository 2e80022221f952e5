//! Reads so many chunks from the plugin named by `BENCH_PLUGIN`, and prints how fast they came.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use futures_util::TryStreamExt as _;
use jackfield::process::{Handshake, ProcessPlugin};
use jackfield::{Handle, Manager};
use jackfield_benches::{CHUNK, Chunks, print};
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let path = std::env::var_os("BENCH_PLUGIN").context("BENCH_PLUGIN must hold the path of the plugin")?;
    let count = std::env::args().nth(1).context("usage: measure-stream-host CHUNKS")?.parse()?;
    let plugin = ProcessPlugin::new(path).handshake(Handshake::new(1, "WKY_PLUGIN", "wukaiying"));
    let manager = Manager::new();
    let chunks: Handle<dyn Chunks> = manager.load("chunks", &plugin).await?;
    // Until windows and heaps have settled.
    download(&chunks, count / 10).await?;
    let began = Instant::now();
    download(&chunks, count).await?;
    let size = count as f64 * CHUNK as f64;
    let speed = size / 1e6 / began.elapsed().as_secs_f64();
    manager.unload("chunks").await?;
    Ok(print(&json!({"mb_per_second": speed}))?)
}

async fn download(chunks: &Handle<dyn Chunks>, count: u64) -> anyhow::Result<()> {
    let mut stream = chunks.download(count).await?;
    let mut size = 0;
    while let Some(chunk) = stream.try_next().await? {
        size += chunk.len() as u64;
    }
    ensure!(size == count * CHUNK as u64, "expected {count} chunks, got {size} bytes");
    Ok(())
}
