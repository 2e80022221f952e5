//! What fails in a plugin fails there.

use std::sync::Arc;

use anyhow::{bail, ensure};
use jackfield::{CallError, Error, Handle, Manager, Restart, Restartable};
use probe_interface::Probe;

use super::super::alone;
use super::{Cell, Mechanism, probe};

/// A panic is the error of its call, and the plugin goes on.
pub(in super::super) async fn panic(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, probe) = probe(mechanism).await?;
    match probe.panic("ouch".to_owned()) {
        Err(Error::Call(CallError::Panicked { message })) if message.starts_with("ouch") => {}
        other => bail!("expected the panic, found {other:?}"),
    }
    ensure!(probe.version()? == 1, "another one answers");
    Ok(Cell::yes())
}

/// An abort is the error of its call; the next one starts the plugin again.
pub(in super::super) async fn abort(mechanism: Mechanism) -> anyhow::Result<Cell> {
    if let Mechanism::Linked | Mechanism::Native = mechanism {
        return alone::run(mechanism).await.map(|()| Cell::yes());
    }
    let candidate = Restartable::new(Arc::from(mechanism.candidate("probe-one")), Restart::default());
    let manager = Manager::new();
    let probe: Handle<dyn Probe> = manager.load("probe", &candidate).await?;
    match probe.abort() {
        Err(Error::Call(CallError::Exited { status, .. })) if status.starts_with("signal: 6") => {}
        other => bail!("expected its end by a signal, found {other:?}"),
    }
    // A call that comes before the end is known fails as well.
    while let Err(error) = probe.version() {
        ensure!(matches!(error, Error::Call(CallError::Exited { .. } | CallError::Closed { .. })), error);
        tokio::task::yield_now().await;
    }
    Ok(Cell::yes())
}
