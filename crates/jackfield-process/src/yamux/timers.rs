//! What a session waits for, and until when.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The deadlines of a session. All of one kind are equally long, so the first to begin is the first to end.
#[derive(Debug)]
pub(super) struct Timers {
    keep_alive: Option<Duration>,
    patience: Duration,
    next_ping: Option<Instant>,
    pong: Option<(u32, Instant)>,
    last_ping: u32,
    /// When a stream that was opened must have been accepted.
    pub(super) opening: VecDeque<(Instant, u32)>,
    /// When a stream that this end closed must have been closed by the other.
    pub(super) closing: VecDeque<(Instant, u32)>,
}

/// What is to be done about the keep-alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alive {
    /// Nothing.
    Yes,
    /// Ask with this value.
    Ask(u32),
    /// The other end did not answer in time.
    No,
}

impl Timers {
    /// Timers of a session that begins at `now`.
    pub(super) fn new(keep_alive: Option<Duration>, patience: Duration, now: Instant) -> Self {
        Self {
            keep_alive,
            patience,
            next_ping: keep_alive.map(|interval| now + interval),
            pong: None,
            last_ping: 0,
            opening: VecDeque::new(),
            closing: VecDeque::new(),
        }
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        let alive = self.pong.map(|(_, until)| until).or(self.next_ping);
        let opening = self.opening.front().map(|(until, _)| *until);
        let closing = self.closing.front().map(|(until, _)| *until);
        [alive, opening, closing].into_iter().flatten().min()
    }

    /// What the keep-alive asks for at `now`.
    pub(super) fn keep_alive(&mut self, now: Instant) -> Alive {
        match (self.pong, self.next_ping) {
            (Some((_, until)), _) if until <= now => Alive::No,
            (None, Some(next)) if next <= now => {
                self.last_ping = self.last_ping.wrapping_add(1);
                self.pong = Some((self.last_ping, now + self.patience));
                self.next_ping = self.keep_alive.map(|interval| now + interval);
                Alive::Ask(self.last_ping)
            }
            _ => Alive::Yes,
        }
    }

    /// Takes the answer to a ping.
    pub(super) fn answered(&mut self, value: u32) {
        if self.pong.is_some_and(|(asked, _)| asked == value) {
            self.pong = None;
        }
    }
}
