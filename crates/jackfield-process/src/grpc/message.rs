//! Frames one message as gRPC does, and reads one, without copying those that are large.
//!
//! What tonic does for every message of every kind of call (a buffer of its own, a copy into it, a stream around
//! it) is most of the work of a small unary call and most of the copies of a large one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tonic::Status;

use super::MAX_MESSAGE;

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
        let mut head = BytesMut::with_capacity(HEAD + if message.len() <= SMALL { message.len() } else { 0 });
        head.put_u8(UNCOMPRESSED);
        // What is longer than a u32 is no message that anybody accepts.
        head.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        if message.len() <= SMALL {
            head.put(message);
            return Self { pieces: vec![head.freeze()], trailers };
        }
        Self { pieces: vec![message, head.freeze()], trailers }
    }
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

/// Reads a body with one message to its end; `None` if there is no message in it.
///
/// # Errors
/// If the body breaks off, in the words of the wire, or holds something else than one message.
pub(crate) async fn read<B>(mut body: B) -> Result<(Option<Bytes>, HeaderMap), Status>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let mut collected = Collected::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::from_error(Box::new(error)))?;
        match frame.into_data() {
            Ok(data) => collected.push(data)?,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return Ok((collected.finish()?, trailers));
            }
        }
    }
    Ok((collected.finish()?, HeaderMap::new()))
}

/// What has come of a message. As long as that is one piece, it is kept as it came.
#[derive(Debug, Default)]
struct Collected {
    first: Bytes,
    rest: BytesMut,
}

impl Collected {
    fn push(&mut self, data: Bytes) -> Result<(), Status> {
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
        } else {
            if self.rest.is_empty() {
                let known = length(&self.first).unwrap_or_default().min(MAX_RESERVED);
                self.rest.reserve(HEAD + known.max(self.first.len() + data.len()));
                self.rest.put(std::mem::take(&mut self.first));
            }
            self.rest.put(data);
        }
        match self.len().checked_sub(HEAD) {
            Some(length) if length > MAX_MESSAGE => Err(Status::resource_exhausted(format!(
                "expected a message of at most {MAX_MESSAGE} bytes, found a longer one"
            ))),
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<Option<Bytes>, Status> {
        if self.len() == 0 {
            return Ok(None);
        }
        let mut message = if self.rest.is_empty() { self.first } else { self.rest.freeze() };
        let expected = length(&message);
        let found = message.len().saturating_sub(HEAD);
        if expected != Some(found) {
            let expected = expected.unwrap_or_default();
            return Err(Status::internal(format!("expected one message of {expected} bytes, found {found}")));
        }
        if message[0] != UNCOMPRESSED {
            return Err(Status::unimplemented("expected a message that is not compressed"));
        }
        Ok(Some(message.split_off(HEAD)))
    }

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }
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
    use super::*;

    fn collect(pieces: &[&[u8]]) -> Result<Option<Bytes>, Status> {
        let mut collected = Collected::default();
        for piece in pieces {
            collected.push(Bytes::copy_from_slice(piece))?;
        }
        collected.finish()
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
                assert_eq!(collect(&[left, right]).unwrap().unwrap(), message);
            }
            assert_eq!(collect(&[&bytes]).unwrap().unwrap(), message);
        }
    }

    #[test]
    fn a_large_message_in_one_piece_is_not_copied() {
        let bytes = Bytes::from(framed(&vec![7; 100_000]));
        let mut collected = Collected::default();
        collected.push(bytes.clone()).unwrap();
        let message = collected.finish().unwrap().unwrap();
        assert_eq!(message.as_ptr(), bytes[HEAD..].as_ptr());
    }

    proptest::proptest! {
        #[test]
        fn every_body_is_read_or_refused(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _read = collect(&pieces);
        }
    }

    #[test]
    fn anything_but_one_message_is_an_error() {
        assert_eq!(collect(&[]).unwrap(), None);
        for wrong in [&[0, 0][..], &[0, 0, 0, 0, 2, 7], &[0, 0, 0, 0, 1, 7, 7], &[1, 0, 0, 0, 1, 7]] {
            collect(&[wrong]).unwrap_err();
        }
    }
}
