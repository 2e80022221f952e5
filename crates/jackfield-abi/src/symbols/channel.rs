//! A channel between a host and a plugin, as Go's `chan` is one.

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::portable::Portable;
use super::queue::{Closed, Queue, Ticket};
use super::wait::wait;
use crate::buffer::{Keep, Keeper};
use crate::future::WakerRef;
use crate::shim;
use crate::type_text::TypeText;

/// A channel between a host and a plugin, as Go's `chan` is one: clones are the same channel, and whoever has one can
/// send, receive and close.
///
/// With the capacity 0 a sender waits until its value was received. A closed channel still gives what was accepted.
///
/// ```
/// use jackfield_abi::symbols::{Channel, Closed};
///
/// let channel = Channel::new(0);
/// std::thread::scope(|scope| {
///     scope.spawn(|| channel.send(42));
///     assert_eq!(channel.recv(), Ok(42));
/// });
/// channel.close();
/// assert_eq!((channel.recv(), channel.send(43)), (Err(Closed), Err(Closed)));
/// ```
pub struct Channel<T> {
    origin: Origin<T>,
}

/// Where the queue of a channel is.
enum Origin<T> {
    Here(Arc<Queue<T>>),
    There(Arc<Foreign>),
}

impl<T: Portable> Channel<T> {
    /// A channel that holds so many values that nobody has received yet.
    pub fn new(capacity: usize) -> Self {
        Self { origin: Origin::Here(Arc::new(Queue::new(capacity))) }
    }

    /// Sends a value, and waits until it was accepted. The future of the same name is [`Sending`].
    ///
    /// # Errors
    ///
    /// The channel is closed.
    pub fn send(&self, value: T) -> Result<(), Closed> {
        let mut sending = self.sending(value);
        wait(None, |waker| sending.poll_with(waker)).unwrap_or(Err(Closed))
    }

    /// Sends a value if it is accepted within `timeout`. Returns whether it was; if not, it was taken back.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<bool, Closed> {
        let mut sending = self.sending(value);
        match wait(Instant::now().checked_add(timeout), |waker| sending.poll_with(waker)) {
            Some(sent) => sent.map(|()| true),
            // It may have been accepted in the last moment.
            None => Ok(!sending.leave()),
        }
    }

    /// Sends a value: a future.
    pub fn sending(&self, value: T) -> Sending<'_, T> {
        Sending { channel: self, value: Some(value), ticket: 0 }
    }

    /// Receives a value, and waits until there is one.
    ///
    /// # Errors
    ///
    /// The channel is closed, and nothing is left in it.
    pub fn recv(&self) -> Result<T, Closed> {
        let mut receiving = self.receiving();
        wait(None, |waker| receiving.poll_with(waker)).unwrap_or(Err(Closed))
    }

    /// Receives a value if there is one within `timeout`.
    ///
    /// # Errors
    ///
    /// The channel is closed, and nothing is left in it.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<T>, Closed> {
        let mut receiving = self.receiving();
        let received = wait(Instant::now().checked_add(timeout), |waker| receiving.poll_with(waker));
        received.transpose()
    }

    /// Receives a value if there is one now.
    ///
    /// # Errors
    ///
    /// The channel is closed, and nothing is left in it.
    pub fn try_recv(&self) -> Result<Option<T>, Closed> {
        match self.receiving().poll_with(Waker::noop()) {
            Poll::Ready(received) => received.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Receives a value: a future.
    pub fn receiving(&self) -> Receiving<'_, T> {
        Receiving { channel: self, ticket: 0 }
    }

    /// Closes the channel: what was accepted can still be received, nothing more is accepted.
    pub fn close(&self) {
        match &self.origin {
            Origin::Here(queue) => queue.close(),
            // SAFETY: the table belongs to the data.
            Origin::There(foreign) => unsafe { (foreign.raw.table().close)(foreign.raw.data) },
        }
    }

    fn offer(&self, value: T) -> Result<Ticket, Closed> {
        match &self.origin {
            Origin::Here(queue) => queue.offer(value),
            Origin::There(foreign) => foreign.offer(value),
        }
    }

    fn poll_accepted(&self, ticket: Ticket, waker: &Waker) -> Poll<Result<(), Closed>> {
        match &self.origin {
            Origin::Here(queue) => queue.poll_accepted(ticket, waker),
            Origin::There(foreign) => foreign.poll_accepted(ticket, waker),
        }
    }

    fn poll_take(&self, ticket: &mut Ticket, waker: &Waker) -> Poll<Result<T, Closed>> {
        match &self.origin {
            Origin::Here(queue) => queue.poll_take(ticket, waker),
            Origin::There(foreign) => foreign.poll_take(ticket, waker),
        }
    }

    fn leave(&self, ticket: Ticket) -> bool {
        match &self.origin {
            Origin::Here(queue) => queue.leave(ticket),
            // SAFETY: the table belongs to the data.
            Origin::There(foreign) => unsafe { (foreign.raw.table().leave)(foreign.raw.data, ticket) != 0 },
        }
    }
}

/// A value that is being sent. Dropped before it was accepted, it is taken back.
#[must_use = "a value is sent only while this is polled"]
pub struct Sending<'a, T: Portable> {
    channel: &'a Channel<T>,
    value: Option<T>,
    ticket: Ticket,
}

impl<T: Portable> Sending<'_, T> {
    fn poll_with(&mut self, waker: &Waker) -> Poll<Result<(), Closed>> {
        if let Some(value) = self.value.take() {
            self.ticket = self.channel.offer(value)?;
        }
        let polled = self.channel.poll_accepted(self.ticket, waker);
        if polled.is_ready() {
            self.ticket = 0;
        }
        polled
    }

    /// Takes the value back. Returns whether it could still be taken back.
    fn leave(&mut self) -> bool {
        let ticket = std::mem::take(&mut self.ticket);
        self.value.take().is_some() || (ticket != 0 && self.channel.leave(ticket))
    }
}

impl<T: Portable + Unpin> Future for Sending<'_, T> {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(context.waker())
    }
}

impl<T: Portable> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A value that is being received. Dropped before there was one, nothing is lost.
#[must_use = "a value is received only while this is polled"]
pub struct Receiving<'a, T: Portable> {
    channel: &'a Channel<T>,
    ticket: Ticket,
}

impl<T: Portable> Receiving<'_, T> {
    pub(super) fn poll_with(&mut self, waker: &Waker) -> Poll<Result<T, Closed>> {
        self.channel.poll_take(&mut self.ticket, waker)
    }
}

impl<T: Portable> Future for Receiving<'_, T> {
    type Output = Result<T, Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(context.waker())
    }
}

impl<T: Portable> Drop for Receiving<'_, T> {
    fn drop(&mut self) {
        if self.ticket != 0 {
            self.channel.leave(self.ticket);
        }
    }
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        let origin = match &self.origin {
            Origin::Here(queue) => Origin::Here(queue.clone()),
            Origin::There(foreign) => Origin::There(foreign.clone()),
        };
        Self { origin }
    }
}

// What crosses.

/// A channel in C layout: the table's functions take `data`, and `drop` ends it, once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawChannel {
    pub(crate) data: *mut c_void,
    pub(crate) table: *const ChannelTable,
}

/// The functions of a channel. None of them waits or unwinds. The types of `offer` and `take` are erased: they are
/// `fn(data, T, ticket*) -> u32` and `fn(data, ticket*, waker, T*) -> u32`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct ChannelTable {
    pub(crate) offer: shim::Erased,
    pub(crate) accepted: unsafe extern "C" fn(*mut c_void, Ticket, WakerRef) -> u32,
    pub(crate) take: shim::Erased,
    pub(crate) leave: unsafe extern "C" fn(*mut c_void, Ticket) -> u32,
    pub(crate) close: unsafe extern "C" fn(*mut c_void),
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
}

type Offer<R> = unsafe extern "C" fn(*mut c_void, R, *mut Ticket) -> u32;
type Take<R> = unsafe extern "C" fn(*mut c_void, *mut Ticket, WakerRef, *mut MaybeUninit<R>) -> u32;

impl RawChannel {
    fn table(&self) -> &ChannelTable {
        // SAFETY: it is a constant of the side that gave the channel, whose code `peer` keeps mapped.
        unsafe { &*self.table }
    }
}

/// A channel whose queue is on the other side. The fields drop in this order.
struct Foreign {
    raw: RawChannel,
    peer: Keep,
}

impl Foreign {
    fn offer<T: Portable>(&self, value: T) -> Result<Ticket, Closed> {
        let mut ticket = 0;
        // SAFETY: `give` made the table of a channel of this type.
        let offer = unsafe { std::mem::transmute::<shim::Erased, Offer<T::Repr>>(self.raw.table().offer) };
        // SAFETY: the value is handed over, and the place is valid for this call.
        match unsafe { offer(self.raw.data, value.give(&self.peer), &raw mut ticket) } {
            DONE => Ok(ticket),
            _ => Err(Closed),
        }
    }

    fn poll_accepted(&self, ticket: Ticket, waker: &Waker) -> Poll<Result<(), Closed>> {
        // SAFETY: the table belongs to the data, and the waker is lent for this call.
        match unsafe { (self.raw.table().accepted)(self.raw.data, ticket, WakerRef::new(waker)) } {
            DONE => Poll::Ready(Ok(())),
            PENDING => Poll::Pending,
            _ => Poll::Ready(Err(Closed)),
        }
    }

    fn poll_take<T: Portable>(&self, ticket: &mut Ticket, waker: &Waker) -> Poll<Result<T, Closed>> {
        let mut place = MaybeUninit::<T::Repr>::uninit();
        // SAFETY: `give` made the table of a channel of this type.
        let take = unsafe { std::mem::transmute::<shim::Erased, Take<T::Repr>>(self.raw.table().take) };
        let to_place = (&raw mut place).cast();
        // SAFETY: the places are valid and the waker is lent for this call.
        match unsafe { take(self.raw.data, ticket, WakerRef::new(waker), to_place) } {
            DONE => {
                // SAFETY: with this status the other side wrote a value.
                let value = unsafe { place.assume_init() };
                // SAFETY: it was given, and is taken once.
                Poll::Ready(Ok(unsafe { T::take(value, &self.peer) }))
            }
            PENDING => Poll::Pending,
            _ => Poll::Ready(Err(Closed)),
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: this is the one time, and `peer` is dropped after it.
        unsafe { (self.raw.table().drop)(self.raw.data) }
    }
}

// SAFETY: the channel that it stands for is `Send`.
unsafe impl Send for Foreign {}
// SAFETY: the channel that it stands for is `Sync`.
unsafe impl Sync for Foreign {}

/// A channel that was given to the other side.
struct Given<T> {
    channel: Channel<T>,
    /// Weak, so that a library that keeps the channel does not keep itself mapped.
    peer: Option<Weak<dyn Keeper>>,
}

impl<T> Given<T> {
    /// What keeps the code of whoever calls mapped; `None` if that is being unloaded.
    fn peer(&self) -> Option<Keep> {
        self.peer.as_ref().map_or(Some(None), |peer| peer.upgrade().map(Some))
    }
}

/// The functions of a channel of this type.
struct Functions<T>(PhantomData<T>);

impl<T: Portable> Functions<T> {
    const TABLE: ChannelTable = ChannelTable {
        // SAFETY: only `Foreign::offer` uses it, and restores this type.
        offer: unsafe { std::mem::transmute::<Offer<T::Repr>, shim::Erased>(offer::<T>) },
        accepted: accepted::<T>,
        // SAFETY: only `Foreign::poll_take` uses it, and restores this type.
        take: unsafe { std::mem::transmute::<Take<T::Repr>, shim::Erased>(take::<T>) },
        leave: leave::<T>,
        close: close::<T>,
        drop: drop_given::<T>,
    };
}

// SAFETY: the text names the type of the values, and what crosses is the table of a channel of that type.
unsafe impl<T: Portable> Portable for Channel<T> {
    type Repr = RawChannel;
    const NAME: &'static str = const { &TypeText::new().push("Channel<").push(T::NAME).push(">") }.as_str();
    const NEEDS_PEER: bool = true;

    fn give(self, peer: &Keep) -> RawChannel {
        // Whoever waits leaves a waker here, whose code is the other side's.
        let peer = peer.as_ref().map(Arc::downgrade);
        let data = Box::into_raw(Box::new(Given { channel: self, peer })).cast();
        RawChannel { data, table: &raw const *const { &Functions::<T>::TABLE } }
    }

    unsafe fn take(raw: RawChannel, peer: &Keep) -> Self {
        Self { origin: Origin::There(Arc::new(Foreign { raw, peer: peer.clone() })) }
    }
}

/// # Safety
/// `give` made the data with this type, and it was not dropped.
unsafe fn given<'a, T>(data: *mut c_void) -> &'a Given<T> {
    // SAFETY: the caller says so.
    unsafe { &*data.cast::<Given<T>>() }
}

unsafe extern "C" fn offer<T: Portable>(data: *mut c_void, value: T::Repr, ticket: *mut Ticket) -> u32 {
    status(|| {
        // SAFETY: whoever calls holds the channel.
        let given = unsafe { given::<T>(data) };
        let peer = given.peer();
        // SAFETY: the value was given for this call. It is taken even where it is dropped at once.
        let value = unsafe { T::take(value, peer.as_ref().unwrap_or(&None)) };
        if peer.is_none() {
            return Poll::Ready(Err(Closed));
        }
        let offered = given.channel.offer(value);
        // SAFETY: the caller passes a place for the ticket.
        Poll::Ready(offered.map(|offered| unsafe { ticket.write(offered) }))
    })
}

unsafe extern "C" fn accepted<T: Portable>(data: *mut c_void, ticket: Ticket, waker: WakerRef) -> u32 {
    status(|| {
        // SAFETY: whoever calls holds the channel.
        let given = unsafe { given::<T>(data) };
        let Some(peer) = given.peer() else { return Poll::Ready(Err(Closed)) };
        waker.with(&peer, |waker| given.channel.poll_accepted(ticket, waker))
    })
}

unsafe extern "C" fn take<T: Portable>(
    data: *mut c_void,
    ticket: *mut Ticket,
    waker: WakerRef,
    place: *mut MaybeUninit<T::Repr>,
) -> u32 {
    status(|| {
        // SAFETY: whoever calls holds the channel.
        let given = unsafe { given::<T>(data) };
        let Some(peer) = given.peer() else { return Poll::Ready(Err(Closed)) };
        // SAFETY: the caller passes a place for the ticket.
        let ticket = unsafe { &mut *ticket };
        waker.with(&peer, |waker| given.channel.poll_take(ticket, waker)).map_ok(|value| {
            // SAFETY: the caller passes a place for the value.
            unsafe { place.write(MaybeUninit::new(value.give(&peer))) };
        })
    })
}

unsafe extern "C" fn leave<T: Portable>(data: *mut c_void, ticket: Ticket) -> u32 {
    // SAFETY: whoever calls holds the channel.
    super::outcome::caught(|| unsafe { given::<T>(data) }.channel.leave(ticket)).map_or(0, u32::from)
}

unsafe extern "C" fn close<T: Portable>(data: *mut c_void) {
    // SAFETY: whoever calls holds the channel.
    let _ = super::outcome::caught(|| unsafe { given::<T>(data) }.channel.close());
}

unsafe extern "C" fn drop_given<T: Portable>(data: *mut c_void) {
    // SAFETY: `give` boxed it with this type, and it is dropped once.
    shim::discard(unsafe { Box::from_raw(data.cast::<Given<T>>()) });
}

/// The status of a poll. A value whose destructor or conversion panics ends the use of the channel, not the process.
fn status(poll: impl FnOnce() -> Poll<Result<(), Closed>>) -> u32 {
    match super::outcome::caught(poll) {
        Ok(Poll::Ready(Ok(()))) => DONE,
        Ok(Poll::Pending) => PENDING,
        Ok(Poll::Ready(Err(Closed))) | Err(_) => CLOSED,
    }
}

const DONE: u32 = 0;
const PENDING: u32 = 1;
const CLOSED: u32 = 2;

impl<T: Portable> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&T::NAME).finish()
    }
}

impl<T: Portable> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl<T: Portable> fmt::Debug for Receiving<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl fmt::Debug for RawChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawChannel").field("data", &self.data).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel, and the same one as the other side has it.
    fn both(capacity: usize) -> [Channel<String>; 2] {
        let here = Channel::new(capacity);
        // SAFETY: given and taken once, in this line.
        let there = unsafe { Channel::take(here.clone().give(&None), &None) };
        [here, there]
    }

    #[test]
    fn values_arrive_in_order_on_either_side() {
        for capacity in [0, 1, 5] {
            let [here, there] = both(capacity);
            for (from, to) in [(&here, &there), (&there, &here)] {
                std::thread::scope(|scope| {
                    scope.spawn(|| (0..100).for_each(|number| from.send(number.to_string()).expect("open")));
                    (0..100).for_each(|number| assert_eq!(to.recv(), Ok(number.to_string())));
                });
            }
        }
    }

    #[test]
    fn a_full_channel_makes_its_sender_wait_and_takes_back_what_it_gives_up() {
        let [here, there] = both(1);
        assert_eq!(there.send_timeout("one".to_owned(), Duration::ZERO), Ok(true));
        assert_eq!(there.send_timeout("two".to_owned(), Duration::ZERO), Ok(false), "there is room for one");
        assert_eq!((here.try_recv(), here.try_recv()), (Ok(Some("one".to_owned())), Ok(None)));
        let [here, there] = both(0);
        assert_eq!(there.send_timeout("one".to_owned(), Duration::ZERO), Ok(false), "nobody receives");
        assert_eq!(here.recv_timeout(Duration::ZERO), Ok(None), "it was taken back");
    }

    #[test]
    fn closing_ends_whoever_waits() {
        for (close, wait) in [(0, 1), (1, 0)] {
            let (channels, full) = (both(0), both(1));
            full[0].send("kept".to_owned()).expect("there is room");
            std::thread::scope(|scope| {
                let receiver = scope.spawn(|| channels[wait].recv());
                let sender = scope.spawn(|| full[wait].send("refused".to_owned()));
                channels[close].close();
                full[close].close();
                assert_eq!(receiver.join().expect("no panic"), Err(Closed));
                assert_eq!(sender.join().expect("no panic"), Err(Closed));
            });
            assert_eq!((full[wait].recv(), full[wait].recv()), (Ok("kept".to_owned()), Err(Closed)));
        }
    }
}
