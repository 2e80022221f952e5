//! The host's side: a call through whatever is in the slot.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Instant;

use jackfield_abi::{
    self as abi, Bound, CallOptions, Entered, Refusal, RefusalKind, Reply, Running, Started, Tally,
};

use super::answer::Answer;
use super::arguments::Arguments;
use super::method::{Crossed, Given, Lend, MethodOf, method};
use crate::codec::DecodeError;
use crate::error::{CallError, Error, Failure, Fault};
use crate::parcel::Parcel;
use crate::slot::{Generation, Lane, Timer};
use crate::{BoxFuture, Gate, Handle};

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
                    if generation.count(bound.tally()) {
                        let refused = |refusal: &Refusal| refused_by::<M>(bound, refusal);
                        let outcome = concluded::<M>(direct.call(M::Arguments::lend(arguments), refused));
                        // It ends before the outcome is as large as an error, which would be written before and read
                        // again after it, and not before the answer is taken, which may hold the library.
                        drop(generation);
                        return outcome.map_err(|error| *error);
                    }
                }
            }
        }
    }
    match call_slowly::<M>(handle, arguments) {
        Ok(output) => Ok(output),
        Err(unanswered) => match *unanswered {
            Unanswered::Error(error) => Err(error),
            Unanswered::Lacking(_) => Err(lacking::<M>().into()),
        },
    }
}

/// Why a call has no output. It is boxed on its way, so that the output of a call that goes the short way stays in
/// registers: what is as large as an error would be returned in memory.
enum Unanswered<'a, M: MethodOf> {
    Error(Error<M::Fault>),
    /// The plugin lacks the method, so the arguments come back.
    Lacking(Given<'a, M>),
}

#[inline(always)]
fn concluded<M: MethodOf>(
    called: Result<Crossed<M>, Box<Error<M::Fault>>>,
) -> Result<M::Output, Box<Error<M::Fault>>> {
    called.and_then(|answer| M::Output::from_cross(answer).map_err(|error| Box::new(undecoded(error))))
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
    call_slowly::<M>(handle, arguments).or_else(|unanswered| match *unanswered {
        Unanswered::Error(error) => Err(error),
        Unanswered::Lacking(arguments) => default(handle, arguments),
    })
}

/// All other ways, kept out of line so that the first is short: a call inside a call, a thread's first call, an
/// encoded one, one with options, one whose time is taken.
#[inline(never)]
fn call_slowly<'a, M: MethodOf>(
    handle: &Handle<M::Interface>,
    arguments: Given<'a, M>,
) -> Result<M::Output, Box<Unanswered<'a, M>>> {
    let mut generation = handle.slot().enter();
    while let Lane::Held(gate) = generation.lane() {
        let gate = gate.clone();
        // Whoever hands over waits until nobody is inside.
        drop(generation);
        gate.wait();
        generation = handle.slot().enter();
    }
    let options = handle.options();
    let lacking = |arguments| Err(Box::new(Unanswered::Lacking(arguments)));
    let outcome = match generation.lane() {
        Lane::Bound(bound) if bound.lacks(M::INDEX) => return lacking(arguments),
        Lane::Bound(bound) => {
            let counted = Counted::begin(&generation, bound);
            let outcome = bound.scope(options, || {
                if let Some(direct) = bound.blocking::<Lend<M>, Crossed<M>>(M::INDEX) {
                    let refused = |refusal: &Refusal| refused_by::<M>(bound, refusal);
                    let called = direct.call(M::Arguments::lend(arguments), refused);
                    return concluded::<M>(called).map_err(|error| *error);
                }
                let request = M::Arguments::encode(arguments, method::<M>().arguments).into_crossing();
                decode_reply::<M>(bound.call_encoded(M::INDEX, request), bound.tally())
            });
            counted.end(bound.tally());
            outcome
        }
        Lane::Channel(channel) if channel.lacks(method::<M>()) => return lacking(arguments),
        Lane::Channel(channel) => {
            let request = M::Arguments::encode(arguments, method::<M>().arguments);
            let response = channel.call_blocking(method::<M>(), request, options);
            decode_response::<M>(response, &generation.share())
        }
        Lane::Closed(error) => Err(error.clone().into()),
        Lane::Held(_) => unreachable!("it was waited for"),
    };
    outcome.map_err(|error| Box::new(Unanswered::Error(error)))
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
    let mut alarm = options.expires_at().and_then(|at| Some(Alarm::new(handle.slot().timer()?, at)));
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
struct Alarm {
    timer: Arc<dyn Timer>,
    deadline: Instant,
    /// Whom it wakes, and what keeps it set.
    set: Option<(Waker, Box<dyn Send>)>,
}

impl Alarm {
    fn new(timer: Arc<dyn Timer>, deadline: Instant) -> Self {
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
    RunningDirect(Running<Crossed<M>>, Counted, Arc<Generation>),
    RunningEncoded(Running<abi::Parcel>, Counted, Arc<Generation>),
    Waiting(Gate, Given<'a, M>, Default<'a, M>),
}

/// A call of code in this process that is counted, and when it began if its time is taken.
struct Counted(Option<Instant>);

impl Counted {
    fn begin(generation: &Entered<'_, Generation>, bound: &Bound) -> Self {
        Self(bound.tally().and_then(|tally| generation.begin(tally)))
    }

    fn end(&self, tally: Option<&Tally>) {
        if let Some(tally) = tally {
            tally.end(self.0);
        }
    }
}

impl<'a, M: MethodOf> State<'a, M> {
    fn poll(&mut self, handle: &'a Handle<M::Interface>, context: &mut TaskContext<'_>) -> Poll<Outcome<M>> {
        let options = handle.options();
        let outcome = match self {
            Self::Waiting(gate, ..) if gate.poll(context).is_pending() => return Poll::Pending,
            Self::Ready(..) | Self::Waiting(..) => match std::mem::replace(self, Self::Done) {
                Self::Ready(arguments, default) | Self::Waiting(_, arguments, default) => {
                    return self.begin(handle, arguments, default, context);
                }
                _ => unreachable!("it was matched one line above"),
            },
            Self::RunningChannel(running, generation) => {
                running.as_mut().poll(context).map(|response| decode_response::<M>(response, generation))
            }
            Self::RunningDefault(running) => running.as_mut().poll(context),
            Self::RunningDirect(running, counted, generation) => {
                running.poll_with(options, context).map(|reply| {
                    let tally = generation.lane().tally();
                    counted.end(tally);
                    conclude::<M>(reply, tally)
                })
            }
            Self::RunningEncoded(running, counted, generation) => {
                running.poll_with(options, context).map(|reply| {
                    let tally = generation.lane().tally();
                    counted.end(tally);
                    decode_reply::<M>(reply, tally)
                })
            }
            Self::Done => panic!("a call was polled after it had answered"),
        };
        if outcome.is_ready() {
            *self = Self::Done;
        }
        outcome
    }

    #[inline]
    fn begin(
        &mut self,
        handle: &'a Handle<M::Interface>,
        arguments: Given<'a, M>,
        default: Default<'a, M>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Outcome<M>> {
        if handle.options().is_none() {
            if let Some(generation) = handle.slot().try_enter() {
                if let Lane::Bound(bound) = generation.lane() {
                    if let Some(direct) = bound.asynchronous::<Lend<M>, Crossed<M>>(M::INDEX) {
                        if generation.count(bound.tally()) {
                            return match direct.start(M::Arguments::lend(arguments), context) {
                                Started::Ready(reply) => Poll::Ready(conclude::<M>(reply, bound.tally())),
                                Started::Pending(running) => {
                                    *self = Self::RunningDirect(running, Counted(None), generation.share());
                                    Poll::Pending
                                }
                            };
                        }
                    }
                }
            }
        }
        self.begin_slowly(handle, arguments, default, context)
    }

    /// All other ways, kept out of line as those of [`call`].
    #[inline(never)]
    fn begin_slowly(
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
                let counted = Counted::begin(&generation, bound);
                if let Some(direct) = bound.asynchronous::<Lend<M>, Crossed<M>>(M::INDEX) {
                    let start = || direct.start(M::Arguments::lend(arguments), context);
                    return match bound.scope(options, start) {
                        Started::Ready(reply) => {
                            counted.end(bound.tally());
                            Poll::Ready(conclude::<M>(reply, bound.tally()))
                        }
                        Started::Pending(running) => {
                            *self = Self::RunningDirect(running, counted, generation.share());
                            Poll::Pending
                        }
                    };
                }
                let begun = (bound, counted, generation.share());
                return self.begin_encoded(begun, (arguments, options), context);
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
            Lane::Held(gate) => {
                *self = Self::Waiting(gate.clone(), arguments, default);
                drop(generation);
                return self.poll(handle, context);
            }
        }
        drop(generation);
        *self = Self::RunningDefault(default(handle, arguments));
        self.poll(handle, context)
    }

    fn begin_encoded(
        &mut self,
        (bound, counted, generation): (&Bound, Counted, Arc<Generation>),
        (arguments, options): (Given<'a, M>, Option<&CallOptions>),
        context: &mut TaskContext<'_>,
    ) -> Poll<Outcome<M>> {
        let request = M::Arguments::encode(arguments, method::<M>().arguments).into_crossing();
        let reply = match bound.scope(options, || bound.start_encoded(M::INDEX, request, context)) {
            Ok(Started::Ready(reply)) => reply,
            Ok(Started::Pending(running)) => {
                *self = Self::RunningEncoded(running, counted, generation);
                return Poll::Pending;
            }
            Err(refusal) => Err(refusal),
        };
        counted.end(bound.tally());
        Poll::Ready(decode_reply::<M>(reply, bound.tally()))
    }
}

// Nothing in it is pinned: each future is boxed already.
impl<M: MethodOf> Unpin for State<'_, M> {}

#[inline(always)]
fn crossed<M: MethodOf>(answer: Crossed<M>) -> Outcome<M> {
    M::Output::from_cross(answer).map_err(undecoded)
}

#[inline]
fn conclude<M: MethodOf>(reply: Reply<Crossed<M>>, tally: Option<&Tally>) -> Outcome<M> {
    match reply {
        Ok(answer) => crossed::<M>(answer),
        Err(refusal) => Err(refused::<M>(&refusal, tally)),
    }
}

fn decode_reply<M: MethodOf>(reply: Reply<abi::Parcel>, tally: Option<&Tally>) -> Outcome<M> {
    match reply {
        Ok(response) => M::Output::decode(Parcel::from_crossing(response), method::<M>()).map_err(undecoded),
        Err(refusal) => Err(refused::<M>(&refusal, tally)),
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

#[cold]
fn refused_by<M: MethodOf>(bound: &Bound, refusal: &Refusal) -> Box<Error<M::Fault>> {
    Box::new(refused::<M>(refusal, bound.tally()))
}

fn refused<M: MethodOf>(refusal: &Refusal, tally: Option<&Tally>) -> Error<M::Fault> {
    if let Some(tally) = tally {
        tally.refuse(refusal.kind);
    }
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
