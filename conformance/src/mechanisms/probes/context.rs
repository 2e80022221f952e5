//! What a plugin sees of its host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{bail, ensure};
use jackfield::{BoxFuture, Context, Error, Handle, Manager};
use probe_interface::Probe;
use studio_interface::{Listener, Studio, Track};

use super::{Cell, Mechanism, studio};

/// The constructor reads its configuration: it refuses, for the reason that stands there.
pub(in super::super) async fn configuration(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let manager = Manager::new();
    let context = Context::new("probe", [("refuse".to_owned(), "not today".to_owned())]);
    let loaded = manager.load_with::<dyn Probe>(context, &*mechanism.candidate("probe-one")).await;
    let (error, kept) = match loaded {
        Err(error) => (anyhow::Error::from(error), "yes"),
        Ok(probe) => match probe.version() {
            Err(error) => (error.into(), "yes, told at the first call"),
            Ok(_) => bail!("it does not refuse"),
        },
    };
    ensure!(format!("{error:#}").contains("not today"), "it fails for another reason: {error:#}");
    Ok(kept.into())
}

/// It calls an object that it was given as an argument.
pub(in super::super) async fn callback(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, studio) = studio(mechanism).await?;
    let (listener, heard) = listener();
    ensure!(studio.tell(listener, 5).await? == 5, "it did not tell everything");
    ensure!(heard.load(Ordering::Relaxed) == 5, "not everything was heard");
    Ok(Cell::yes())
}

/// It finds what the host offers to it by name.
pub(in super::super) async fn offer(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (listener, heard) = listener();
    let context = Handle::offer(&listener, Context::new("studio", []), "reception");
    let manager = Manager::new();
    let studio = manager.load_with::<dyn Studio>(context, &*mechanism.candidate("studio")).await?;
    ensure!(studio.tell_reception(1)?, "another one was told");
    ensure!(heard.load(Ordering::Relaxed) == 1, "nothing was heard");
    Ok(Cell::yes())
}

fn listener() -> (Handle<dyn Listener>, Arc<AtomicU32>) {
    let heard = Arc::<AtomicU32>::default();
    (Handle::<dyn Listener>::new(Ear(heard.clone())), heard)
}

/// An object of the host's.
struct Ear(Arc<AtomicU32>);

impl Listener for Ear {
    fn hear(&self, _event: u32) -> Result<bool, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn hear_later(&self, event: u32) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { self.hear(event) })
    }

    fn exchange(&self, track: Handle<dyn Track>) -> BoxFuture<'_, Result<Handle<dyn Track>, Error>> {
        Box::pin(async move { Ok(track) })
    }
}
