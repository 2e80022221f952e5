//! When a plugin that does not answer is called no more for a while.

use std::time::{Duration, Instant};

use jackfield_core::{CallError, Error, Parcel};

/// When a plugin that does not answer is called no more for a while, so that its callers fail at once rather than wait.
///
/// After so many calls in a row without an answer (the connection failed, the plugin has ended, or the deadline came) the
/// circuit is *open*: calls fail with [`CallError::Tripped`]. After the pause it is *half open*: one call is let through,
/// and another one after each further pause, until one is answered: the circuit is *closed* again, as it was at first.
/// Whatever the plugin says is an answer, an error of its own and a panic too. A call that is given up before its deadline
/// says nothing.
///
/// Each generation begins with a closed circuit. Of a plugin in this process only asynchronous calls can be without an answer,
/// by their deadline; what a breaker costs there is said of [limits](crate::Limits#in-this-process).
///
/// ```
/// use std::time::Duration;
/// use jackfield::{Breaker, Manager};
///
/// let mut breaker = Breaker::default();
/// breaker.pause = Duration::from_secs(1);
/// let manager = Manager::builder().breaker(breaker).build();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// How many calls in a row without an answer open the circuit; 5 by default, at least 1.
    pub errors: u32,
    /// How long it is open before a call tries the plugin; 10 s by default.
    pub pause: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { errors: 5, pause: Duration::from_secs(10) }
    }
}

/// Whether a plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Circuit {
    /// It is called.
    Closed,
    /// One call tries it, and the others fail at once.
    HalfOpen,
    /// It is not called.
    Open,
}

/// The circuit of one instance. It is told the time, and has no clock.
#[derive(Debug)]
pub(super) struct Switch {
    breaker: Breaker,
    state: State,
    /// How often the state was another one. What began under another says nothing of this one.
    round: u64,
    /// What became of the last call without an answer.
    last: String,
}

#[derive(Debug)]
enum State {
    /// So many calls in a row got no answer.
    Closed {
        row: u32,
    },
    /// One call tries, and the next one may at this time if that has not been answered.
    HalfOpen {
        until: Option<Instant>,
    },
    Open {
        until: Option<Instant>,
    },
}

/// That a call was let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    round: u64,
}

/// What a call says of its plugin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict<'a> {
    Answers,
    DoesNotAnswer(&'a CallError),
    Unknown,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(result: &'a Result<Parcel, Error>) -> Self {
        match result {
            Ok(_) | Err(Error::Plugin(_)) => Self::Answers,
            Err(Error::Call(error)) => match error {
                CallError::Panicked { .. } | CallError::Unimplemented { .. } => Self::Answers,
                CallError::Closed { .. }
                | CallError::DeadlineExceeded { .. }
                | CallError::Exited { .. }
                | CallError::Wire { .. } => Self::DoesNotAnswer(error),
                // It may be the request that is malformed, or too large, and never got to the plugin.
                _ => Self::Unknown,
            },
        }
    }
}

impl Switch {
    pub(super) fn new(breaker: Breaker) -> Self {
        Self { breaker, state: State::Closed { row: 0 }, round: 0, last: String::new() }
    }

    pub(super) fn circuit(&self) -> Circuit {
        match self.state {
            State::Closed { .. } => Circuit::Closed,
            State::HalfOpen { .. } => Circuit::HalfOpen,
            State::Open { .. } => Circuit::Open,
        }
    }

    /// Lets a call through, or says why not.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, CallError> {
        match self.state {
            State::Closed { .. } => {}
            // The one that tries may take for ever, as a stream does that begins late.
            State::Open { until: Some(until) } | State::HalfOpen { until: Some(until) } if until <= now => {
                self.turn(State::HalfOpen { until: now.checked_add(self.breaker.pause) });
            }
            State::HalfOpen { .. } => return Err(self.tripped(Duration::ZERO)),
            State::Open { until } => {
                let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(now));
                return Err(self.tripped(left));
            }
        }
        Ok(Ticket { round: self.round })
    }

    /// Takes notice of what came of a call. Returns whether the circuit is another one for it.
    pub(super) fn settle(&mut self, ticket: Ticket, verdict: Verdict<'_>, now: Instant) -> Option<Circuit> {
        if ticket.round != self.round {
            return None;
        }
        if let Verdict::DoesNotAnswer(error) = verdict {
            self.last = error.to_string();
        }
        let open = State::Open { until: now.checked_add(self.breaker.pause) };
        match (&mut self.state, verdict) {
            (State::Closed { row }, Verdict::Answers) => *row = 0,
            (State::Closed { row }, Verdict::DoesNotAnswer(_)) => {
                *row += 1;
                if *row >= self.breaker.errors {
                    self.turn(open);
                    return Some(Circuit::Open);
                }
            }
            (State::HalfOpen { .. }, Verdict::Answers) => {
                self.turn(State::Closed { row: 0 });
                return Some(Circuit::Closed);
            }
            (State::HalfOpen { .. }, Verdict::DoesNotAnswer(_)) => self.turn(open),
            // The next one tries.
            (State::HalfOpen { .. }, Verdict::Unknown) => self.turn(State::Open { until: Some(now) }),
            (State::Closed { .. }, Verdict::Unknown) | (State::Open { .. }, _) => {}
        }
        None
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.round += 1;
    }

    fn tripped(&self, left: Duration) -> CallError {
        CallError::Tripped { errors: self.breaker.errors.max(1), last: self.last.clone(), left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn switch() -> (Switch, Instant) {
        (Switch::new(Breaker { errors: 3, pause: 10 * SECOND }), Instant::now())
    }

    fn error() -> CallError {
        CallError::Wire { reason: "cut".to_owned() }
    }

    fn open() -> (Switch, Instant) {
        let (mut switch, now) = switch();
        for expected in [None, None, Some(Circuit::Open)] {
            let ticket = switch.admit(now).expect("it is closed");
            assert_eq!(switch.settle(ticket, Verdict::DoesNotAnswer(&error()), now), expected);
        }
        (switch, now)
    }

    fn left(switch: &mut Switch, now: Instant) -> Duration {
        match switch.admit(now) {
            Err(CallError::Tripped { errors: 3, last, left }) => {
                assert_eq!(last, error().to_string());
                left
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn so_many_errors_in_a_row_open_it_for_the_pause() {
        let (mut switch, now) = open();
        assert_eq!((switch.circuit(), left(&mut switch, now)), (Circuit::Open, 10 * SECOND));
        assert_eq!(left(&mut switch, now + 9 * SECOND), SECOND);
    }

    #[test]
    fn an_answer_ends_the_row_and_a_call_that_is_given_up_does_not() {
        let (mut switch, now) = switch();
        let error = error();
        let verdict = Verdict::DoesNotAnswer(&error);
        for verdict in [verdict, verdict, Verdict::Answers, verdict, verdict, Verdict::Unknown] {
            let ticket = switch.admit(now).expect("it is closed");
            assert_eq!(switch.settle(ticket, verdict, now), None);
        }
        let ticket = switch.admit(now).expect("it is closed");
        assert_eq!(switch.settle(ticket, verdict, now), Some(Circuit::Open));
    }

    #[test]
    fn after_the_pause_one_call_tries_and_decides() {
        let (mut switch, now) = open();
        let later = now + 10 * SECOND;
        let probe = switch.admit(later).expect("it tries");
        assert_eq!((switch.circuit(), left(&mut switch, later)), (Circuit::HalfOpen, Duration::ZERO));
        assert_eq!(switch.settle(probe, Verdict::DoesNotAnswer(&error()), later), None);
        assert_eq!(left(&mut switch, later + SECOND), 9 * SECOND, "it is open again");

        let probe = switch.admit(later + 10 * SECOND).expect("it tries");
        assert_eq!(switch.settle(probe, Verdict::Answers, later), Some(Circuit::Closed));
        let tickets = [(); 2].map(|()| switch.admit(later).expect("it is closed"));
        assert_eq!(switch.settle(tickets[0], Verdict::DoesNotAnswer(&error()), later), None, "a new row");
    }

    #[test]
    fn one_that_tries_for_long_does_not_keep_out_the_others() {
        let (mut switch, now) = open();
        let slow = switch.admit(now + 10 * SECOND).expect("it tries");
        assert_eq!(left(&mut switch, now + 19 * SECOND), Duration::ZERO);
        let quick = switch.admit(now + 20 * SECOND).expect("it tries too");
        assert_eq!(switch.settle(slow, Verdict::DoesNotAnswer(&error()), now + 20 * SECOND), None);
        assert_eq!(switch.settle(quick, Verdict::Answers, now + 20 * SECOND), Some(Circuit::Closed));
    }

    #[test]
    fn one_that_tried_and_was_given_up_leaves_it_to_the_next() {
        let (mut switch, now) = open();
        let later = now + 10 * SECOND;
        let probe = switch.admit(later).expect("it tries");
        assert_eq!(switch.settle(probe, Verdict::Unknown, later), None);
        assert!(switch.admit(later).is_ok() && switch.circuit() == Circuit::HalfOpen);
    }

    #[test]
    fn what_began_before_decides_nothing() {
        let (mut switch, now) = switch();
        let old = switch.admit(now).expect("it is closed");
        for _ in 0..3 {
            let ticket = switch.admit(now).expect("it is closed");
            switch.settle(ticket, Verdict::DoesNotAnswer(&error()), now);
        }
        assert_eq!(switch.settle(old, Verdict::Answers, now), None);
        assert_eq!(switch.circuit(), Circuit::Open);
        switch.admit(now + 10 * SECOND).expect("it tries");
        assert_eq!(switch.settle(old, Verdict::Answers, now), None);
        assert_eq!(switch.circuit(), Circuit::HalfOpen);
    }
}
