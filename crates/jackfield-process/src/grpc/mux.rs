//! Multiplexes all gRPC connections of a plugin over its one socket, each a stream of yamux.
//!
//! A stream does not say whose it is. So whoever wants to open one for a number of the broker *knocks* first, on the
//! stream between the brokers; the other side acknowledges, and takes the next stream that comes for that number.
//! A stream that comes without a knock is for the plugin's main server.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, MutexGuard, SetOnce, mpsc};
use tokio::time::{Instant, timeout};

use super::Socket;
use crate::serve::Accept;
use crate::yamux::{Session, SessionError, Stream};

/// One side of the socket.
#[derive(Debug, Default)]
pub(crate) struct Mux {
    session: SetOnce<Session>,
    opening: AsyncMutex<()>,
    entrance: Mutex<Entrance>,
}

/// Who waits for the streams that come. All of it is behind one lock, under which nothing panics.
#[derive(Debug, Default)]
struct Entrance {
    /// Those that serve a number.
    doors: HashMap<u32, mpsc::UnboundedSender<Stream>>,
    /// Knocks at doors that are not there yet.
    knocks: HashMap<u32, Instant>,
    /// Whose the next streams are, and when that was acknowledged.
    expected: VecDeque<(u32, Instant)>,
}

/// The right to open the next stream.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    mux: &'a Mux,
    _alone: MutexGuard<'a, ()>,
}

impl Mux {
    /// Uses `session` from now on.
    pub(crate) fn begin(&self, session: Session) {
        // There is one socket, so there is one session.
        let _first = self.session.set(session);
    }

    /// Waits for the turn to open a stream: knock, acknowledgement and stream of two must not mix.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn { mux: self, _alone: self.opening.lock().await }
    }

    /// Hears a knock at number `id`; whether to acknowledge it, for which the one who serves may be too late still.
    pub(crate) fn knock(&self, id: u32) -> bool {
        let mut entrance = self.entrance();
        if entrance.doors.get(&id).is_some_and(|door| !door.is_closed()) {
            entrance.expected.push_back((id, Instant::now()));
            return true;
        }
        entrance.knocks.retain(|_, heard| heard.elapsed() < PATIENCE);
        if entrance.knocks.len() < MAX_KNOCKS {
            entrance.knocks.insert(id, Instant::now());
        }
        false
    }

    /// Serves number `id` from now on; also says whether there was a knock, which is to be acknowledged now.
    pub(crate) fn open_door(&self, id: u32) -> (Door, bool) {
        let (sender, streams) = mpsc::unbounded_channel();
        let mut entrance = self.entrance();
        entrance.doors.insert(id, sender);
        let knocked = entrance.knocks.remove(&id).is_some_and(|heard| heard.elapsed() < PATIENCE);
        if knocked {
            entrance.expected.push_back((id, Instant::now()));
        }
        (Door { streams }, knocked)
    }

    /// Gives each stream that comes to whom it is for, those without a knock to `main`. Ends with the session.
    pub(crate) async fn distribute(&self, main: Option<mpsc::UnboundedSender<Stream>>) {
        let session = self.session.wait().await;
        while let Ok(stream) = session.accept().await {
            let door = self.entrance().next_door();
            let taken = match door {
                Next::Door(door) => door.send(stream).is_ok(),
                Next::Gone => false,
                Next::Main => main.as_ref().is_some_and(|main| main.send(stream).is_ok()),
            };
            if !taken {
                tracing::debug!("a stream for which nobody waits was refused");
            }
        }
    }

    fn entrance(&self) -> std::sync::MutexGuard<'_, Entrance> {
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Opens a stream. The turn lasts until the other side has accepted it: a Go program hands out streams in the order
    /// in which its listeners get to run, so that the next one who knocks could be given this one.
    pub(crate) async fn open(self) -> io::Result<Stream> {
        let session = self.mux.session.wait().await;
        let stream = session.open().await.map_err(|error: SessionError| io::Error::other(error))?;
        match timeout(PATIENCE, stream.accepted()).await {
            Ok(()) => Ok(stream),
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the other side did not accept the stream"))
            }
        }
    }
}

/// For whom a stream is.
enum Next {
    Door(mpsc::UnboundedSender<Stream>),
    Gone,
    Main,
}

impl Entrance {
    fn next_door(&mut self) -> Next {
        self.doors.retain(|_, door| !door.is_closed());
        while let Some((id, acknowledged)) = self.expected.pop_front() {
            // One who waited for the acknowledgement until it was too late opens no stream.
            if acknowledged.elapsed() < PATIENCE {
                return self.doors.get(&id).map_or(Next::Gone, |door| Next::Door(door.clone()));
            }
        }
        Next::Main
    }
}

/// Where the streams for one number come in.
#[derive(Debug)]
pub(crate) struct Door {
    streams: mpsc::UnboundedReceiver<Stream>,
}

impl Door {
    /// A door for what comes without a knock.
    pub(crate) fn main() -> (mpsc::UnboundedSender<Stream>, Self) {
        let (sender, streams) = mpsc::unbounded_channel();
        (sender, Self { streams })
    }
}

impl Accept for Door {
    async fn accept(&mut self) -> io::Result<Socket> {
        match self.streams.recv().await {
            Some(stream) => Ok(Box::new(stream)),
            // The session has ended, which others notice.
            None => std::future::pending().await,
        }
    }
}

/// How long the one who knocked waits, as in Go.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_KNOCKS: usize = 4096;
