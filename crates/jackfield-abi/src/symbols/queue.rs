//! The queue behind a channel, without any waiting: whoever has to wait is woken.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A channel was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl std::error::Error for Closed {}

/// The queue behind a channel.
///
/// It holds the values that were accepted, as many as its capacity, and behind them those whose senders wait. With the
/// capacity 0 a sender waits until its value was taken.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    capacity: usize,
    values: VecDeque<Entry<T>>,
    receivers: Vec<(Ticket, Waker)>,
    is_closed: bool,
    last: Ticket,
}

#[derive(Debug)]
struct Entry<T> {
    ticket: Ticket,
    value: T,
    /// Of a sender that waits.
    sender: Option<Waker>,
}

/// The number of somebody who may have to wait. Nobody has the number 0.
pub(super) type Ticket = u64;

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let (values, receivers) = (VecDeque::new(), Vec::new());
        Self { state: Mutex::new(State { capacity, values, receivers, is_closed: false, last: 0 }) }
    }

    /// Offers a value, and returns the number of the offer.
    ///
    /// # Errors
    ///
    /// The channel is closed.
    pub(super) fn offer(&self, value: T) -> Result<Ticket, Closed> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Closed);
        }
        let ticket = state.next_ticket();
        state.values.push_back(Entry { ticket, value, sender: None });
        let receivers = std::mem::take(&mut state.receivers);
        drop(state);
        receivers.into_iter().for_each(|(_, receiver)| receiver.wake());
        Ok(ticket)
    }

    /// Whether an offer was accepted.
    pub(super) fn poll_accepted(&self, ticket: Ticket, sender: &Waker) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        let place = state.values.iter().position(|entry| entry.ticket == ticket);
        let Some(place) = place.filter(|place| *place >= state.capacity) else { return Poll::Ready(Ok(())) };
        if state.is_closed {
            let refused = state.values.remove(place);
            drop(state);
            drop(refused);
            return Poll::Ready(Err(Closed));
        }
        state.values[place].sender = Some(sender.clone());
        Poll::Pending
    }

    /// Takes a value. While there is none, `ticket` is the number of the receiver that waits.
    pub(super) fn poll_take(&self, ticket: &mut Ticket, receiver: &Waker) -> Poll<Result<T, Closed>> {
        let mut state = self.lock();
        let Some(Entry { value, sender, .. }) = state.values.pop_front() else {
            if state.is_closed {
                return Poll::Ready(Err(Closed));
            }
            if *ticket == 0 {
                *ticket = state.next_ticket();
            }
            state.receivers.retain(|(other, _)| other != ticket);
            state.receivers.push((*ticket, receiver.clone()));
            return Poll::Pending;
        };
        // The one that has moved up is accepted.
        let place = state.capacity.checked_sub(1);
        let accepted =
            place.and_then(|place| state.values.get_mut(place)).and_then(|entry| entry.sender.take());
        drop(state);
        sender.into_iter().chain(accepted).for_each(Waker::wake);
        Poll::Ready(Ok(value))
    }

    /// Takes an offer back that was not accepted, or stops waiting for a value. Returns whether there was anything to
    /// take back.
    pub(super) fn leave(&self, ticket: Ticket) -> bool {
        let mut state = self.lock();
        let capacity = state.capacity;
        let place = state.values.iter().position(|entry| entry.ticket == ticket);
        let offer = place.filter(|place| *place >= capacity).and_then(|place| state.values.remove(place));
        let receivers = state.receivers.len();
        state.receivers.retain(|(other, _)| *other != ticket);
        let has_left = offer.is_some() || state.receivers.len() < receivers;
        drop(state);
        drop(offer);
        has_left
    }

    /// Closes the channel: what was accepted can still be taken, nothing more is accepted.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let receivers = std::mem::take(&mut state.receivers);
        let senders: Vec<_> = state.values.iter_mut().filter_map(|entry| entry.sender.take()).collect();
        drop(state);
        receivers.into_iter().map(|(_, receiver)| receiver).chain(senders).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn next_ticket(&mut self) -> Ticket {
        self.last += 1;
        self.last
    }
}
