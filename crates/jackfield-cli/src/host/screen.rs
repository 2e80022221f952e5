//! The terminal, while something is drawn on all of it.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{self, SignalKind, signal};

use super::view::{Colours, Size};

/// A second screen of the terminal, without a cursor, until this is dropped. What is typed is not shown.
pub(super) struct Screen {
    /// How the terminal was set before.
    before: Option<Termios>,
}

/// Whether what is printed goes to a terminal that one can draw on.
pub(super) fn is_one() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Whether whoever sits there wants colours: <https://no-color.org>.
pub(super) fn colours() -> Colours {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if is_unwanted { Colours::None } else { Colours::Some }
}

/// How large the terminal is now. One that does not know is as large as they used to be.
pub(super) fn size() -> Size {
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    let (columns, rows) = size.map_or((80, 24), |size| (size.ws_col, size.ws_row));
    Size { columns: columns.into(), rows: rows.into() }
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let screen = Self { before: tcgetattr(io::stdin()).ok() };
        screen.begin()?;
        Ok(screen)
    }

    /// Writes what was drawn.
    pub(super) fn show(&mut self, drawn: &str) -> io::Result<()> {
        write(drawn)
    }

    /// Gives the terminal back and stops, as a program does at Ctrl-Z, and takes it again when it goes on.
    pub(super) async fn suspend(&mut self) -> io::Result<()> {
        let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        self.end();
        // Another thread may be the first to stop.
        kill_process(getpid(), Signal::STOP)?;
        continued.recv().await;
        self.begin()
    }

    fn begin(&self) -> io::Result<()> {
        if let Some(before) = &self.before {
            let mut silent = before.clone();
            silent.local_modes -= LocalModes::ECHO;
            // Ctrl-C would discard what is being written, such as the very end.
            silent.local_modes |= LocalModes::NOFLSH;
            tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
        }
        write(ENTER)
    }

    fn end(&self) {
        // An error says that the terminal has gone.
        let _ = write(LEAVE);
        if let Some(before) = &self.before {
            // What was typed meanwhile is not for the shell.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end();
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What the system says to a program that draws.
pub(super) struct Notices {
    resized: unix::Signal,
    suspended: unix::Signal,
}

/// One of them.
pub(super) enum Notice {
    /// The terminal has another size.
    Resized,
    /// The program is to stop for now.
    Suspended,
}

impl Notices {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            suspended: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
        })
    }

    /// The next one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Notice {
        tokio::select! {
            _ = self.resized.recv() => Notice::Resized,
            _ = self.suspended.recv() => Notice::Suspended,
        }
    }
}

/// The second screen, its cursor hidden, and its lines cut where the terminal ends: some characters are two wide.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
