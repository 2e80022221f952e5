//! Lets a number of callers ask a plugin in another process for a while.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jackfield::{Bytes, Handle};
use kv_interface::Kv;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::generated::kv::GetRequest;
use crate::generated::kv::kv_client::KvClient;

/// One end of a key-value service. Clones share the connection.
pub trait Client: Clone + Send + 'static {
    /// The value under a key.
    fn get(&self, key: String) -> impl Future<Output = anyhow::Result<Bytes>> + Send;
}

impl Client for Handle<dyn Kv> {
    async fn get(&self, key: String) -> anyhow::Result<Bytes> {
        Ok(Kv::get(self, key).await?)
    }
}

impl Client for KvClient<Channel> {
    async fn get(&self, key: String) -> anyhow::Result<Bytes> {
        Ok(Self::get(&mut self.clone(), GetRequest { key }).await?.into_inner().value)
    }
}

/// How long one get takes while `concurrency` callers ask at once for `seconds`.
///
/// # Errors
///
/// A call fails.
pub async fn unary(
    client: &impl Client,
    seconds: f64,
    key: &str,
    concurrency: usize,
) -> anyhow::Result<Value> {
    burst(client, WARM_UP, key, concurrency).await?;
    let (mut latencies, elapsed) = burst(client, Duration::from_secs_f64(seconds), key, concurrency).await?;
    latencies.sort();
    let quantile = |part: f64| microseconds(latencies[(part * (latencies.len() - 1) as f64) as usize]);
    Ok(json!({
        "calls": latencies.len(),
        "seconds": elapsed.as_secs_f64(),
        "mean_us": latencies.iter().map(|latency| microseconds(*latency)).sum::<f64>() / latencies.len() as f64,
        "p50_us": quantile(0.50),
        "p99_us": quantile(0.99),
    }))
}

/// A call that is in flight when the time is over still counts, which is why the time that really passed is returned.
async fn burst(
    client: &impl Client,
    duration: Duration,
    key: &str,
    concurrency: usize,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        callers.spawn(ask(client.clone(), key.to_owned(), began + duration));
    }
    let mut all = Vec::new();
    while let Some(latencies) = callers.join_next().await {
        all.extend(latencies.context("a caller panicked")??);
    }
    ensure!(!all.is_empty(), "expected at least one caller");
    Ok((all, began.elapsed()))
}

async fn ask(client: impl Client, key: String, deadline: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 14);
    // The end of one call is the beginning of the next: one look at the clock per call.
    let mut before = Instant::now();
    loop {
        client.get(key.clone()).await?;
        let after = Instant::now();
        latencies.push(after - before);
        if after >= deadline {
            return Ok(latencies);
        }
        before = after;
    }
}

/// How long it took from the spawn to the first answer, start after start.
#[derive(Clone, Debug, Default)]
pub struct Start {
    samples: Vec<Duration>,
}

impl Start {
    /// Adds a start that began then and was answered now.
    pub fn add(&mut self, began: Instant) {
        self.samples.push(began.elapsed());
    }
}

/// What the starts come to.
///
/// # Errors
///
/// There was none.
pub fn started(start: Start) -> anyhow::Result<Value> {
    let mut samples = start.samples;
    let first = *samples.first().context("expected at least one start")?;
    samples.sort();
    let p50 = samples[(samples.len() - 1) / 2];
    Ok(json!({"first_us": microseconds(first), "p50_us": microseconds(p50)}))
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

/// As long as the Go peer's.
const WARM_UP: Duration = Duration::from_millis(200);
