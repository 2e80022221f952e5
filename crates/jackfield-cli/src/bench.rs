//! `jackfield bench`: how long the calls of one method take.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::bail;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::call::explain;
use crate::messages::Messages;
use crate::plugin::{Arguments, Callee, Plugin};
use crate::told::Told;

/// What `bench` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    plugin: Plugin,

    /// The method, such as `Get`; one without streams
    #[arg(value_name = "METHOD")]
    method: String,

    /// The request as a JSON object
    #[arg(default_value = "{}", value_name = "JSON")]
    request: String,

    /// How many calls are measured, one after the other, after a tenth as many that are not
    #[arg(long, default_value_t = 10_000, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    calls: u64,

    /// Prints one JSON object, in nanoseconds
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    told: Told,

    #[command(flatten)]
    arguments: Arguments,
}

const EXAMPLES: &str = "\
Examples:
  jackfield bench plugins/libkv.so Get '{\"key\":\"a\"}'
  jackfield bench --calls 1000 --json --handshake 1/KV_PLUGIN/hello ./kv Get '{\"key\":\"a\"}'
  jackfield bench --interface speaker.proto --stdio json ./speaker.py SayHi '{\"name\":\"bob\"}'

Every call crosses as a protobuf message, into a library too: a host that has the trait calls a library in nanoseconds.";

/// Measures.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let callee = options.plugin.callee(&options.arguments, &options.told).await?;
    let result = measure(&options, &callee).await;
    callee.unload().await;
    let measured = result?;
    let mut out = std::io::stdout().lock();
    if options.json {
        writeln!(out, "{}", json(&measured))?;
    } else {
        out.write_all(text(&measured).as_bytes())?;
    }
    Ok(())
}

async fn measure(options: &Options, callee: &Callee) -> anyhow::Result<Histogram<u64>> {
    let (interface, method) = callee.method(&options.method)?;
    if method.streams.requests || method.streams.responses {
        bail!("`{}` has a stream, which takes as long as its ends like", method.name);
    }
    let mut requests = Messages::new(interface, method)?.requests(&options.request)?;
    let (Some(request), None) = (requests.pop(), requests.pop()) else { bail!("expected one request") };
    let handle = callee.handle(interface).await?;
    let mut measured = Histogram::new_with_max(LONGEST, 3)?;
    for index in 0..options.calls + options.calls / 10 {
        let start = Instant::now();
        handle.call(&method.name, request.clone()).await.map_err(explain)?;
        if index >= options.calls / 10 {
            measured.saturating_record(u64::try_from(start.elapsed().as_nanos())?);
        }
    }
    Ok(measured)
}

fn json(measured: &Histogram<u64>) -> Value {
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|share| measured.value_at_quantile(share));
    json!({
        "calls": measured.len(), "mean": measured.mean().round(), "min": measured.min(), "p50": p50, "p90": p90,
        "p99": p99, "p99.9": p999, "max": measured.max(),
    })
}

/// A bar for each span of times, ten spans for each power of ten, and the usual shares below.
fn text(measured: &Histogram<u64>) -> String {
    let bars: Vec<(u64, u64)> = measured
        .iter_log(measured.min().max(1), 1.26)
        .map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
        .skip_while(|(_, count)| *count == 0)
        .collect();
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let mut text = format!("{} calls, one after the other\n\n", measured.len());
    for (up_to, count) in bars {
        // Whatever was there can be seen.
        let width = (count * WIDTH).div_ceil(most) as usize;
        let bar = "█".repeat(width);
        let line = format!("  up to {:>9} {count:>10}  {bar}", duration(up_to + 1));
        text += &format!("{}\n", line.trim_end());
    }
    let shares = [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
    let shares =
        shares.map(|(name, share)| format!("{name} {}", duration(measured.value_at_quantile(share))));
    text + "\n  " + &shares.join("   ") + "\n"
}

fn duration(nanoseconds: u64) -> String {
    format!("{:.1?}", Duration::from_nanos(nanoseconds))
}

/// What counts as no longer than this: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;
/// How long the longest bar is.
const WIDTH: u64 = 40;
