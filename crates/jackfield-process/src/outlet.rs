//! The sending end of a connection, which whoever has something to say may use at once.
//!
//! A connection has a driver, a task that owns it. Were sending only the driver's work, each call from another thread
//! would have to wake it first. So callers send for themselves what the connection takes at once, and leave the rest
//! to the driver.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::AsyncWrite;

/// The sending end; the bytes come from whoever fills its empty buffer.
pub(crate) struct Outlet {
    output: Mutex<Output>,
    driver: Mutex<Option<Waker>>,
    /// Whether there may be something to do for the driver.
    is_left: AtomicBool,
}

struct Output {
    /// `None` once it is closed.
    io: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    buffer: Vec<u8>,
    sent: usize,
    unflushed: bool,
}

impl Outlet {
    /// Sends on `io`.
    pub(crate) fn new(io: impl AsyncWrite + Send + 'static) -> Self {
        let output = Output { io: Some(Box::pin(io)), buffer: Vec::new(), sent: 0, unflushed: false };
        Self { output: Mutex::new(output), driver: Mutex::new(None), is_left: AtomicBool::new(true) }
    }

    /// Remembers whom to wake when there is something to do for the driver.
    pub(crate) fn drive(&self, context: &Context<'_>) {
        let mut driver = lock(&self.driver);
        match &mut *driver {
            Some(waker) => waker.clone_from(context.waker()),
            None => *driver = Some(context.waker().clone()),
        }
    }

    /// Has the driver look.
    pub(crate) fn wake_driver(&self) {
        self.is_left.store(true, Ordering::SeqCst);
        let driver = lock(&self.driver).clone();
        if let Some(waker) = driver {
            waker.wake();
        }
    }

    /// Sends what `fill` gives, as far as the connection takes it at once. The driver does the rest.
    pub(crate) fn send(&self, fill: impl FnMut(&mut Vec<u8>)) {
        let Ok(mut output) = self.output.try_lock() else { return self.wake_driver() };
        // It is the driver that the connection must wake when it takes more.
        let Some(waker) = lock(&self.driver).clone() else { return };
        match output.poll_send(&mut Context::from_waker(&waker), fill) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) | Poll::Pending => {
                drop(output);
                self.wake_driver();
            }
        }
    }

    /// Sends what others have left to the driver. While they leave nothing, it does not get in their way.
    #[cfg_attr(not(feature = "netrpc"), expect(dead_code, reason = "yamux sends all itself"))]
    pub(crate) fn poll_left(
        &self,
        context: &mut Context<'_>,
        fill: impl FnMut(&mut Vec<u8>),
    ) -> Poll<io::Result<()>> {
        if !self.is_left.swap(false, Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        let sent = self.poll_send(context, fill);
        if sent.is_pending() {
            self.is_left.store(true, Ordering::SeqCst);
        }
        sent
    }

    /// Sends until `fill`, which swaps an empty buffer for what is to be sent, leaves it empty.
    pub(crate) fn poll_send(
        &self,
        context: &mut Context<'_>,
        fill: impl FnMut(&mut Vec<u8>),
    ) -> Poll<io::Result<()>> {
        lock(&self.output).poll_send(context, fill)
    }

    /// Tells the other end of the connection that nothing more comes.
    pub(crate) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut lock(&self.output).io {
            Some(io) => io.as_mut().poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closes this end.
    pub(crate) fn close(&self) {
        let io = lock(&self.output).io.take();
        drop(io);
    }
}

impl Output {
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        mut fill: impl FnMut(&mut Vec<u8>),
    ) -> Poll<io::Result<()>> {
        loop {
            if self.sent == self.buffer.len() {
                self.sent = 0;
                self.buffer.clear();
                // What was large once need not stay so.
                self.buffer.shrink_to(MAX_KEPT);
                fill(&mut self.buffer);
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
            let sent = ready!(io.as_mut().poll_write(context, &self.buffer[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

/// Nothing panics under these locks save a connection of the user's own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MAX_KEPT: usize = 256 * 1024;
