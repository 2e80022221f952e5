//! What the driver of a session and its handles share.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWrite;

use super::state::State;
use crate::outlet::Outlet;

/// A session: its state, under a lock that is never held for long, and the sending end of its connection.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    outlet: Outlet,
}

impl Shared {
    pub(super) fn new(state: State, io: impl AsyncWrite + Send + 'static) -> Self {
        Self { state: Mutex::new(state), outlet: Outlet::new(io) }
    }

    /// Works on the state; whoever waits for what came of it is woken afterwards.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // Nothing panics under the lock.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        wakes.into_iter().for_each(Waker::wake);
        result
    }

    /// Remembers the driver.
    pub(super) fn drive(&self, context: &Context<'_>) {
        self.outlet.drive(context);
    }

    /// Has the driver look at the session.
    pub(super) fn wake_driver(&self) {
        self.outlet.wake_driver();
    }

    /// Sends what waits, as far as the connection takes it at once.
    pub(super) fn send(&self) {
        self.outlet.send(|buffer| self.with(|state| state.take_output(buffer)));
    }

    /// Sends what waits until nothing does.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.poll_send(context, |buffer| self.with(|state| state.take_output(buffer)))
    }

    /// Tells the other end of the connection that nothing more comes.
    pub(super) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.poll_shutdown(context)
    }

    /// Closes the sending end.
    pub(super) fn close(&self) {
        self.outlet.close();
    }
}
