//! Frames messages as gRPC does, and reads them, without copying those that are large.
//!
//! What tonic does for every message of every kind of call (a buffer of its own, a copy into it, a stream around
//! it) is most of the work of a small unary call and most of the copies of a large one.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use jackfield_core::{CallError, Error, Messages, Stream as _};
use tokio::sync::oneshot;
use tokio::task::coop;
use tonic::{Code, Status};

use super::limit::Limit;
use super::status;

/// A body with one message, and trailers behind it if it is an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// In reverse, so that the next is the last.
    pieces: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Message {
    /// A body with `message`.
    pub(crate) fn new(message: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { pieces: frame(message), trailers }
    }
}

/// The pieces of a framed message, the last of them first.
fn frame(message: Bytes) -> Vec<Bytes> {
    if message.len() <= SMALL {
        return vec![framed(message)];
    }
    let mut head = BytesMut::with_capacity(HEAD);
    put_head(&mut head, message.len());
    vec![message, head.freeze()]
}

/// A message and its head in one piece, into which it is copied.
pub(crate) fn framed(message: Bytes) -> Bytes {
    let mut piece = BytesMut::with_capacity(HEAD + message.len());
    put(&mut piece, message);
    piece.freeze()
}

fn put(piece: &mut BytesMut, message: Bytes) {
    put_head(piece, message.len());
    piece.put(message);
}

fn put_head(piece: &mut BytesMut, length: usize) {
    piece.put_u8(UNCOMPRESSED);
    // What is longer than a u32 is no message that anybody accepts.
    piece.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop().map(Frame::data);
        Poll::Ready(piece.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// A body with the messages of a stream, which is asked for more when the other side has room for it. Small ones that are
/// there already share a piece: a peer gives up a connection on which too many tiny ones wait for a slow reader.
#[derive(Debug)]
pub(crate) struct MessageStream {
    /// In reverse, so that the next is the last.
    pieces: Vec<Bytes>,
    source: Source,
    limit: Limit,
    end: End,
}

#[derive(Debug)]
enum Source {
    Messages(Messages),
    Ended(Result<(), Error>),
    Over,
}

/// What becomes of the end of a stream.
#[derive(Debug)]
enum End {
    /// Of an answer: it is the answer's status.
    Status,
    /// Of a request: an error breaks the call off.
    Request(Request),
}

/// What the body of a request and its caller tell each other.
#[derive(Debug)]
struct Request {
    /// Hears of the error that broke the stream off.
    broken: Option<oneshot::Sender<Error>>,
    /// Ends when the caller gives the call up, or has all of the answer.
    wanted: oneshot::Receiver<Infallible>,
}

/// The caller's end of the body of a request. Dropping it breaks off what is left of the stream.
#[derive(Debug)]
pub(crate) struct Sending {
    broken: oneshot::Receiver<Error>,
    #[expect(dead_code, reason = "held")]
    wanted: oneshot::Sender<Infallible>,
}

impl Sending {
    /// The error that broke the stream off, if one did.
    pub(crate) fn error(&mut self) -> Option<Error> {
        self.broken.try_recv().ok()
    }
}

impl MessageStream {
    /// The body of an answer.
    pub(crate) fn answer(messages: Messages, limit: Limit) -> Self {
        Self { pieces: Vec::new(), source: Source::Messages(messages), limit, end: End::Status }
    }

    /// The body of a request, with what comes before the stream.
    pub(crate) fn request(first: Option<Bytes>, messages: Messages, limit: Limit) -> (Self, Sending) {
        let ((breaks, broken), (wants, wanted)) = (oneshot::channel(), oneshot::channel());
        let request = Request { broken: Some(breaks), wanted };
        let pieces = first.map_or_else(Vec::new, frame);
        let body = Self { pieces, source: Source::Messages(messages), limit, end: End::Request(request) };
        (body, Sending { broken, wanted: wants })
    }

    /// Adds to `piece` what is there, up to a certain size.
    fn fill(&mut self, piece: &mut BytesMut, context: &mut Context<'_>) -> Poll<()> {
        while piece.len() < SMALL {
            let Source::Messages(messages) = &mut self.source else { break };
            // A stream that never waits must not keep the thread from everybody else.
            let progress = std::task::ready!(coop::poll_proceed(context));
            let item = std::task::ready!(poll_caught(messages, context));
            progress.made_progress();
            let limit = self.limit;
            match item.map(|item| item.and_then(|message| admit(message, limit))) {
                Some(Ok(message)) if message.len() <= SMALL => put(piece, message),
                Some(Ok(message)) => {
                    self.pieces = frame(message);
                    break;
                }
                Some(Err(error)) => self.end_source(Source::Ended(Err(error))),
                None => self.end_source(Source::Ended(Ok(()))),
            }
        }
        Poll::Ready(())
    }

    /// Lets go of the stream, which may be the user's own and panic once more.
    fn end_source(&mut self, next: Source) {
        let source = std::mem::replace(&mut self.source, next);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(source))) {
            tracing::error!("a stream panicked when it was dropped: {}", panic_message(&*panic));
        }
    }

    fn finish(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        let Source::Ended(result) = std::mem::replace(&mut self.source, Source::Over) else { return None };
        match (&mut self.end, result) {
            (End::Status, result) => Some(status::trailers(result).map(Frame::trailers)),
            (End::Request(_), Ok(())) => None,
            (End::Request(request), Err(error)) => {
                let words = error.to_string();
                // The call may have been given up.
                let _heard = request.broken.take().map(|broken| broken.send(error));
                Some(Err(Status::cancelled(words)))
            }
        }
    }
}

impl Drop for MessageStream {
    fn drop(&mut self) {
        self.end_source(Source::Over);
    }
}

impl Body for MessageStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(piece) = self.pieces.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let End::Request(request) = &mut self.end
            && Pin::new(&mut request.wanted).poll(context).is_ready()
        {
            self.end_source(Source::Over);
            return Poll::Ready(Some(Err(Status::cancelled("the call was given up"))));
        }
        let mut piece = BytesMut::new();
        let filled = self.fill(&mut piece, context);
        if !piece.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(piece.freeze()))));
        }
        std::task::ready!(filled);
        match self.pieces.pop() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Ready(self.finish()),
        }
    }
}

/// Asks a stream, which may be the user's own and panic, for its next message.
fn poll_caught(messages: &mut Messages, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
    let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(messages).poll_next(context)));
    polled.unwrap_or_else(|panic| {
        Poll::Ready(Some(Err(CallError::Panicked { message: panic_message(&*panic) }.into())))
    })
}

fn admit(message: Bytes, limit: Limit) -> Result<Bytes, Error> {
    limit.check(message.len())?;
    Ok(message)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// Reads the messages of a body, one after the other.
#[derive(Debug)]
pub(crate) struct Frames<B> {
    body: B,
    splitter: Splitter,
    trailers: HeaderMap,
}

impl<B> Frames<B>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    pub(crate) fn new(body: B, limit: Limit) -> Self {
        let splitter = Splitter { limit, ..Splitter::default() };
        Self { body, splitter, trailers: HeaderMap::new() }
    }

    /// The next message, or `None` at the end.
    ///
    /// # Errors
    /// If the body breaks off, in the words of the wire, or holds something else than messages, or a message is too large.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.splitter.next()? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else { break };
            let frame = frame.map_err(|error| Status::from_error(Box::new(error)))?;
            match frame.into_data() {
                Ok(data) => self.splitter.push(data),
                Err(frame) => {
                    self.trailers = frame.into_trailers().unwrap_or_default();
                    break;
                }
            }
        }
        self.splitter.finish()?;
        Ok(None)
    }

    /// What came behind the last message.
    pub(crate) fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }
}

/// Finds the messages in the pieces of a body.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// What came last, as far as it was not taken.
    piece: Bytes,
    /// What came before it of the same head or message.
    part: BytesMut,
    /// The length of the message whose head was taken.
    length: Option<usize>,
    limit: Limit,
}

impl Splitter {
    /// Adds a piece, of which [`next`](Self::next) has taken everything so far.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.piece = piece;
    }

    /// The next message, once all of it is there.
    ///
    /// # Errors
    /// What comes is no message.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let length = match self.length {
            Some(length) => length,
            None => {
                let Some(head) = self.take(HEAD) else { return Ok(None) };
                check_uncompressed(&head)?;
                *self.length.insert(length(&head).unwrap_or_default())
            }
        };
        self.limit.check(length).map_err(too_large)?;
        let message = self.take(length);
        if message.is_some() {
            self.length = None;
        }
        Ok(message)
    }

    /// So many bytes once they are there, without a copy if they came in one piece.
    fn take(&mut self, count: usize) -> Option<Bytes> {
        if self.part.is_empty() && self.piece.len() >= count {
            return Some(self.piece.split_to(count));
        }
        if self.piece.is_empty() {
            // What comes next may be all of it.
            return None;
        }
        if self.part.is_empty() {
            self.part.reserve(count.min(MAX_RESERVED));
        }
        let missing = count - self.part.len();
        let piece = self.piece.split_to(missing.min(self.piece.len()));
        self.part.extend_from_slice(&piece);
        (self.part.len() == count).then(|| self.part.split().freeze())
    }

    /// To be called at the end of a body.
    ///
    /// # Errors
    /// Something is missing of a message.
    fn finish(&self) -> Result<(), Status> {
        if self.length.is_none() && self.part.is_empty() && self.piece.is_empty() {
            return Ok(());
        }
        let missing = "expected the rest of a message, found the end of the stream";
        Err(status::of_wire(Code::Internal, missing))
    }
}

fn check_uncompressed(head: &[u8]) -> Result<(), Status> {
    match head.first() {
        Some(&UNCOMPRESSED) => Ok(()),
        _ => Err(status::of_wire(Code::Unimplemented, "expected a message that is not compressed")),
    }
}

fn too_large(error: CallError) -> Status {
    status::write(error.into())
}

/// Reads a body with one message to its end; `None` if there is no message in it.
///
/// # Errors
/// If the body breaks off, in the words of the wire, or holds something else than one message, or that is too large.
pub(crate) async fn read<B>(mut body: B, limit: Limit) -> Result<(Option<Bytes>, HeaderMap), Status>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    let mut splitter = Splitter { limit, ..Splitter::default() };
    let (mut message, mut trailers) = (None, HeaderMap::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::from_error(Box::new(error)))?;
        match frame.into_data() {
            Ok(data) => splitter.push(data),
            Err(frame) => {
                trailers = frame.into_trailers().unwrap_or_default();
                break;
            }
        }
        while let Some(next) = splitter.next()? {
            if message.replace(next).is_some() {
                return Err(status::of_wire(Code::Internal, "expected one message, found another behind it"));
            }
        }
    }
    splitter.finish()?;
    Ok((message, trailers))
}

/// The length that the head announces, once the head is there.
fn length(bytes: &[u8]) -> Option<usize> {
    let (_, length) = bytes.first_chunk::<HEAD>()?.split_at(1);
    Some(u32::from_be_bytes(length.try_into().ok()?) as usize)
}

/// Whether the message is compressed, and its length.
const HEAD: usize = 5;
const UNCOMPRESSED: u8 = 0;
/// A message up to here is copied behind its head, since a second frame would cost more.
const SMALL: usize = 16 * 1024;
/// A head that lies costs no more memory than this.
const MAX_RESERVED: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http_body_util::StreamBody;

    use super::*;

    fn collect(pieces: impl IntoIterator<Item = Bytes>) -> Result<Option<Bytes>, Status> {
        let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let body = StreamBody::new(stream::iter(frames));
        let read = read(body, Limit::default()).now_or_never().unwrap();
        read.map(|(message, _)| message)
    }

    fn copied(pieces: &[&[u8]]) -> Vec<Bytes> {
        pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect()
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        Message::new(Bytes::copy_from_slice(message), None).pieces.into_iter().rev().flatten().collect()
    }

    #[test]
    fn a_message_survives_any_cut() {
        for length in [0, 1, 100, SMALL, SMALL + 1] {
            let message = vec![7; length];
            let bytes = framed(&message);
            for cut in [1, 3, HEAD, bytes.len() / 2] {
                let (left, right) = bytes.split_at(cut.min(bytes.len()));
                assert_eq!(collect(copied(&[left, right])).unwrap().unwrap(), message);
            }
            assert_eq!(collect(copied(&[&bytes])).unwrap().unwrap(), message);
        }
    }

    #[test]
    fn a_large_message_in_one_piece_is_not_copied() {
        let bytes = Bytes::from(framed(&vec![7; 100_000]));
        let expected = bytes[HEAD..].as_ptr();
        assert_eq!(collect([bytes.clone()]).unwrap().unwrap().as_ptr(), expected);
        // As this crate sends it.
        let head_apart = [bytes.slice(..HEAD), bytes.slice(HEAD..)];
        assert_eq!(collect(head_apart).unwrap().unwrap().as_ptr(), expected);
    }

    proptest::proptest! {
        #[test]
        fn messages_are_found_whatever_the_pieces(messages: Vec<Vec<u8>>, cut in 1_usize..20) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(cut) {
                splitter.push(Bytes::copy_from_slice(piece));
                while let Some(message) = splitter.next().unwrap() {
                    found.push(message.to_vec());
                }
            }
            proptest::prop_assert_eq!(found, messages);
            proptest::prop_assert!(splitter.finish().is_ok());
        }

        #[test]
        fn every_body_is_read_or_refused(pieces: Vec<Vec<u8>>) {
            let _read = collect(pieces.into_iter().map(Bytes::from));
        }
    }

    #[test]
    fn anything_but_one_message_is_an_error() {
        assert_eq!(collect([]).unwrap(), None);
        for wrong in [&[0, 0][..], &[0, 0, 0, 0, 2, 7], &[0, 0, 0, 0, 1, 7, 7], &[1, 0, 0, 0, 1, 7]] {
            collect(copied(&[wrong])).unwrap_err();
        }
    }
}
