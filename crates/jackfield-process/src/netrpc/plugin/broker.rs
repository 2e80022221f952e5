//! Hands out streams by number.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::yamux::{Session, SessionError, Stream};

/// The streams of one session that come after the first three.
#[derive(Debug)]
pub(crate) struct MuxBroker {
    session: Session,
    last: AtomicU32,
    meetings: Mutex<HashMap<u32, Meeting>>,
}

/// A number at which one has arrived and waits for the other.
#[derive(Debug)]
enum Meeting {
    /// The stream is there.
    Parked(Stream),
    /// Who wants it is there.
    Wanted(oneshot::Sender<Stream>),
}

impl MuxBroker {
    pub(super) fn new(session: Session) -> Self {
        Self { session, last: AtomicU32::new(0), meetings: Mutex::default() }
    }

    /// Ends the session with all its streams.
    pub(super) fn close(&self) {
        self.session.close();
    }

    /// A number that was not given before.
    pub(crate) fn next_id(&self) -> u32 {
        self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Opens the stream that the other end offers under number `id`. Must run on a runtime with a clock.
    pub(crate) async fn dial(&self, id: u32) -> io::Result<Stream> {
        timeout(PATIENCE, self.open(id)).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("nobody serves the number {id}")))
        })
    }

    async fn open(&self, id: u32) -> io::Result<Stream> {
        let mut stream = self.session.open().await.map_err(|error| io::Error::from(&error))?;
        stream.write_u32_le(id).await?;
        match stream.read_u32_le().await? {
            acknowledged if acknowledged == id => Ok(stream),
            other => {
                Err(io::Error::other(format!("expected the number {id} to be acknowledged, found {other}")))
            }
        }
    }

    /// Waits for the stream that the other end opens under number `id`.
    pub(super) async fn accept(&self, id: u32) -> io::Result<Stream> {
        self.accept_within(id, PATIENCE).await
    }

    /// As [`accept`](Self::accept), for an object: the other side may be slow to begin with what it was given.
    pub(crate) async fn accept_object(&self, id: u32) -> io::Result<Stream> {
        self.accept_within(id, UNDIALED).await
    }

    async fn accept_within(&self, id: u32, patience: Duration) -> io::Result<Stream> {
        let parked = self.meetings().remove(&id);
        let mut stream = match parked {
            Some(Meeting::Parked(stream)) => stream,
            Some(Meeting::Wanted(_)) | None => self.wait(id, patience).await?,
        };
        stream.write_u32_le(id).await?;
        Ok(stream)
    }

    async fn wait(&self, id: u32, patience: Duration) -> io::Result<Stream> {
        let (sender, stream) = oneshot::channel();
        self.meetings().insert(id, Meeting::Wanted(sender));
        let error = tokio::select! {
            arrived = timeout(patience, stream) => match arrived {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) | Err(_) => {
                    io::Error::new(io::ErrorKind::TimedOut, format!("nobody opened the number {id}"))
                }
            },
            end = self.session.ended() => io::Error::from(&end),
        };
        self.meetings().remove(&id);
        Err(error)
    }

    /// Takes the streams that come, until the session ends. One whose number does not come holds up no other.
    pub(super) async fn run(&self) -> SessionError {
        let mut arriving = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.session.accept() => match accepted {
                    Ok(stream) => arriving.push(self.receive(stream)),
                    Err(end) => return end,
                },
                Some(()) = arriving.next() => {}
            }
        }
    }

    async fn receive(&self, mut stream: Stream) {
        let Ok(Ok(id)) = timeout(PATIENCE, stream.read_u32_le()).await else { return };
        let own = stream.id();
        let waits = self.meetings().remove(&id);
        if let Some(Meeting::Wanted(waits)) = waits {
            // Whoever wanted it may have lost patience.
            let _lost = waits.send(stream);
            return;
        }
        self.meetings().insert(id, Meeting::Parked(stream));
        sleep(PATIENCE).await;
        let mut meetings = self.meetings();
        if matches!(meetings.get(&id), Some(Meeting::Parked(stream)) if stream.id() == own) {
            meetings.remove(&id);
        }
    }

    fn meetings(&self) -> MutexGuard<'_, HashMap<u32, Meeting>> {
        // Nothing panics under the lock.
        self.meetings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that was handed over is forgotten if nobody has come for it by then, as over gRPC.
const UNDIALED: Duration = Duration::from_secs(60);
/// As long as Go waits.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::Instant;

    use super::*;
    use crate::yamux::{Config, Role, session};

    /// A broker that runs, and the session of the other end.
    fn broker() -> (std::sync::Arc<MuxBroker>, Session) {
        // The clock of these tests is ahead of whatever a session waits for.
        let config = Config { keep_alive: None, ..Config::default() };
        let (ours, theirs) = duplex(4096);
        let (own, driver) = session(ours, Role::Client, config.clone());
        tokio::spawn(driver);
        let (other, driver) = session(theirs, Role::Server, config);
        tokio::spawn(driver);
        let broker = std::sync::Arc::new(MuxBroker::new(own));
        let running = std::sync::Arc::clone(&broker);
        tokio::spawn(async move { running.run().await });
        (broker, other)
    }

    /// What the other end opens under a number, and what is acknowledged there.
    async fn open(session: &Session, id: u32) -> Stream {
        let mut stream = session.open().await.unwrap();
        stream.write_u32_le(id).await.unwrap();
        stream
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_first_waits_for_five_seconds() {
        let (broker, other) = broker();
        let begun = Instant::now();
        let error = broker.accept(1).await.unwrap_err();
        assert_eq!(error.to_string(), "nobody opened the number 1");
        assert_eq!(begun.elapsed(), PATIENCE);

        // A stream that came before anybody wanted it is there for as long, and then is gone.
        let mut parked = open(&other, 2).await;
        sleep(PATIENCE - Duration::from_millis(1)).await;
        broker.accept(2).await.unwrap();
        assert_eq!(parked.read_u32_le().await.unwrap(), 2);
        let mut parked = open(&other, 3).await;
        sleep(PATIENCE + Duration::from_millis(1)).await;
        assert_eq!(parked.read_u32_le().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(broker.accept(3).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_that_is_not_acknowledged_is_no_stream() {
        let (broker, other) = broker();
        let answers = async {
            for acknowledged in [4, 7] {
                let mut stream = other.accept().await.unwrap();
                let id = stream.read_u32_le().await.unwrap();
                assert_eq!(id, acknowledged.min(5));
                stream.write_u32_le(acknowledged).await.unwrap();
            }
            // The last one is never answered.
            other.accept().await.unwrap()
        };
        let asks = async {
            broker.dial(4).await.unwrap();
            let error = broker.dial(5).await.unwrap_err();
            assert_eq!(error.to_string(), "expected the number 5 to be acknowledged, found 7");
            let begun = Instant::now();
            let error = broker.dial(6).await.unwrap_err();
            assert_eq!(error.to_string(), "nobody serves the number 6");
            assert_eq!(begun.elapsed(), PATIENCE);
        };
        tokio::join!(answers, asks);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_a_number_holds_up_no_other() {
        let (broker, other) = broker();
        let mut silent = other.open().await.unwrap();
        let mut named = open(&other, 8).await;
        broker.accept(8).await.unwrap();
        assert_eq!(named.read_u32_le().await.unwrap(), 8);
        let begun = Instant::now();
        assert_eq!(silent.read_u32_le().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
