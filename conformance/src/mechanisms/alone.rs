//! A host that may end together with its plugin.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use jackfield::{Handle, Manager};
use probe_interface::Probe;

use super::mechanism::Mechanism;
use crate::backends;

/// Lets a plugin abort in this process, by the mechanism of this name.
///
/// # Errors
///
/// There is no such mechanism, or it cannot be loaded.
pub async fn abort(mechanism: &str) -> anyhow::Result<()> {
    let mechanism = Mechanism::named(mechanism).context("there is no such mechanism")?;
    let probe: Handle<dyn Probe> = Manager::new().load("probe", &*mechanism.candidate("probe-one")).await?;
    ensure!(probe.abort().is_err(), "it does not abort");
    Ok(())
}

/// Starts a host in which that happens.
#[expect(clippy::disallowed_methods, reason = "it is the host that is started here")]
pub(super) async fn run(mechanism: Mechanism) -> anyhow::Result<()> {
    let mut host = Command::new(backends::build().program("mechanisms"));
    host.args(["abort", mechanism.name()]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || host.output()).await??;
    match output.status.signal() {
        Some(signal) => bail!("the host ends with its plugin, by the signal {signal}"),
        None => ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
    }
    Ok(())
}
