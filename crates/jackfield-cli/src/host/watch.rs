//! Follows what becomes of the plugins of a host.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout_at};

use super::connection::Connection;
use super::screen::{Notice, Notices, Screen, colours, size};
use super::view::{View, draw};
use super::{Output, print, text};

/// A line per event, for programs.
pub(super) async fn lines(mut host: Connection, output: &Output) -> anyhow::Result<()> {
    host.ask(&json!({ "command": "watch" })).await?;
    while let Some(event) = host.next().await? {
        let event = event.get("plugin").unwrap_or(&event);
        if output.json { print(event) } else { print(text::text(event)) }?;
    }
    Ok(())
}

/// A table that is drawn again when something happens, and every second: figures change without an event.
pub(super) async fn live(mut figures: Connection, socket: &Path) -> anyhow::Result<()> {
    let mut events = Connection::open(socket).await?;
    events.ask(&json!({ "command": "watch" })).await?;
    let view = View::new(socket.display().to_string(), figures.list().await?);
    let mut second = interval(SECOND);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut live = Live { events, figures, view, second, notices: Notices::new()? };
    live.follow().await?;
    print(text::table(&live.view.plugins))?;
    print("the host has ended")
}

struct Live {
    events: Connection,
    figures: Connection,
    view: View,
    second: Interval,
    notices: Notices,
}

impl Live {
    /// Draws until the host ends.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut screen = Screen::enter()?;
        loop {
            screen.show(&draw(&self.view, Instant::now(), size(), colours()))?;
            if self.wait(&mut screen).await? == Host::Ended {
                return Ok(());
            }
            let Some(plugins) = self.figures.try_list().await? else { return Ok(()) };
            self.view.plugins = plugins;
        }
    }

    /// Waits until there may be something new to draw, and a little longer for what follows it.
    async fn wait(&mut self, screen: &mut Screen) -> anyhow::Result<Host> {
        tokio::select! {
            event = self.events.next() => match event? {
                Some(event) => self.view.tell(&event, Instant::now()),
                None => return Ok(Host::Ended),
            },
            notice = self.notices.next() => match notice {
                Notice::Ended => bail!("ended by a signal"),
                Notice::Resized => {}
                Notice::Suspended => screen.suspend()?,
            },
            _ = self.second.tick() => {}
        }
        let drawn = tokio::time::Instant::now() + FRAME;
        while let Ok(event) = timeout_at(drawn, self.events.next()).await {
            let Some(event) = event? else { return Ok(Host::Ended) };
            self.view.tell(&event, Instant::now());
        }
        Ok(Host::Running)
    }
}

#[derive(PartialEq, Eq)]
enum Host {
    Ended,
    Running,
}

/// After which the figures are asked for again.
const SECOND: Duration = Duration::from_secs(1);
/// It is not drawn more often than this, however much happens.
const FRAME: Duration = Duration::from_millis(50);
