//! What the driver of a session and its handles share.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use super::state::State;

/// A session: its state and the sending end of its connection, each under a lock that is never held for long.
pub(super) struct Shared {
    state: Mutex<State>,
    output: Mutex<Output>,
    driver: Mutex<Option<Waker>>,
}

/// The sending end.
struct Output {
    /// `None` once the session has ended.
    io: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    buffer: BytesMut,
    unflushed: bool,
}

impl Shared {
    pub(super) fn new(state: State, io: impl AsyncWrite + Send + 'static) -> Self {
        let output = Output { io: Some(Box::pin(io)), buffer: BytesMut::new(), unflushed: false };
        Self { state: Mutex::new(state), output: Mutex::new(output), driver: Mutex::new(None) }
    }

    /// Works on the state; whoever waits for what came of it is woken afterwards.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let result = work(&mut state);
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        wakes.into_iter().for_each(Waker::wake);
        result
    }

    /// Remembers whom to wake when there is something to do for the driver.
    pub(super) fn drive(&self, context: &Context<'_>) {
        let mut driver = lock(&self.driver);
        match &mut *driver {
            Some(waker) => waker.clone_from(context.waker()),
            None => *driver = Some(context.waker().clone()),
        }
    }

    /// Has the driver look at the session.
    pub(super) fn wake_driver(&self) {
        let driver = lock(&self.driver).clone();
        if let Some(waker) = driver {
            waker.wake();
        }
    }

    /// Sends what waits, as far as the connection takes it at once. The driver does the rest.
    ///
    /// So a call that is made on one thread need not wake the driver on another.
    pub(super) fn send(&self) {
        let Ok(mut output) = self.output.try_lock() else { return self.wake_driver() };
        // It is the driver that the connection must wake when it takes more.
        let Some(waker) = lock(&self.driver).clone() else { return };
        match output.poll_send(self, &mut Context::from_waker(&waker)) {
            Poll::Ready(Err(_)) => waker.wake(),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
    }

    /// Sends what waits until nothing does.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.output).poll_send(self, context)
    }

    /// Tells the other end of the connection that nothing more comes.
    pub(super) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut lock(&self.output).io {
            Some(io) => io.as_mut().poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closes the sending end.
    pub(super) fn close(&self) {
        let io = lock(&self.output).io.take();
        drop(io);
    }
}

impl Output {
    fn poll_send(&mut self, shared: &Shared, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.buffer.is_empty() {
                shared.with(|state| state.take_output(&mut self.buffer));
            }
            let Some(io) = &mut self.io else { return Poll::Ready(Ok(())) };
            if self.buffer.is_empty() {
                if self.unflushed {
                    ready!(io.as_mut().poll_flush(context))?;
                    self.unflushed = false;
                }
                return Poll::Ready(Ok(()));
            }
            self.unflushed = true;
            let sent = ready!(io.as_mut().poll_write(context, &self.buffer))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.buffer.advance(sent);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Nothing panics under these locks save a connection of the user's own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
