//! Wakers that may be used on any thread, and reach tokio on the runtime's thread alone.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use jackfield_core::BoxFuture;

use super::inbox::{Inbox, Message};

/// Polls a future with wakers that wake it on the runtime's thread, wherever they are used.
pub(super) async fn keep_here(mut future: BoxFuture<'static, ()>, inbox: Arc<Inbox>) {
    let mut waker: Option<Waker> = None;
    poll_fn(move |context| {
        let waker = waker.get_or_insert_with(|| {
            let task = context.waker().clone();
            Waker::from(Arc::new(Guarded { task: Some(task), inbox: inbox.clone() }))
        });
        future.as_mut().poll(&mut Context::from_waker(waker))
    })
    .await;
}

/// A waker of a task of tokio's.
struct Guarded {
    /// `None` once it is dropped.
    task: Option<Waker>,
    inbox: Arc<Inbox>,
}

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(task) = &self.task else { return };
        if self.inbox.is_on_this_thread() {
            task.wake_by_ref();
        } else {
            self.inbox.put(Message::Wake(task.clone()));
        }
    }
}
