//! What a session knows of one of its streams.

use std::task::Waker;

use bytes::BytesMut;

use super::config::WINDOW;

/// One stream, from the frame that began it until both ends are done with it and nobody here holds it.
#[derive(Debug)]
pub(super) struct Entry {
    /// What came and was not read.
    pub(super) received: BytesMut,
    /// What may still come.
    pub(super) receive_window: u32,
    /// What may still be sent.
    pub(super) send_window: u32,
    /// Whether this end sends.
    pub(super) ours: Half,
    /// Whether the other end sends.
    pub(super) theirs: Half,
    /// Whether it was given up.
    pub(super) reset: bool,
    /// Whether the end that did not open it has accepted it.
    pub(super) acceptance: Acceptance,
    /// Whether somebody here may still use it.
    pub(super) holder: Holder,
    /// Who waits for data.
    pub(super) reader: Option<Waker>,
    /// Who waits for the window.
    pub(super) writer: Option<Waker>,
}

/// One direction of a stream, or of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// It has ended.
    Closed,
    /// It goes on.
    Open,
}

/// Whether a stream is known to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// Not yet.
    Awaited,
    /// It is, or it never will be.
    Settled,
}

/// Whether somebody on this side may still use a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// What comes is thrown away.
    Nobody,
    /// What comes is kept.
    Somebody,
}

impl Entry {
    /// A stream that begins, of whose owner this end's window is `window`.
    pub(super) fn new(window: u32) -> Self {
        Self {
            received: BytesMut::new(),
            receive_window: window,
            send_window: WINDOW,
            ours: Half::Open,
            theirs: Half::Open,
            reset: false,
            acceptance: Acceptance::Awaited,
            holder: Holder::Somebody,
            reader: None,
            writer: None,
        }
    }

    /// Whether no frame concerns it any more.
    pub(super) fn is_finished(&self) -> bool {
        self.reset || (self.ours == Half::Closed && self.theirs == Half::Closed)
    }

    /// Whether it is not known yet that the stream is accepted.
    pub(super) fn is_awaited(&self) -> bool {
        self.acceptance == Acceptance::Awaited
    }

    /// How much the window should grow by, if it is time to say so.
    pub(super) fn window_update(&self, window: u32) -> Option<u32> {
        // What lies unread was counted against the window when it came, so the difference fits.
        let unread = self.received.len() as u32;
        let growth = window.saturating_sub(unread).saturating_sub(self.receive_window);
        (self.theirs == Half::Open && !self.reset && growth >= window / 2).then_some(growth)
    }

    /// Those who wait for anything.
    pub(super) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.reader.take().into_iter().chain(self.writer.take())
    }
}
