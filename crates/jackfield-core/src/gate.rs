//! Where calls wait until they know which generation they go to.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Where calls wait until they know which generation they go to. It opens once. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Lets all calls go on, in the slots as they are now.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.is_open = true;
            std::mem::take(&mut state.waiting)
        };
        self.0.opened.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Blocks the calling thread until it is open.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while !state.is_open {
            state = self.0.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Resolves when it is open.
    pub(crate) async fn opened(&self) {
        poll_fn(|context| self.poll(context)).await;
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_open {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
