//! Streams as arguments and results: of values, and of bytes.

use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use crate::codec::{Reader, Value, or_absent};
use crate::error::{CallError, Error};
use crate::parcel::Messages;

/// A stream of values, as an argument or a result of a method.
///
/// It is asked for a value only when the other side wants one, so whoever reads slowly slows down whoever writes.
/// Dropping it ends it at its source. An error is the last item.
///
/// ```
/// use jackfield_core::{Error, Streaming, interface};
///
/// #[interface(service = "example.Sums", version = "1.0")]
/// pub trait Sums {
///     /// The sums of the numbers that have come so far.
///     async fn running(&self, numbers: Streaming<i64>) -> Result<Streaming<i64>, Error>;
/// }
///
/// let numbers = Streaming::from_iter([1, 2, 3]);
/// ```
#[must_use = "a stream does nothing unless it is polled"]
pub struct Streaming<T>(Source<T>);

enum Source<T> {
    /// Values of this side.
    Values(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>),
    /// Messages of the other side, with the value under this number.
    Messages(Messages, u32),
}

impl<T: Value> Streaming<T> {
    /// The values of a stream.
    pub fn new(stream: impl Stream<Item = Result<T, Error>> + Send + 'static) -> Self {
        Self(Source::Values(Box::pin(stream)))
    }

    pub(crate) fn from_messages(messages: Messages, number: u32) -> Self {
        Self(Source::Messages(messages, number))
    }

    pub(crate) fn into_messages(self, number: u32) -> Messages {
        match self.0 {
            Source::Messages(messages, same) if same == number => messages,
            _ => Messages::new(Encoded { values: self, number }),
        }
    }
}

impl<T: Value> FromIterator<T> for Streaming<T>
where
    T: Sync,
{
    /// A stream of values that are there already.
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        Self::new(Ready(values.into_iter()))
    }
}

impl<T: Value> Stream for Streaming<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Source::Values(values) => values.as_mut().poll_next(context),
            Source::Messages(messages, number) => {
                let number = *number;
                let message = Pin::new(messages).poll_next(context);
                message.map(|message| message.map(|message| decode(&message?, number)))
            }
        }
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streaming")
    }
}

// Nothing in it is pinned: both kinds of stream are boxed.
impl<T> Unpin for Streaming<T> {}

fn decode<T: Value>(message: &Bytes, number: u32) -> Result<T, Error> {
    let mut value = None;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field().map_err(CallError::from)? {
        if field.number == number {
            T::merge(&mut value, &field, message).map_err(CallError::from)?;
        }
    }
    Ok(or_absent(value, number).map_err(CallError::from)?)
}

/// The values of a stream as messages.
struct Encoded<T> {
    values: Streaming<T>,
    number: u32,
}

impl<T: Value> Stream for Encoded<T> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let number = self.number;
        let value = Pin::new(&mut self.values).poll_next(context);
        value.map(|value| {
            value.map(|value| {
                let mut message = Vec::new();
                value?.encode(number, &mut message);
                Ok(message.into())
            })
        })
    }
}

/// Values that are there already.
struct Ready<T>(std::vec::IntoIter<T>);

impl<T> Stream for Ready<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

impl<T> Unpin for Ready<T> {}

/// A stream of bytes, as an argument or a result of a method: what Go passes as an `io.Reader`.
///
/// It is a [`Streaming`] of pieces, whose sizes mean nothing.
///
/// ```
/// use jackfield_core::{ByteStream, Error, interface};
///
/// #[interface(service = "example.Store", version = "1.0")]
/// pub trait Store {
///     async fn upload(&self, name: &str, content: ByteStream) -> Result<u64, Error>;
///     async fn download(&self, name: &str) -> Result<ByteStream, Error>;
/// }
///
/// let content = ByteStream::from_reader(std::io::Cursor::new(vec![7; 100_000]));
/// ```
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct ByteStream(pub(crate) Streaming<Bytes>);

impl ByteStream {
    /// The pieces of a stream.
    pub fn new(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self(Streaming::new(stream))
    }

    /// What a reader reads, in pieces of 64 KiB. It is read when the other side asks for a piece, on the thread that
    /// asks: so it should be a reader that does not block for long, such as a file.
    pub fn from_reader(reader: impl Read + Send + 'static) -> Self {
        Self::new(Pieces(Some(reader)))
    }

    /// All bytes to the end of the stream, as one buffer.
    ///
    /// # Errors
    ///
    /// What broke the stream off.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses what was read.
    pub async fn collect(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = std::future::poll_fn(|context| Pin::new(&mut self).poll_next(context)).await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }
}

impl From<Bytes> for ByteStream {
    fn from(bytes: Bytes) -> Self {
        Self(Streaming::from_iter([bytes]))
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}

/// What a reader reads, until it ended or failed.
struct Pieces<R>(Option<R>);

impl<R: Read + Send> Stream for Pieces<R> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(reader) = &mut self.0 else { return Poll::Ready(None) };
        let mut piece = vec![0; PIECE];
        let read = loop {
            match reader.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let item = match read {
            Ok(0) => None,
            Ok(len) => {
                piece.truncate(len);
                return Poll::Ready(Some(Ok(piece.into())));
            }
            Err(error) => Some(Err(error.into())),
        };
        self.0 = None;
        Poll::Ready(item)
    }
}

impl<R> Unpin for Pieces<R> {}

const PIECE: usize = 64 * 1024;
