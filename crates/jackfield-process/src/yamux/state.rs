//! The protocol: what a session becomes by the bytes that come and by what this end does. No I/O and no clock.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::config::{Config, Role, WINDOW};
use super::entry::{Acceptance, Entry, Half, Holder};
use super::error::{ProtocolError, SessionError};
use super::frame::{Flags, HEADER, Header, Kind};
use super::timers::{Alive, Timers};

/// All of a session but its connection.
#[derive(Debug)]
pub(super) struct State {
    config: Config,
    role: Role,
    /// The number of the next stream that this end opens.
    next: Option<u32>,
    streams: HashMap<u32, Entry>,
    /// Streams that the other end opened and nobody accepted.
    offered: VecDeque<u32>,
    /// How many streams this end opened that the other has not accepted.
    unaccepted: usize,
    timers: Timers,
    header: [u8; HEADER],
    /// How much of the header is there.
    filled: usize,
    payload: Option<Payload>,
    /// Frames that wait to be sent.
    out: Vec<u8>,
    /// Whether everything was sent.
    idle: bool,
    /// Whether this end takes further streams.
    ours: Half,
    /// Whether the other end does.
    theirs: Half,
    end: Option<SessionError>,
    acceptors: Vec<Waker>,
    openers: Vec<Waker>,
    /// Who waits until frames were sent, be it to send more.
    senders: Vec<Waker>,
    /// Whoever must be woken once the lock on this is open.
    pub(super) wakes: Vec<Waker>,
}

/// The rest of a data frame.
#[derive(Debug, Clone, Copy)]
struct Payload {
    stream: u32,
    left: u32,
    last: bool,
}

impl State {
    pub(super) fn new(role: Role, config: Config, now: Instant) -> Self {
        let config = Config { window: config.window.max(WINDOW), ..config };
        Self {
            role,
            next: Some(match role {
                Role::Client => 1,
                Role::Server => 2,
            }),
            streams: HashMap::new(),
            offered: VecDeque::new(),
            unaccepted: 0,
            timers: Timers::new(config.keep_alive, config.patience, now),
            header: [0; HEADER],
            filled: 0,
            payload: None,
            out: Vec::new(),
            idle: true,
            ours: Half::Open,
            theirs: Half::Open,
            end: None,
            acceptors: Vec::new(),
            openers: Vec::new(),
            senders: Vec::new(),
            wakes: Vec::new(),
            config,
        }
    }

    /// Why the session ended, if it did.
    pub(super) fn end(&self) -> Option<&SessionError> {
        self.end.as_ref()
    }

    /// Whether everything was sent.
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    /// Ends the session; the first reason stays.
    pub(super) fn finish(&mut self, reason: SessionError) {
        if self.end.is_none() {
            self.end = Some(reason);
        }
        let waiting = [&mut self.acceptors, &mut self.openers, &mut self.senders];
        self.wakes.extend(waiting.into_iter().flat_map(std::mem::take));
        self.wakes.extend(self.streams.values_mut().flat_map(Entry::take_wakers));
    }
}

/// What comes from the other end.
impl State {
    /// Takes bytes, cut anywhere.
    pub(super) fn receive(&mut self, mut input: &[u8]) -> Result<(), ProtocolError> {
        while !input.is_empty() {
            input = match self.payload {
                Some(payload) => self.receive_payload(payload, input)?,
                None => self.receive_header(input)?,
            };
        }
        if self.out.len() > MAX_OUT { Err(ProtocolError::NotRead) } else { Ok(()) }
    }

    fn receive_header<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let (head, rest) = input.split_at(input.len().min(HEADER - self.filled));
        self.header[self.filled..][..head.len()].copy_from_slice(head);
        self.filled += head.len();
        if self.filled == HEADER {
            self.filled = 0;
            self.handle(Header::decode(self.header)?)?;
        }
        Ok(rest)
    }

    fn handle(&mut self, header: Header) -> Result<(), ProtocolError> {
        match header.kind {
            Kind::Data | Kind::WindowUpdate => self.handle_stream(header),
            Kind::GoAway if header.length == 0 => {
                self.theirs = Half::Closed;
                self.wakes.append(&mut self.openers);
                Ok(())
            }
            Kind::GoAway => Err(ProtocolError::GoAway { code: header.length }),
            Kind::Ping => {
                if header.flags.contains(Flags::SYN) {
                    self.send(Header::new(Kind::Ping, Flags::ACK, 0, header.length));
                } else {
                    self.timers.answered(header.length);
                }
                Ok(())
            }
        }
    }

    fn handle_stream(&mut self, header: Header) -> Result<(), ProtocolError> {
        let Header { kind, flags, stream, length } = header;
        if flags.contains(Flags::SYN) {
            self.offer(stream)?;
        }
        let last = flags.contains(Flags::FIN);
        let data = kind == Kind::Data && length > 0;
        if data {
            self.payload = Some(Payload { stream, left: length, last });
        }
        // Frames for a stream that this end has given up may still be under way.
        let Some(entry) = self.streams.get_mut(&stream).filter(|entry| !entry.is_finished()) else {
            return Ok(());
        };
        if flags.contains(Flags::RST) {
            self.reset(stream);
            return Ok(());
        }
        // Nothing comes of the acceptance of a stream that this end was to accept.
        if flags.contains(Flags::ACK) && opened_by(self.role, stream) && entry.is_awaited() {
            entry.acceptance = Acceptance::Settled;
            self.unaccepted -= 1;
            self.wakes.append(&mut self.openers);
        }
        if kind == Kind::WindowUpdate {
            entry.send_window = entry.send_window.saturating_add(length);
            self.wakes.extend(entry.writer.take());
        } else if data && entry.theirs == Half::Open {
            admit(entry, stream, length)?;
        }
        // The end that a data frame announces comes after its data.
        if last && !data { self.end_theirs(stream) } else { Ok(()) }
    }

    fn offer(&mut self, stream: u32) -> Result<(), ProtocolError> {
        if stream == 0 || opened_by(self.role, stream) || self.streams.contains_key(&stream) {
            return Err(ProtocolError::Duplicate { stream });
        }
        if self.ours == Half::Closed || self.offered.len() >= self.config.backlog {
            self.send(Header::new(Kind::WindowUpdate, Flags::RST, stream, 0));
            return Ok(());
        }
        self.streams.insert(stream, Entry::new(WINDOW));
        self.offered.push_back(stream);
        self.wakes.append(&mut self.acceptors);
        Ok(())
    }

    fn receive_payload<'a>(&mut self, payload: Payload, input: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let (data, rest) = input.split_at(input.len().min(payload.left as usize));
        if let Some(entry) = self
            .streams
            .get_mut(&payload.stream)
            .filter(|entry| entry.holder == Holder::Somebody && !entry.reset && entry.theirs == Half::Open)
        {
            // What comes after the end is lost: a Go program that closes a stream while it writes sends it so.
            entry.received.extend_from_slice(data);
            self.wakes.extend(entry.reader.take());
        }
        // No more than `left`, which is a `u32`.
        let left = payload.left - data.len() as u32;
        self.payload = (left > 0).then_some(Payload { left, ..payload });
        if left == 0 && payload.last {
            self.end_theirs(payload.stream)?;
        }
        Ok(rest)
    }

    fn end_theirs(&mut self, stream: u32) -> Result<(), ProtocolError> {
        let Some(entry) = self.streams.get_mut(&stream).filter(|entry| !entry.is_finished()) else {
            return Ok(());
        };
        if entry.theirs == Half::Closed {
            return Err(ProtocolError::TwiceClosed { stream });
        }
        entry.theirs = Half::Closed;
        self.wakes.extend(entry.reader.take());
        self.settle(stream);
        Ok(())
    }

    fn reset(&mut self, stream: u32) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        entry.reset = true;
        self.wakes.extend(entry.take_wakers());
        self.settle(stream);
    }

    /// Forgets a stream that is done.
    fn settle(&mut self, stream: u32) {
        let Some(entry) = self.streams.get_mut(&stream).filter(|entry| entry.is_finished()) else { return };
        if opened_by(self.role, stream) && entry.is_awaited() {
            entry.acceptance = Acceptance::Settled;
            self.unaccepted -= 1;
            self.wakes.append(&mut self.openers);
        }
        if entry.holder == Holder::Nobody {
            self.streams.remove(&stream);
        }
    }
}

/// What this end does.
impl State {
    /// Opens a stream, once the other end has accepted enough of the earlier ones.
    pub(super) fn poll_open(
        &mut self,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Result<u32, SessionError>> {
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.clone()));
        }
        if self.theirs == Half::Closed {
            return Poll::Ready(Err(SessionError::GoneAway));
        }
        if self.unaccepted >= self.config.backlog {
            wait(&mut self.openers, context);
            return Poll::Pending;
        }
        let Some(stream) = self.next else { return Poll::Ready(Err(SessionError::Exhausted)) };
        self.next = stream.checked_add(2);
        self.unaccepted += 1;
        self.streams.insert(stream, Entry::new(self.config.window));
        self.timers.opening.push_back((now + self.config.open_timeout, stream));
        self.send(Header::new(Kind::WindowUpdate, Flags::SYN, stream, self.config.window - WINDOW));
        Poll::Ready(Ok(stream))
    }

    /// Accepts the next stream and says so to the other end at once.
    pub(super) fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<u32, SessionError>> {
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.clone()));
        }
        while let Some(stream) = self.offered.pop_front() {
            let Some(entry) = self.streams.get_mut(&stream) else { continue };
            if entry.reset {
                self.streams.remove(&stream);
                continue;
            }
            entry.acceptance = Acceptance::Settled;
            let growth = self.config.window - WINDOW;
            entry.receive_window += growth;
            self.send(Header::new(Kind::WindowUpdate, Flags::ACK, stream, growth));
            return Poll::Ready(Ok(stream));
        }
        wait(&mut self.acceptors, context);
        Poll::Pending
    }

    /// Ends once the other end has accepted a stream that this end opened, or never will.
    pub(super) fn poll_accepted(&mut self, stream: u32, context: &mut Context<'_>) -> Poll<()> {
        let is_awaited = self.streams.get(&stream).is_some_and(Entry::is_awaited);
        if is_awaited && self.end.is_none() {
            wait(&mut self.openers, context);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Ends once the session has.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<SessionError> {
        match &self.end {
            Some(end) => Poll::Ready(end.clone()),
            None => {
                wait(&mut self.acceptors, context);
                Poll::Pending
            }
        }
    }

    /// Reads what came on a stream; reads nothing at its end.
    pub(super) fn poll_read(
        &mut self,
        stream: u32,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(entry) = self.streams.get_mut(&stream) else { return Poll::Ready(Ok(())) };
        if !entry.received.is_empty() {
            let length = buffer.remaining().min(entry.received.len());
            buffer.put_slice(&entry.received[..length]);
            entry.received.advance(length);
            if entry.received.is_empty() {
                // A buffer that was large once need not stay so.
                entry.received = BytesMut::new();
            }
            if let Some(growth) = entry.window_update(self.config.window) {
                entry.receive_window += growth;
                self.send(Header::new(Kind::WindowUpdate, Flags::NONE, stream, growth));
            }
            return Poll::Ready(Ok(()));
        }
        if entry.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if entry.theirs == Half::Closed {
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.into()));
        }
        entry.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Sends as much as the window of the stream and the frames that wait leave room for.
    pub(super) fn poll_write(
        &mut self,
        stream: u32,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(end) = &self.end {
            return Poll::Ready(Err(end.into()));
        }
        let Some(entry) = self.streams.get_mut(&stream) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if entry.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if entry.ours == Half::Closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if entry.send_window == 0 {
            entry.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let room = MAX_WAITING.saturating_sub(self.out.len());
        if room == 0 {
            wait(&mut self.senders, context);
            return Poll::Pending;
        }
        let length = bytes.len().min(room).min(entry.send_window as usize);
        // No more than the window, which is a `u32`.
        entry.send_window -= length as u32;
        self.send(Header::new(Kind::Data, Flags::NONE, stream, length as u32));
        self.out.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    /// Ends once everything was sent.
    pub(super) fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.end {
            Some(end) if !self.idle => Poll::Ready(Err(end.into())),
            None if !self.idle => {
                wait(&mut self.senders, context);
                Poll::Pending
            }
            Some(_) | None => Poll::Ready(Ok(())),
        }
    }

    /// Sends nothing more on a stream.
    pub(super) fn close(&mut self, stream: u32, now: Instant) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if entry.ours == Half::Closed || entry.reset || self.end.is_some() {
            return;
        }
        entry.ours = Half::Closed;
        if entry.theirs == Half::Open {
            self.timers.closing.push_back((now + self.config.close_timeout, stream));
            // One stream that stays open must not have all the later ones remembered.
            if self.timers.closing.len() > 2 * self.streams.len() + MIN_REMEMBERED {
                let Self { timers, streams, .. } = self;
                timers.closing.retain(|(_, id)| streams.get(id).is_some_and(|entry| !entry.is_finished()));
            }
        }
        self.send(Header::new(Kind::WindowUpdate, Flags::FIN, stream, 0));
        self.settle(stream);
    }

    /// Lets go of a stream that nobody here uses any more.
    pub(super) fn release(&mut self, stream: u32, now: Instant) {
        self.close(stream, now);
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.holder = Holder::Nobody;
            entry.received = BytesMut::new();
            self.settle(stream);
        }
    }

    /// Tells the other end that it should open no further streams.
    pub(super) fn go_away(&mut self, code: u32) {
        self.ours = Half::Closed;
        self.send(Header::new(Kind::GoAway, Flags::NONE, 0, code));
    }

    /// The frames to send, which are taken away.
    pub(super) fn take_output(&mut self, into: &mut Vec<u8>) {
        std::mem::swap(&mut self.out, into);
        self.idle = into.is_empty();
        self.wakes.append(&mut self.senders);
    }

    /// When to look at the clock next.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        let Self { timers, streams, .. } = self;
        while timers
            .opening
            .front()
            .is_some_and(|(_, id)| streams.get(id).is_none_or(|entry| !entry.is_awaited()))
        {
            timers.opening.pop_front();
        }
        while timers.closing.front().is_some_and(|(_, id)| streams.get(id).is_none_or(Entry::is_finished)) {
            timers.closing.pop_front();
        }
        timers.next()
    }

    /// Does what is due at `now`.
    pub(super) fn expire(&mut self, now: Instant) -> Result<(), SessionError> {
        match self.timers.keep_alive(now) {
            Alive::Yes => {}
            Alive::Ask(value) => self.send(Header::new(Kind::Ping, Flags::SYN, 0, value)),
            Alive::No => return Err(SessionError::Silent(self.config.patience)),
        }
        // What is accepted, or closed, is no longer in front after this.
        self.deadline();
        if let Some((_, stream)) = self.timers.opening.front().filter(|(until, _)| *until <= now) {
            return Err(SessionError::NotAccepted { stream: *stream, patience: self.config.open_timeout });
        }
        while let Some((until, stream)) = self.timers.closing.front().copied()
            && until <= now
        {
            self.timers.closing.pop_front();
            if self.streams.get(&stream).is_some_and(|entry| !entry.is_finished()) {
                self.send(Header::new(Kind::WindowUpdate, Flags::RST, stream, 0));
                self.reset(stream);
            }
        }
        Ok(())
    }

    fn send(&mut self, header: Header) {
        self.idle = false;
        self.out.extend_from_slice(&header.encode());
    }
}

/// Whether a stream of this number is one that the end with this role opens.
fn opened_by(role: Role, stream: u32) -> bool {
    (role == Role::Client) == (stream % 2 == 1)
}

/// Counts data against the window.
fn admit(entry: &mut Entry, stream: u32, length: u32) -> Result<(), ProtocolError> {
    let window = entry.receive_window;
    entry.receive_window =
        window.checked_sub(length).ok_or(ProtocolError::Window { stream, length, window })?;
    Ok(())
}

fn wait(waiting: &mut Vec<Waker>, context: &Context<'_>) {
    if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
        waiting.push(context.waker().clone());
    }
}

/// How much of the streams' data waits to be sent, so that a quick stream does not put the others off for long.
const MAX_WAITING: usize = WINDOW as usize;
const MIN_REMEMBERED: usize = 64;
/// How much waits at the most: beyond the data, the answers to a peer that asks and does not read.
const MAX_OUT: usize = 1024 * 1024;

/// Feeds a session with any bytes, and lets this end do what it can.
///
/// # Panics
/// If more is kept of a stream than its window allows.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let now = Instant::now();
    let mut context = Context::from_waker(Waker::noop());
    let mut state = State::new(Role::Server, Config::default(), now);
    let (mut buffer, mut sent) = ([0; 7000], Vec::new());
    for piece in bytes.chunks(1 + bytes.len() % 61) {
        let received = state.receive(piece);
        if let Poll::Ready(Ok(stream)) = state.poll_accept(&mut context) {
            let _written = state.poll_write(stream, &mut context, piece);
        }
        if let Some(stream) = state.streams.keys().next().copied() {
            let _read = state.poll_read(stream, &mut context, &mut ReadBuf::new(&mut buffer));
            if piece.first() == Some(&0xff) {
                state.release(stream, now);
            }
        }
        let unread = state.streams.values().map(|entry| entry.received.len());
        assert!(unread.max().unwrap_or_default() <= WINDOW as usize);
        sent.clear();
        state.take_output(&mut sent);
        if received.is_err() {
            return;
        }
    }
}
