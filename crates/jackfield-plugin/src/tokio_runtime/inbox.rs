//! What other threads leave for the runtime's thread.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use jackfield_core::__private::runtime::Job;
use jackfield_core::BoxFuture;

use super::bell::Bell;

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
    messages: Mutex<Vec<Message>>,
    bell: Bell,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { messages: Mutex::default(), bell: Bell::new()? })
    }

    /// Leaves a message.
    pub(super) fn put(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = messages.is_empty();
        messages.push(message);
        drop(messages);
        if is_first {
            self.bell.ring();
        }
    }

    /// Waits for messages, on the runtime's thread.
    pub(super) async fn take(&self) -> Vec<Message> {
        loop {
            let messages = std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner));
            if !messages.is_empty() {
                return messages;
            }
            self.bell.wait().await;
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
