//! Measures what the manager adds: looking at directories, swaps under load, restarts, and its share of a call.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use jackfield::native::NativeBackend;
use jackfield::process::ProcessBackend;
use jackfield_benches::{Wire, print};

mod directory;
mod idle;
mod overhead;
mod restart;
mod swap;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let operands: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = match operands.as_slice() {
        ["idle", plugin, count] => idle::idle(&runtime, Path::new(plugin), count.parse()?)?,
        ["notice", library, count] => {
            directory::notice(&runtime, &native(), Path::new(library), count.parse()?)?
        }
        ["overhead-native", library, seconds] => {
            overhead::native(&runtime, &native(), library, duration(seconds)?)?
        }
        ["overhead-process", plugin, seconds] => {
            overhead::process(&runtime, OsStr::new(plugin), duration(seconds)?)?
        }
        ["restart", plugin, count] => restart::restart(&runtime, Path::new(plugin), count.parse()?)?,
        ["scan", library, count] => directory::scan(&runtime, &native(), Path::new(library), count.parse()?)?,
        ["swap-linked", calls] => {
            swap::native(&runtime, [&probe_one::PLUGIN, &probe_two::PLUGIN], calls.parse()?)?
        }
        ["swap-native", one, two, calls] => {
            let native = native();
            swap::native(&runtime, [&native.library(one), &native.library(two)], calls.parse()?)?
        }
        [switch, "swap", plugin, calls] => {
            let backend = ProcessBackend::start()?;
            let candidate = Wire::of_switch(switch)?.candidate(OsStr::new(plugin), &backend);
            runtime.block_on(swap::process(&*candidate, calls.parse()?))?
        }
        _ => bail!(
            "usage: (idle PLUGIN COUNT | notice LIBRARY COUNT | overhead-native LIBRARY SECONDS | \
             overhead-process PLUGIN SECONDS | restart PLUGIN COUNT | scan LIBRARY COUNT | \
             swap-linked CALLS | swap-native LIBRARY LIBRARY CALLS | \
             (-grpc|-multiplexed|-automtls|-netrpc|-gob|-json) swap PLUGIN CALLS)"
        ),
    };
    Ok(print(&result)?)
}

#[expect(unsafe_code, reason = "a host writes it once")]
fn native() -> NativeBackend {
    // SAFETY: the libraries that are measured are of this repository.
    unsafe { NativeBackend::new() }
}

fn duration(seconds: &str) -> anyhow::Result<Duration> {
    Ok(Duration::try_from_secs_f64(seconds.parse()?)?)
}

/// The sample below which this part of all lies.
fn quantile(mut samples: Vec<Duration>, part: f64) -> Duration {
    samples.sort();
    samples[(part * (samples.len() - 1) as f64) as usize]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
