//! The host's side: a call through whatever is in the slot.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Instant;

use jackfield_abi::{self as abi, Bound, CallOptions, Refusal, RefusalKind, Reply, Running, Started};

use super::answer::Answer;
use super::arguments::Arguments;
use super::method::{Crossed, Given, Lend, MethodOf, method};
use crate::codec::DecodeError;
use crate::error::{CallError, Error, Failure, Fault};
use crate::parcel::Parcel;
use crate::slot::{Generation, Lane, Timer};
use crate::{BoxFuture, Handle};

type Outcome<M> = Result<<M as MethodOf>::Output, Error<<M as MethodOf>::Fault>>;

/// Calls a blocking method.
///
/// # Errors
/// The plugin's own, or that no answer came.
#[inline(always)]
pub fn call<M: MethodOf>(handle: &Handle<M::Interface>, arguments: Given<'_, M>) -> Outcome<M> {
    if handle.options().is_none() {
        if let Some(generation) = handle.slot().try_enter() {
            if let Lane::Bound(bound) = generation.lane() {
                if let Some(direct) = bound.blocking::<Lend<M>, Crossed<M>>(M::INDEX) {
                    let answer = direct.call(M::Arguments::lend(arguments), refused::<M>)?;
                    return crossed::<M>(answer);
                }
            }
        }
    }
    match call_slowly::<M>(handle, arguments) {
        Ok(outcome) => outcome,
        Err(_) => Err(lacking::<M>().into()),
    }
}

/// Calls a blocking method, or what stands for it where the plugin lacks it.
///
/// # Errors
/// As for [`call`], or those of the default.
pub fn call_or<'a, M: MethodOf>(
    handle: &'a Handle<M::Interface>,
    arguments: Given<'a, M>,
    default: impl FnOnce(&'a Handle<M::Interface>, Given<'a, M>) -> Outcome<M>,
) -> Outcome<M> {
    call_slowly::<M>(handle, arguments).unwrap_or_else(|arguments| default(handle, arguments))
}

/// All other ways, kept out of line so that the first is short: a call inside a call, a thread's first call, an
/// encoded one, one with options. Gives the arguments back where the plugin lacks the method.
#[inline(never)]
fn call_slowly<'a, M: MethodOf>(
    handle: &Handle<M::Interface>,
    arguments: Given<'a, M>,
) -> Result<Outcome<M>, Given<'a, M>> {
    let generation = handle.slot().enter();
    let options = handle.options();
    Ok(match generation.lane() {
        Lane::Bound(bound) if bound.lacks(M::INDEX) => return Err(arguments),
        Lane::Bound(bound) => bound.scope(options, || {
            if let Some(direct) = bound.blocking::<Lend<M>, Crossed<M>>(M::INDEX) {
                return crossed::<M>(direct.call(M::Arguments::lend(arguments), refused::<M>)?);
            }
            let request = M::Arguments::encode(arguments, method::<M>().arguments).into_crossing();
            decode_reply::<M>(bound.call_encoded(M::INDEX, request))
        }),
        Lane::Channel(channel) if channel.lacks(method::<M>()) => return Err(arguments),
        Lane::Channel(channel) => {
            let request = M::Arguments::encode(arguments, method::<M>().arguments);
            let response = channel.call_blocking(method::<M>(), request, options);
            decode_response::<M>(response, &generation.share())
        }
        Lane::Closed(error) => Err(error.clone().into()),
    })
}

/// Calls an asynchronous method. Nothing happens before the first poll.
pub fn start<'a, M: MethodOf>(
    handle: &'a Handle<M::Interface>,
    arguments: Given<'a, M>,
) -> BoxFuture<'a, Outcome<M>> {
    start_or::<M>(handle, arguments, |_, _| Box::pin(std::future::ready(Err(lacking::<M>().into()))))
}

/// Calls an asynchronous method, or what stands for it where the plugin lacks it.
pub fn start_or<'a, M: MethodOf>(
    handle: &'a Handle<M::Interface>,
    arguments: Given<'a, M>,
    default: Default<'a, M>,
) -> BoxFuture<'a, Outcome<M>> {
    let mut state = State::<M>::Ready(arguments, default);
    let Some(options) = handle.options() else {
        return Box::pin(poll_fn(move |context| state.poll(handle, context)));
    };
    let mut alarm =
        handle.slot().timer().zip(options.expires_at()).map(|(timer, deadline)| Alarm::new(timer, deadline));
    Box::pin(poll_fn(move |context| match state.poll(handle, context) {
        Poll::Pending if options.remaining().is_some_and(|left| left.is_zero()) => {
            state = State::Done;
            Poll::Ready(Err(CallError::DeadlineExceeded { method: method::<M>().path.to_owned() }.into()))
        }
        Poll::Pending => {
            if let Some(alarm) = &mut alarm {
                alarm.set(context.waker());
            }
            Poll::Pending
        }
        ready => ready,
    }))
}

/// Wakes a pending call at its deadline.
struct Alarm<'a> {
    timer: &'a Arc<dyn Timer>,
    deadline: Instant,
    /// Whom it wakes, and what keeps it set.
    set: Option<(Waker, Box<dyn Send>)>,
}

impl<'a> Alarm<'a> {
    fn new(timer: &'a Arc<dyn Timer>, deadline: Instant) -> Self {
        Self { timer, deadline, set: None }
    }

    fn set(&mut self, waker: &Waker) {
        if !self.set.as_ref().is_some_and(|(before, _)| before.will_wake(waker)) {
            self.set = Some((waker.clone(), self.timer.wake_at(self.deadline, waker.clone())));
        }
    }
}

/// What runs where the plugin lacks a method.
pub(super) type Default<'a, M> =
    fn(&'a Handle<<M as MethodOf>::Interface>, Given<'a, M>) -> BoxFuture<'a, Outcome<M>>;

/// How far an asynchronous call has come. A generation is shared from the moment when the call did not answer at
/// once, so that draining it waits for the call.
enum State<'a, M: MethodOf> {
    Done,
    Ready(Given<'a, M>, Default<'a, M>),
    RunningChannel(BoxFuture<'static, Result<Parcel, Error>>, Arc<Generation>),
    RunningDefault(BoxFuture<'a, Outcome<M>>),
    RunningDirect(Running<Crossed<M>>, #[expect(dead_code, reason = "held")] Arc<Generation>),
    RunningEncoded(Running<abi::Parcel>, #[expect(dead_code, reason = "held")] Arc<Generation>),
}

impl<'a, M: MethodOf> State<'a, M> {
    fn poll(&mut self, handle: &'a Handle<M::Interface>, context: &mut TaskContext<'_>) -> Poll<Outcome<M>> {
        let options = handle.options();
        let outcome = match self {
            Self::Ready(..) => match std::mem::replace(self, Self::Done) {
                Self::Ready(arguments, default) => return self.begin(handle, arguments, default, context),
                _ => unreachable!("it was matched one line above"),
            },
            Self::RunningChannel(running, generation) => {
                running.as_mut().poll(context).map(|response| decode_response::<M>(response, generation))
            }
            Self::RunningDefault(running) => running.as_mut().poll(context),
            Self::RunningDirect(running, _) => running.poll_with(options, context).map(conclude::<M>),
            Self::RunningEncoded(running, _) => running.poll_with(options, context).map(decode_reply::<M>),
            Self::Done => panic!("a call was polled after it had answered"),
        };
        if outcome.is_ready() {
            *self = Self::Done;
        }
        outcome
    }

    fn begin(
        &mut self,
        handle: &'a Handle<M::Interface>,
        arguments: Given<'a, M>,
        default: Default<'a, M>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Outcome<M>> {
        let generation = handle.slot().enter();
        let options = handle.options();
        match generation.lane() {
            Lane::Bound(bound) if bound.lacks(M::INDEX) => {}
            Lane::Bound(bound) => {
                if let Some(direct) = bound.asynchronous::<Lend<M>, Crossed<M>>(M::INDEX) {
                    let start = || direct.start(M::Arguments::lend(arguments), context);
                    return match bound.scope(options, start) {
                        Started::Ready(reply) => Poll::Ready(conclude::<M>(reply)),
                        Started::Pending(running) => {
                            *self = Self::RunningDirect(running, generation.share());
                            Poll::Pending
                        }
                    };
                }
                return self.begin_encoded(&generation.share(), bound, (arguments, options), context);
            }
            Lane::Channel(channel) if channel.lacks(method::<M>()) => {}
            Lane::Channel(channel) => {
                let request = M::Arguments::encode(arguments, method::<M>().arguments);
                let mut running = channel.call(method::<M>(), request, options);
                let share = generation.share();
                drop(generation);
                let polled = running.as_mut().poll(context);
                if let Poll::Ready(response) = polled {
                    return Poll::Ready(decode_response::<M>(response, &share));
                }
                *self = Self::RunningChannel(running, share);
                return Poll::Pending;
            }
            Lane::Closed(error) => return Poll::Ready(Err(error.clone().into())),
        }
        drop(generation);
        *self = Self::RunningDefault(default(handle, arguments));
        self.poll(handle, context)
    }

    fn begin_encoded(
        &mut self,
        generation: &Arc<Generation>,
        bound: &Bound,
        (arguments, options): (Given<'a, M>, Option<&CallOptions>),
        context: &mut TaskContext<'_>,
    ) -> Poll<Outcome<M>> {
        let request = M::Arguments::encode(arguments, method::<M>().arguments).into_crossing();
        match bound.scope(options, || bound.start_encoded(M::INDEX, request, context)) {
            Ok(Started::Ready(reply)) => Poll::Ready(decode_reply::<M>(reply)),
            Ok(Started::Pending(running)) => {
                *self = Self::RunningEncoded(running, generation.clone());
                Poll::Pending
            }
            Err(refusal) => Poll::Ready(Err(refused::<M>(&refusal))),
        }
    }
}

// Nothing in it is pinned: each future is boxed already.
impl<M: MethodOf> Unpin for State<'_, M> {}

#[inline(always)]
fn crossed<M: MethodOf>(answer: Crossed<M>) -> Outcome<M> {
    M::Output::from_cross(answer).map_err(undecoded)
}

fn conclude<M: MethodOf>(reply: Reply<Crossed<M>>) -> Outcome<M> {
    match reply {
        Ok(answer) => crossed::<M>(answer),
        Err(refusal) => Err(refused::<M>(&refusal)),
    }
}

fn decode_reply<M: MethodOf>(reply: Reply<abi::Parcel>) -> Outcome<M> {
    match reply {
        Ok(response) => M::Output::decode(Parcel::from_crossing(response), method::<M>()).map_err(undecoded),
        Err(refusal) => Err(refused::<M>(&refusal)),
    }
}

/// A stream belongs to the generation on which it began, which is not drained before it ends.
fn decode_response<M: MethodOf>(response: Result<Parcel, Error>, generation: &Arc<Generation>) -> Outcome<M> {
    match response {
        Ok(response) => M::Output::decode(response.holding(generation), method::<M>()).map_err(undecoded),
        Err(Error::Call(error)) => Err(Error::Call(error)),
        Err(Error::Plugin(failure)) => Err(fault(failure)),
    }
}

#[cold]
fn undecoded<E>(error: DecodeError) -> Error<E> {
    Error::Call(error.into())
}

#[cold]
fn lacking<M: MethodOf>() -> CallError {
    CallError::Unimplemented { method: method::<M>().path.to_owned() }
}

fn refused<M: MethodOf>(refusal: &Refusal) -> Error<M::Fault> {
    match refusal_error(refusal, method::<M>().path) {
        Error::Call(error) => Error::Call(error),
        Error::Plugin(failure) => fault(failure),
    }
}
/// What a refusal of a library means.
pub(crate) fn refusal_error(refusal: &Refusal, method: &str) -> Error {
    let text = refusal.text();
    match refusal.kind {
        RefusalKind::Fault => match Failure::decode(&refusal.bytes) {
            Ok(failure) => Error::Plugin(failure),
            Err(error) => Error::Call(error.into()),
        },
        RefusalKind::Malformed => {
            CallError::Malformed { reason: format!("the request of `{method}`: {text}") }.into()
        }
        RefusalKind::Panic => CallError::Panicked { message: text }.into(),
        RefusalKind::Unknown => CallError::Wire { reason: text }.into(),
    }
}

/// What the refusal of a constructor means.
pub fn constructor_error(refusal: &Refusal) -> Error {
    refusal_error(refusal, "the constructor")
}

fn fault<E: Fault>(failure: Failure) -> Error<E> {
    match E::from_failure(failure) {
        Ok(fault) => Error::Plugin(fault),
        Err(failure) => Error::Call(CallError::Malformed {
            reason: format!("the plugin's error is of another type: {failure}"),
        }),
    }
}
