//! A directory of plugins of every kind, under the calls of eight tasks, while files are swapped, corrupted and removed, processes
//! are killed and stopped, and the host's log goes to a full disk.
//!
//! Each call has to answer rightly or to fail with an error of the documented kinds, before its deadline; after each
//! round all plugins have to serve again; and neither memory nor descriptors may grow from round to round.

#![expect(clippy::print_stdout, reason = "it tells what it has done")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;

mod calls;
mod chaos;
mod footprint;
mod host;
mod random;

use chaos::Chaos;
use footprint::Footprint;
use host::Host;
use random::Random;

/// Lets everything happen to plugins that are being called.
#[derive(Debug, Parser)]
struct Options {
    /// How long, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// From which number the things that happen are drawn. What comes of them depends on the machine, too.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    log_to_a_full_disk();
    tokio::select! {
        done = soak(&options) => done.map(|()| ExitCode::SUCCESS),
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
    }
}

async fn soak(options: &Options) -> anyhow::Result<()> {
    let host = Host::start()?;
    host.wait_until_online().await?;
    let (mut random, calls) = (Random::new(options.seed), calls::begin(&host, options.seed));
    let round = Duration::from_secs_f64(options.seconds as f64 / ROUNDS as f64);
    let (mut footprints, mut events) = (Vec::new(), host.manager.events());
    let mut done = chaos::Done::default();
    for number in 1..=ROUNDS {
        let mut chaos = Chaos::new(&host, &mut random);
        chaos.rage(round).await?;
        done.add(&chaos.calm().await?);
        host.wait_until_online().await?;
        let footprint = Footprint::settled(&mut events, footprints.first()).await?;
        println!("round {number} of {ROUNDS}: {}, {footprint}", calls.seen());
        footprints.push(footprint);
    }
    let seen = calls.end().await?;
    println!("{done}\n{seen}");
    seen.check()?;
    footprints[footprints.len() - 1].check_against(&footprints[0])?;
    host.stop().await?;
    ensure!(seen.answered > 0, "no call was answered");
    println!("nothing is left");
    Ok(())
}

/// Every line of the log is one that cannot be written.
fn log_to_a_full_disk() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has one");
    // It would tell on stderr of each line.
    tracing_subscriber::fmt().with_writer(full).log_internal_errors(false).init();
}

/// The first one lets everything come to its size.
const ROUNDS: u32 = 5;
