//! Moves the bytes of a session and watches its clock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::config::{Config, Role};
use super::error::SessionError;
use super::session::Session;
use super::shared::Shared;
use super::state::State;

/// Begins a session on a connection. Nothing happens, and nothing is sent, before the driver is polled.
pub fn session(
    connection: impl AsyncRead + AsyncWrite + Send + 'static,
    role: Role,
    config: Config,
) -> (Session, Driver) {
    let (input, output) = tokio::io::split(connection);
    let shared = Arc::new(Shared::new(State::new(role, config, Instant::now()), output));
    let driver = Driver {
        input: Box::pin(input),
        buffer: vec![0; BUFFER].into_boxed_slice(),
        shared: Arc::clone(&shared),
        clock: None,
    };
    (Session::new(shared), driver)
}

/// The work of a session. It ends with the session and says why; the session ends when it is dropped.
///
/// It must be polled on a runtime of `tokio` with time.
#[must_use = "a session does nothing unless its driver is polled"]
pub struct Driver {
    input: Pin<Box<dyn AsyncRead + Send>>,
    buffer: Box<[u8]>,
    shared: Arc<Shared>,
    clock: Option<Pin<Box<Sleep>>>,
}

impl Driver {
    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<SessionError> {
        self.shared.drive(context);
        loop {
            match self.poll_receive(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(error) = self.poll_clock(context) {
            return Poll::Ready(error);
        }
        let sent = self.shared.poll_send(context);
        match self.shared.with(|state| state.end().cloned()) {
            // This end closed the session: what was written before is sent all the same.
            Some(end) => match sent {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => self.shared.poll_shutdown(context).map(|_| end),
                Poll::Ready(Err(_)) => Poll::Ready(end),
            },
            None => match sent {
                Poll::Ready(Err(error)) => Poll::Ready(SessionError::Io(Arc::new(error))),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            },
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        match self.input.as_mut().poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(SessionError::Io(Arc::new(error)))),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Err(SessionError::Gone)),
            Poll::Ready(Ok(())) => {
                let received = self.shared.with(|state| state.receive(buffer.filled()));
                Poll::Ready(received.map_err(|error| self.accuse(error.into())))
            }
        }
    }

    /// Tells the other end of its mistake, if it listens.
    fn accuse(&self, error: SessionError) -> SessionError {
        self.shared.with(|state| state.go_away(PROTOCOL_ERROR));
        self.shared.send();
        error
    }

    fn poll_clock(&mut self, context: &mut Context<'_>) -> Poll<SessionError> {
        loop {
            let Some(deadline) = self.shared.with(State::deadline) else { return Poll::Pending };
            let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if clock.deadline() != deadline {
                clock.as_mut().reset(deadline);
            }
            if clock.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if let Err(error) = self.shared.with(|state| state.expire(Instant::now())) {
                return Poll::Ready(error);
            }
        }
    }
}

impl Future for Driver {
    type Output = SessionError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<SessionError> {
        let work = self.poll_work(context);
        work.map(|reason| {
            self.shared.with(|state| state.finish(reason.clone()));
            self.shared.close();
            reason
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.with(|state| state.finish(SessionError::Closed));
        self.shared.close();
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

const BUFFER: usize = 64 * 1024;
const PROTOCOL_ERROR: u32 = 1;
