//! The host calls the plugin.

use anyhow::ensure;
use probe_interface::Probe as _;

use super::{Cell, Mechanism, probe};

/// With arguments, and with a result.
pub(in super::super) async fn call(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, probe) = probe(mechanism).await?;
    let echo = probe.echo("grüße".to_owned(), -1.5, -128, true, vec![0, 255])?;
    ensure!(echo == "grüße -1.5 -128 true [0, 255]", "it answers {echo:?}");
    ensure!(probe.add_async(20, 22).await? == 42, "it does not add");
    Ok(Cell::yes())
}
