//! What other threads leave for the runtime's thread.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use jackfield_core::__private::runtime::Job;
use jackfield_core::BoxFuture;

use super::bell::{Bell, Listener};

/// Something for the runtime's thread to do.
pub(super) enum Message {
    /// To end, and how long to wait for what blocks.
    End(Duration),
    Run(Job),
    Spawn(BoxFuture<'static, ()>),
    Wake(Waker),
}

/// What other threads leave for the runtime's thread, in order.
pub(super) struct Inbox {
    /// `None` once nobody takes any more.
    messages: Mutex<Option<Vec<Message>>>,
    bell: Bell,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { messages: Mutex::new(Some(Vec::new())), bell: Bell::new()? })
    }

    /// Leaves a message. It is dropped if nobody takes any more.
    pub(super) fn put(&self, message: Message) {
        let mut messages = self.lock();
        let Some(waiting) = messages.as_mut() else {
            drop(messages);
            return drop(message);
        };
        let is_first = waiting.is_empty();
        waiting.push(message);
        drop(messages);
        if is_first {
            self.bell.ring();
        }
    }

    /// Who hears that there is a message. It belongs to the runtime on which it is made.
    pub(super) fn listener(&self) -> io::Result<Listener> {
        self.bell.listener()
    }

    /// Says that nobody takes any more, and drops what there is.
    pub(super) fn close(&self) {
        let rest = self.lock().take();
        drop(rest);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Message>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for messages, on the runtime's thread.
    pub(super) async fn take(&self, listener: &Listener) -> Vec<Message> {
        loop {
            let messages = self.lock().as_mut().map(std::mem::take).unwrap_or_default();
            if !messages.is_empty() {
                return messages;
            }
            listener.wait(&self.bell).await;
        }
    }

    /// Says that the calling thread is the runtime's.
    pub(super) fn belongs_to_this_thread(self: &Arc<Self>) {
        OWN.set(Arc::as_ptr(self).addr());
    }

    /// Whether the calling thread is the runtime's.
    pub(super) fn is_on_this_thread(self: &Arc<Self>) -> bool {
        OWN.get() == Arc::as_ptr(self).addr()
    }
}

thread_local! {
    /// The address of the inbox that this thread serves. Without a destructor, since any thread asks.
    static OWN: Cell<usize> = const { Cell::new(0) };
}
