//! Makes very many calls over one connection, and sees what they leave behind.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::burst::Client;
use crate::processes::{children, resident_kb};

/// By how much this process and the plugin's have grown over `count` calls of one connection, 16 at once. The first
/// tenth of the calls lets both sides come to their size.
///
/// # Errors
///
/// A call fails.
pub async fn soak(client: &impl Client, count: u64) -> anyhow::Result<Value> {
    calls(client, count / 10).await?;
    let before = Footprint::of_both()?;
    calls(client, count - count / 10).await?;
    let after = Footprint::of_both()?;
    Ok(json!({
        "calls": count,
        "memory_kb": after.memory_kb,
        "growth_kb": after.memory_kb.saturating_sub(before.memory_kb),
        "descriptors": after.descriptors,
        "growth_descriptors": after.descriptors.saturating_sub(before.descriptors),
    }))
}

async fn calls(client: &impl Client, count: u64) -> anyhow::Result<()> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let client = client.clone();
        callers.spawn(async move {
            for _ in 0..count / CALLERS {
                client.get("16".to_owned()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(made) = callers.join_next().await {
        made.context("a caller panicked")??;
    }
    Ok(())
}

/// What this process and its children hold together.
struct Footprint {
    memory_kb: u64,
    descriptors: u64,
}

impl Footprint {
    fn of_both() -> anyhow::Result<Self> {
        let mut sum = Self { memory_kb: 0, descriptors: 0 };
        for pid in [std::process::id()].into_iter().chain(children()?) {
            sum.memory_kb += resident_kb(pid)?;
            sum.descriptors += fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        }
        Ok(sum)
    }
}

const CALLERS: u64 = 16;
