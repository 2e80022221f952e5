//! A call that runs on a runtime's thread while somebody on another waits for its answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::{ANSWERED, Runtime, ended, lock};
use crate::future::BoxFuture;
use crate::options::CallOptions;
use crate::panic;
use crate::shim::Reply;

/// A call that runs on the runtime's thread.
struct Call<O> {
    options: CallOptions,
    /// Taken and polled on the runtime's thread only.
    future: Mutex<Option<BoxFuture<'static, O>>>,
    outcome: Mutex<Outcome<O>>,
}

enum Outcome<O> {
    Done(Reply<O>),
    Taken,
    Waiting(Option<Waker>),
}

/// A call as the runtime sees it.
struct Driver<O>(Arc<Call<O>>);

impl<O: Send + 'static> Future for Driver<O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut place = lock(&self.0.future);
        let Some(future) = place.as_mut() else { return Poll::Ready(()) };
        let poll = || self.0.options.scope(|| future.as_mut().poll(context));
        let reply = match panic::catch(poll) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(refusal) => Err(refusal),
        };
        let ended = place.take();
        drop(place);
        let _ = panic::catch(|| drop(ended));
        self.0.answer(reply);
        Poll::Ready(())
    }
}

/// A runtime that ends drops what it has: then whoever waits for an answer hears that there will be none.
impl<O> Drop for Driver<O> {
    fn drop(&mut self) {
        let future = lock(&self.0.future).take();
        if future.is_some() {
            let _ = panic::catch(|| drop(future));
            self.0.answer(Err(ended()));
        }
    }
}

impl<O> Call<O> {
    fn answer(&self, reply: Reply<O>) {
        let mut outcome = lock(&self.outcome);
        if let Outcome::Waiting(waker) = &mut *outcome {
            let waker = waker.take();
            *outcome = Outcome::Done(reply);
            drop(outcome);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// A call as the host sees it. Dropping it drops the plugin's future.
pub(crate) struct Remote<O: Send + 'static> {
    call: Arc<Call<O>>,
    runtime: Arc<dyn Runtime>,
}

impl<O: Send + 'static> Remote<O> {
    /// Has a runtime poll a future, under the options of the call that this thread is in.
    pub(crate) fn spawn(runtime: Arc<dyn Runtime>, future: BoxFuture<'static, O>) -> Self {
        let options = CallOptions::current();
        let (future, outcome) = (Mutex::new(Some(future)), Mutex::new(Outcome::Waiting(None)));
        let call = Arc::new(Call { options, future, outcome });
        runtime.spawn(Box::pin(Driver(call.clone())));
        Self { call, runtime }
    }
}

impl<O: Send + 'static> Future for Remote<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let mut outcome = lock(&self.call.outcome);
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Done(Ok(output)) => Poll::Ready(output),
            Outcome::Done(Err(refusal)) => {
                drop(outcome);
                panic::resume(refusal)
            }
            Outcome::Taken => panic!("a call was polled after it had answered"),
            Outcome::Waiting(_) => {
                *outcome = Outcome::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<O: Send + 'static> Drop for Remote<O> {
    fn drop(&mut self) {
        match std::mem::replace(&mut *lock(&self.call.outcome), Outcome::Taken) {
            Outcome::Taken => {}
            Outcome::Waiting(_) => {
                let call = self.call.clone();
                self.runtime.run(Box::new(move || {
                    let future = lock(&call.future).take();
                    let _ = panic::catch(|| drop(future));
                }));
            }
            // An answer that nobody fetched may hold what belongs to the runtime.
            Outcome::Done(reply) => self.runtime.run(Box::new(move || {
                let _ = panic::catch(|| drop(reply));
            })),
        }
    }
}

/// A call of an object that lives at a runtime: what it answers lives there too.
pub(super) struct Answering<O: Send + 'static>(pub(super) Remote<O>);

impl<O: Send + 'static> Future for Answering<O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let polled = Pin::new(&mut self.0).poll(context);
        if polled.is_ready() {
            // Whoever polls a call does so in `concluding`, since its object is hosted, and holds the call until then.
            ANSWERED.set(&raw const self.0.runtime);
        }
        polled
    }
}
