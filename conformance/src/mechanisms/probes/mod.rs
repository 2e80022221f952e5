//! What each mechanism is asked to do, by the same calls on each.

pub(super) mod calls;
pub(super) mod context;
pub(super) mod directory;
pub(super) mod isolation;
pub(super) mod lifecycle;
pub(super) mod speed;
pub(super) mod streams;
pub(super) mod wire;

use jackfield::{Handle, Manager};
use probe_interface::Probe;
use studio_interface::Studio;

use super::cell::Cell;
use super::mechanism::Mechanism;

async fn probe(mechanism: Mechanism) -> anyhow::Result<(Manager, Handle<dyn Probe>)> {
    let manager = Manager::new();
    let probe = manager.load("probe", &*mechanism.candidate("probe-one")).await?;
    Ok((manager, probe))
}

async fn studio(mechanism: Mechanism) -> anyhow::Result<(Manager, Handle<dyn Studio>)> {
    let manager = Manager::new();
    let studio = manager.load("studio", &*mechanism.candidate("studio")).await?;
    Ok((manager, studio))
}
