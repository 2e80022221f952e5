//! A plugin is a file in a directory.

use anyhow::{Context as _, ensure};
use jackfield::{Event, Events, Handle, Manager, State};
use probe_interface::Probe;

use super::super::planted::Planted;
use super::{Cell, Mechanism};

/// It is found by a look at the directory: while there is nothing in it yet that could run.
pub(in super::super) async fn discovery(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let planted = Planted::new(mechanism)?;
    planted.announce()?;
    let offered = planted.source().scan()?;
    let found =
        offered.into_iter().find(|offered| offered.name == Planted::NAME).context("nothing is found")?;
    let candidate = found.candidate.map_err(anyhow::Error::msg)?;
    planted.put("probe-one")?;
    let manager = Manager::new();
    let probe: Handle<dyn Probe> = manager.load("probe", &*candidate).await?;
    ensure!(probe.version()? == 1, "another one was found");
    Ok(planted.kind().into())
}

/// It comes online, is updated and goes offline as its file comes, changes and goes.
pub(in super::super) async fn follows(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let planted = Planted::new(mechanism)?;
    let manager = Manager::new();
    let mut events = manager.events();
    let watch = manager.watch::<dyn Probe>(planted.source())?;
    planted.put("probe-one")?;
    let probe: Handle<dyn Probe> = manager.when_online(Planted::NAME).await?;
    ensure!(probe.version()? == 1, "another one is online");
    planted.put("probe-two")?;
    until(&mut events, |state| matches!(state, State::Online { generation: 2.. })).await?;
    ensure!(probe.version()? == 2, "the old one answers still");
    planted.remove()?;
    until(&mut events, |state| *state == State::Offline).await?;
    ensure!(probe.version().is_err(), "it answers though its file is gone");
    watch.stop().await;
    Ok(Cell::yes())
}

async fn until(events: &mut Events, is_wanted: impl Fn(&State) -> bool) -> anyhow::Result<()> {
    while let Some(event) = events.recv().await {
        match event {
            Event::Changed { plugin, state } if plugin.as_str() == Planted::NAME && is_wanted(&state) => {
                return Ok(());
            }
            _ => {}
        }
    }
    anyhow::bail!("the manager is gone")
}
