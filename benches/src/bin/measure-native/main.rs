//! Measures a shared library that is loaded into this process.

use std::path::Path;
use std::time::Duration;

use adder::Adder;
use anyhow::bail;
use jackfield::native::NativeBackend;
use jackfield::symbols::Plugin;
use jackfield::{Handle, Manager};
use jackfield_benches::print;
use probe_interface::Probe;
use tokio::runtime::Runtime;

use crate::calls::Buffer;

mod calls;
mod symbols;
mod unload;
mod update;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let operands: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let host = Host::new()?;
    let result = match operands.as_slice() {
        ["async", probe, seconds] => calls::asynchronous(&host.probe(probe)?, duration(seconds)?)?,
        ["call", probe, seconds] => calls::blocking(&host.probe(probe)?, duration(seconds)?)?,
        ["contended", probe, seconds] => calls::contended(&host.probe(probe)?, duration(seconds)?)?,
        ["get", probe, seconds, size] => {
            calls::get(&host.probe(probe)?, duration(seconds)?, size.parse()?, Buffer::Shared)?
        }
        ["get-filled", probe, seconds, size] => {
            calls::get(&host.probe(probe)?, duration(seconds)?, size.parse()?, Buffer::Filled)?
        }
        ["lookup", symbols, seconds] => symbols::lookup(&host, symbols, duration(seconds)?)?,
        ["open", adder] => host.open(Path::new(adder))?,
        ["pinned", holder, count] => unload::pinned(&host, holder, count.parse()?)?,
        ["pinned-probe", probe, count] => unload::pinned_probe(&host, probe, count.parse()?)?,
        ["symbol", symbols, peer, seconds] => symbols::call(&host, symbols, peer, duration(seconds)?)?,
        ["unload", probe, count] => unload::unmapped(&host, probe, count.parse()?)?,
        ["update", one, two, count] => update::update(&host, [one, two], count.parse()?)?,
        _ => bail!(
            "usage: (async PROBE SECONDS | call PROBE SECONDS | contended PROBE SECONDS | \
             get PROBE SECONDS SIZE | get-filled PROBE SECONDS SIZE | lookup SYMBOLS SECONDS | open ADDER | \
             pinned HOLDER COUNT | pinned-probe PROBE COUNT | symbol SYMBOLS PEER SECONDS | unload PROBE COUNT | \
             update PROBE PROBE COUNT)"
        ),
    };
    Ok(print(&result)?)
}

/// A host of shared libraries.
struct Host {
    runtime: Runtime,
    manager: Manager,
    backend: NativeBackend,
}

impl Host {
    #[expect(unsafe_code, reason = "a host writes it once")]
    fn new() -> anyhow::Result<Self> {
        // SAFETY: the libraries that are measured are of this repository.
        let backend = unsafe { NativeBackend::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { runtime, manager: Manager::new(), backend })
    }

    fn probe(&self, path: &str) -> anyhow::Result<Handle<dyn Probe>> {
        Ok(self.runtime.block_on(self.manager.load("probe", &self.backend.library(path)))?)
    }

    fn open_symbols(&self, path: &str) -> anyhow::Result<Plugin> {
        Ok(self.backend.open(path)?)
    }

    /// One sample per process, as for the Go peer.
    fn open(&self, path: &Path) -> anyhow::Result<serde_json::Value> {
        let began = std::time::Instant::now();
        let library = self.backend.library(path);
        let adder: Handle<dyn Adder> = self.runtime.block_on(self.manager.load("adder", &library))?;
        let opened = began.elapsed();
        anyhow::ensure!(adder.add(19, 23)? == 42, "the adder adds wrongly");
        Ok(serde_json::json!({"open_us": opened.as_nanos() as f64 / 1e3}))
    }
}

fn duration(seconds: &str) -> anyhow::Result<Duration> {
    Ok(Duration::try_from_secs_f64(seconds.parse()?)?)
}
