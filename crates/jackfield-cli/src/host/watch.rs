//! Follows what becomes of the plugins of a host.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout_at};

use super::connection::Connection;
use super::screen::{Notice, Notices, Screen, colours, size};
use super::view::{View, draw};
use super::{Output, print, screen, signals, text};

/// Follows a running host, until it ends.
pub(super) async fn running(socket: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let shown = async { show(listen(socket).await?, socket, socket.display().to_string(), output).await };
    tokio::select! {
        shown = shown => shown.map(|()| ExitCode::SUCCESS),
        code = signals::ended()? => Ok(code),
    }
}

/// A connection on which the host tells of events from now on.
pub(super) async fn listen(socket: &Path) -> anyhow::Result<Connection> {
    let mut host = Connection::open(socket).await?;
    host.ask(&json!({ "command": "watch" })).await?;
    Ok(host)
}

/// Shows what becomes of the plugins of a host until it ends: on a terminal as a table, else as a line per event.
pub(super) async fn show(
    events: Connection,
    socket: &Path,
    title: String,
    output: Output,
) -> anyhow::Result<()> {
    if output == Output::Text && screen::is_one() {
        live(events, Connection::open(socket).await?, title).await
    } else {
        lines(events, output).await
    }
}

async fn lines(mut events: Connection, output: Output) -> anyhow::Result<()> {
    while let Some(event) = events.next().await? {
        let event = event.get("plugin").unwrap_or(&event);
        match output {
            Output::Json => print(event)?,
            Output::Text => print(text::text(event))?,
        }
    }
    Ok(())
}

/// The table is drawn again when something happens, and every second: figures change without an event.
async fn live(events: Connection, mut figures: Connection, title: String) -> anyhow::Result<()> {
    let view = View::new(title, figures.list().await?);
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
            if self.wait(&mut screen).await? == Turn::Over {
                return Ok(());
            }
            let Some(plugins) = self.figures.try_list().await? else { return Ok(()) };
            self.view.plugins = plugins;
        }
    }

    /// Waits until there may be something new to draw, and a little longer for what follows it.
    async fn wait(&mut self, screen: &mut Screen) -> anyhow::Result<Turn> {
        tokio::select! {
            event = self.events.next() => match event? {
                Some(event) => self.view.tell(&event, Instant::now()),
                None => return Ok(Turn::Over),
            },
            notice = self.notices.next() => match notice {
                Notice::Resized => {}
                Notice::Suspended => screen.suspend().await?,
            },
            _ = self.second.tick() => {}
        }
        let drawn = tokio::time::Instant::now() + FRAME;
        while let Ok(event) = timeout_at(drawn, self.events.next()).await {
            let Some(event) = event? else { return Ok(Turn::Over) };
            self.view.tell(&event, Instant::now());
        }
        Ok(Turn::Draw)
    }
}

/// What follows a wait.
#[derive(PartialEq, Eq)]
enum Turn {
    Draw,
    /// The host has ended.
    Over,
}

/// After which the figures are asked for again.
const SECOND: Duration = Duration::from_secs(1);
/// It is not drawn more often than this, however much happens.
const FRAME: Duration = Duration::from_millis(50);
