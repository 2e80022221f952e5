//! One stream of a session, as something to read and write.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::shared::Shared;

/// A stream; shutting it down ends this direction only, dropping it gives up both.
///
/// What the other end does not read is not sent: a write waits once 256 KiB are under way.
#[derive(Debug)]
pub struct Stream {
    id: u32,
    shared: Arc<Shared>,
}

impl Stream {
    pub(super) fn new(id: u32, shared: Arc<Shared>) -> Self {
        Self { id, shared }
    }

    /// Its number: odd if the client opened it, even if the server did.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits until the other end has accepted this stream, if this end opened it. Also ends if it never will.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn accepted(&self) {
        poll_fn(|context| self.shared.with(|state| state.poll_accepted(self.id, context))).await;
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (read, sends) = self.shared.with(|state| {
            let read = state.poll_read(self.id, context, buffer);
            (read, !state.is_idle())
        });
        if sends {
            // The window grew, of which the other end should hear.
            self.shared.send();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.shared.with(|state| state.poll_write(self.id, context, bytes)))?;
        self.shared.send();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|state| state.poll_idle(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|state| state.close(self.id, Instant::now()));
        self.shared.send();
        self.poll_flush(context)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.with(|state| state.release(self.id, Instant::now()));
        self.shared.send();
    }
}
