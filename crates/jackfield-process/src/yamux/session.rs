//! The handle of a session: opens and accepts streams.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::time::Instant;

use super::error::SessionError;
use super::shared::Shared;
use super::stream::Stream;

/// A session; clones share it. It works as long as its [`Driver`](super::Driver) is polled.
#[derive(Debug, Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Opens a stream. The other end sees it at once, whether anything is written or not; what is written before it
    /// accepts is not lost.
    ///
    /// Waits while the other end has not accepted 256 earlier ones.
    ///
    /// # Errors
    /// If the session has ended, or the other end takes no further streams.
    ///
    /// # Cancel safety
    /// If the future is dropped, no stream was opened.
    pub async fn open(&self) -> Result<Stream, SessionError> {
        let id =
            poll_fn(|context| self.shared.with(|state| state.poll_open(context, Instant::now()))).await?;
        // The driver has one more deadline.
        self.shared.wake_driver();
        self.shared.send();
        Ok(Stream::new(id, Arc::clone(&self.shared)))
    }

    /// Accepts the next stream that the other end opens, and says so at once.
    ///
    /// Streams that nobody accepts wait, up to 256 of them; further ones are refused.
    ///
    /// # Errors
    /// If the session has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, no stream was accepted.
    pub async fn accept(&self) -> Result<Stream, SessionError> {
        let id = poll_fn(|context| self.shared.with(|state| state.poll_accept(context))).await?;
        self.shared.send();
        Ok(Stream::new(id, Arc::clone(&self.shared)))
    }

    /// Asks the other end to open no further streams, and refuses those that it opens all the same.
    pub fn go_away(&self) {
        self.shared.with(|state| state.go_away(0));
        self.shared.send();
    }

    /// Ends the session and all its streams, after what was written is sent.
    pub fn close(&self) {
        self.shared.with(|state| state.finish(SessionError::Closed));
        self.shared.wake_driver();
    }

    /// Waits until the session has ended, and says why.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ended(&self) -> SessionError {
        poll_fn(|context| self.shared.with(|state| state.poll_end(context))).await
    }

    /// Why the session ended, if it did.
    pub fn end(&self) -> Option<SessionError> {
        self.shared.with(|state| state.end().cloned())
    }
}
