//! Streams of messages that are polled across the boundary.

use std::ffi::c_void;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes};
use crate::cross::{Output, argument_by_giving};
use crate::future::WakerRef;
use crate::runtime::{self, Runtime};
use crate::shim::{self, RefusalPlace, Reply, Return};

/// Where messages come from, one at a time and only when they are asked for: so whoever reads slowly slows down
/// whoever writes.
pub trait Feed: Send + 'static {
    /// Asks for the next message. `None` is the end, after which it is not asked again; nor is it after a refusal.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>>;
}

/// A stream of messages that crosses: whoever receives it polls code of whoever sent it. Dropping it tells the sender
/// that nobody reads any more.
pub struct Messages(Box<dyn Feed>);

impl Messages {
    /// Messages from this source.
    pub fn new(feed: impl Feed) -> Self {
        Self(runtime::place_feed(Box::new(feed)))
    }

    /// Asks for the next message.
    pub fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>> {
        self.0.poll_message(context)
    }

    fn empty() -> Self {
        Self::new(Empty)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Messages")
    }
}

/// A stream that is polled and dropped at a runtime of this side's.
pub(crate) fn at_runtime(runtime: Arc<dyn Runtime>, feed: Box<dyn Feed>) -> Box<dyn Feed> {
    Box::new(Remote { runtime, idle: Some(feed), running: None })
}

/// A stream that lives at a runtime of this side's, and is polled and dropped there.
struct Remote {
    runtime: Arc<dyn Runtime>,
    idle: Option<Box<dyn Feed>>,
    running: Option<runtime::Remote<Polled>>,
}

/// A stream that was asked for a message, and the message.
type Polled = (Box<dyn Feed>, Option<Reply<Bytes>>);

impl Feed for Remote {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>> {
        if let Some(mut feed) = self.idle.take() {
            let next = async move {
                let message = poll_fn(|context| feed.poll_message(context)).await;
                (feed, message)
            };
            self.running = Some(runtime::Remote::spawn(self.runtime.clone(), Box::pin(next)));
        }
        let Some(running) = &mut self.running else { return Poll::Ready(None) };
        Pin::new(running).poll(context).map(|(feed, message)| {
            self.idle = Some(feed);
            self.running = None;
            message
        })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(feed) = self.idle.take() {
            self.runtime.run(Box::new(move || shim::discard(feed)));
        }
    }
}

/// What is left of a stream that was handed over.
struct Empty;

impl Feed for Empty {
    fn poll_message(&mut self, _: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>> {
        Poll::Ready(None)
    }
}

/// A stream in C layout. It is polled from one place at a time and dropped once.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct RawStream {
    pub(crate) state: *mut c_void,
    pub(crate) next: unsafe extern "C" fn(*mut c_void, WakerRef, *mut RawBytes) -> Return<RawBytes>,
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
}

/// A stream that was handed over, with what keeps the code of the side that polls it mapped.
struct Exported {
    feed: Box<dyn Feed>,
    peer: Keep,
}

unsafe extern "C" fn next_exported(
    state: *mut c_void,
    waker: WakerRef,
    refusal: *mut RawBytes,
) -> Return<RawBytes> {
    // SAFETY: `give` made `state` with this type, and the other side polls from one place at a time.
    let Exported { feed, peer } = unsafe { &mut *state.cast::<Exported>() };
    shim::next(&mut **feed, waker, peer, refusal)
}

unsafe extern "C" fn drop_exported(state: *mut c_void) {
    // SAFETY: `give` made `state` with this type, and the other side drops it once.
    shim::discard(unsafe { Box::from_raw(state.cast::<Exported>()) });
}

/// A stream of the other side's. The fields drop in this order: first the stream, in `drop`, then the share of its code.
struct Imported {
    raw: RawStream,
    peer: Keep,
}

impl Feed for Imported {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>> {
        let mut refusal = RefusalPlace::uninit();
        let waker = WakerRef::new(context.waker());
        // SAFETY: the stream is alive until `drop`, and `&mut self` makes this the only poll.
        let returned = unsafe { (self.raw.next)(self.raw.state, waker, refusal.as_mut_ptr()) };
        if returned.is_end() {
            return Poll::Ready(None);
        }
        // SAFETY: this is the outcome of the call above.
        match unsafe { shim::read::<Bytes>(returned, &refusal, &self.peer) } {
            Some(reply) => Poll::Ready(Some(reply)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        // SAFETY: it is dropped once, and `peer` keeps the code mapped until after this.
        unsafe { (self.raw.drop)(self.raw.state) }
    }
}

// SAFETY: a `Feed` is `Send`, on either side.
unsafe impl Send for Imported {}

// SAFETY: the representation is a stream that `give` made, and names its own functions.
unsafe impl Output for Messages {
    type Repr = RawStream;
    const NAME: &'static str = "stream";

    fn give(self, peer: &Keep) -> RawStream {
        let exported = Exported { feed: self.0, peer: peer.clone() };
        RawStream {
            state: Box::into_raw(Box::new(exported)).cast(),
            next: next_exported,
            drop: drop_exported,
        }
    }

    unsafe fn take(raw: RawStream, peer: &Keep) -> Self {
        Self(Box::new(Imported { raw, peer: peer.clone() }))
    }
}

argument_by_giving!(Messages: Messages::empty());

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::{Refusal, RefusalKind};

    /// Counts down, pending once before each message.
    struct Countdown {
        left: u8,
        is_woken: bool,
        _owner: Arc<()>,
    }

    impl Feed for Countdown {
        fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>> {
            if !std::mem::replace(&mut self.is_woken, true) {
                #[expect(clippy::waker_clone_wake, reason = "what is tested is that a clone crosses")]
                context.waker().clone().wake();
                return Poll::Pending;
            }
            self.is_woken = false;
            match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    Poll::Ready(Some(Ok(vec![left].into())))
                }
                None => panic!("nothing is left"),
            }
        }
    }

    #[test]
    fn messages_refusals_and_drops_cross() {
        let owner = Arc::new(());
        let stream = Messages::new(Countdown { left: 2, is_woken: false, _owner: owner.clone() });
        // SAFETY: given and taken once, in this line.
        let mut stream = unsafe { Messages::take(stream.give(&None), &None) };
        let mut context = Context::from_waker(Waker::noop());
        for left in [1, 0] {
            assert!(stream.poll_message(&mut context).is_pending());
            assert_eq!(stream.poll_message(&mut context), Poll::Ready(Some(Ok(vec![left].into()))));
        }
        assert!(stream.poll_message(&mut context).is_pending());
        let refusal = Refusal::new(RefusalKind::Panic, "nothing is left");
        assert_eq!(stream.poll_message(&mut context), Poll::Ready(Some(Err(refusal))));
        drop(stream);
        assert_eq!(Arc::strong_count(&owner), 1, "the sender hears that nobody reads");
    }
}
