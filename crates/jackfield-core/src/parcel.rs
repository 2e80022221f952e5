//! An encoded message together with what cannot be encoded: streams and objects.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use jackfield_abi::{self as abi, Feed, Object, Passed, Refusal, Reply};

use crate::codec::DecodeError;
use crate::error::Error;
use crate::generated::refusal_error;
use crate::schema::{Field, ObjectType, Schema};
use crate::{Channel, Service};

/// An encoded message together with what cannot be encoded, as it goes over a wire.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it is exactly what crosses")]
pub struct Parcel {
    /// The message.
    pub bytes: Bytes,
    /// What belongs to it, each under the number of its field.
    pub parts: Vec<(u32, Part)>,
}

impl From<Bytes> for Parcel {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, parts: Vec::new() }
    }
}

/// What cannot be encoded.
#[derive(Debug)]
#[non_exhaustive]
pub enum Part {
    /// An object of another interface.
    Object(Peer),
    /// A stream of messages, each with one field.
    Stream(Messages),
}

/// A stream of encoded messages. It is asked for a message only when somebody wants one, and dropping it tells its
/// source that nobody does any more.
pub struct Messages(Source);

enum Source {
    Here(Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>),
    /// The other side's, until it ended.
    There(Option<abi::Messages>),
}

impl Messages {
    /// Messages from this source. An error is the last item.
    pub fn new(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self(Source::Here(Box::pin(stream)))
    }

    /// The next message, or `None` at the end.
    ///
    /// # Errors
    ///
    /// What broke the stream off.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await.transpose()
    }

    /// The same messages behind another one.
    pub(crate) fn behind(self, first: Bytes) -> Self {
        Self::new(Behind { first: Some(first), rest: Some(self) })
    }

    /// The same messages, which hold `held` until they end.
    fn holding(self, held: impl Send + 'static) -> Self {
        Self::new(Holding { messages: self, held: Some(held) })
    }

    pub(crate) fn into_crossing(self) -> abi::Messages {
        abi::Messages::new(Crossing(self))
    }

    pub(crate) fn from_crossing(messages: abi::Messages) -> Self {
        Self(Source::There(Some(messages)))
    }
}

impl Stream for Messages {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Source::Here(stream) => stream.as_mut().poll_next(context),
            Source::There(messages) => poll_crossed(messages, context),
        }
    }
}

/// Asks a stream of the other side's for its next message, and lets go of it at its end.
fn poll_crossed(
    stream: &mut Option<abi::Messages>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Error>>> {
    let Some(messages) = stream else { return Poll::Ready(None) };
    let item = std::task::ready!(messages.poll_message(context));
    if !matches!(item, Some(Ok(_))) {
        *stream = None;
    }
    Poll::Ready(item.map(|reply| reply.map_err(|refusal| refusal_error(&refusal, "the stream"))))
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Messages")
    }
}

/// One message.
impl From<Bytes> for Messages {
    fn from(message: Bytes) -> Self {
        Self::new(Behind { first: Some(message), rest: None })
    }
}

/// Messages behind another one.
struct Behind {
    first: Option<Bytes>,
    rest: Option<Messages>,
}

impl Stream for Behind {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match (self.first.take(), &mut self.rest) {
            (Some(first), _) => Poll::Ready(Some(Ok(first))),
            (None, Some(rest)) => Pin::new(rest).poll_next(context),
            (None, None) => Poll::Ready(None),
        }
    }
}

/// Messages that hold something until they end.
struct Holding<T> {
    messages: Messages,
    held: Option<T>,
}

impl<T> Stream for Holding<T> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = std::task::ready!(Pin::new(&mut self.messages).poll_next(context));
        if !matches!(item, Some(Ok(_))) {
            self.held = None;
        }
        Poll::Ready(item)
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Holding<T> {}

/// A stream as the other side polls it.
struct Crossing(Messages);

impl Feed for Crossing {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply<Bytes>>> {
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|item| item.map(|message| message.map_err(Refusal::from)))
    }
}

/// An object of another interface, on its way from one side to the other.
#[derive(Debug)]
#[non_exhaustive]
pub enum Peer {
    /// It is in a library, or in this program.
    Bound(Arc<Object>),
    /// It is at the other end of a wire.
    Channel(Arc<dyn Channel>),
    /// It is this side's, and about to be handed over.
    Offered(Offer),
}

/// An object of this side's that is about to be handed over.
#[derive(Debug)]
pub struct Offer {
    schema: &'static Schema,
    passed: Passed,
}

impl Offer {
    pub(crate) fn new(schema: &'static Schema, passed: Passed) -> Self {
        Self { schema, passed }
    }

    /// The object's end of a wire.
    ///
    /// # Errors
    ///
    /// The object was handed over already.
    pub fn into_service(self) -> Result<Service, DecodeError> {
        let object = self.passed.into_object().ok_or_else(gone)?;
        Ok(Service::new(self.schema, object))
    }
}

fn gone() -> DecodeError {
    DecodeError::Interface { reason: "the object was handed over already".to_owned() }
}

impl Parcel {
    /// The parcel, whose stream holds `held` until it ends or is dropped.
    #[must_use]
    pub fn holding<T: Clone + Send + 'static>(mut self, held: &T) -> Self {
        self.parts = self
            .parts
            .into_iter()
            .map(|(number, part)| match part {
                Part::Stream(messages) => (number, Part::Stream(messages.holding(held.clone()))),
                part @ Part::Object(_) => (number, part),
            })
            .collect();
        self
    }

    /// The parcel with objects that code in this process can hold, in place of those at the other end of a wire.
    pub(crate) fn adopt(self, fields: &[Field]) -> Self {
        let parts = self.parts.into_iter().map(|(number, part)| {
            let ty = fields.iter().find(|field| field.number == number).and_then(Field::object_type);
            match (part, ty) {
                (Part::Object(Peer::Channel(channel)), Some(ty)) => {
                    (number, Part::Object(Peer::Offered(Offer::new(ty.schema(), ty.adopt(channel)))))
                }
                (part, _) => (number, part),
            }
        });
        Self { bytes: self.bytes, parts: parts.collect() }
    }

    pub(crate) fn into_crossing(self) -> abi::Parcel {
        let parts = self.parts.into_iter().map(|(number, part)| {
            let part = match part {
                Part::Object(peer) => abi::Part::Object(peer.into_passed()),
                Part::Stream(messages) => abi::Part::Stream(messages.into_crossing()),
            };
            (number, part)
        });
        abi::Parcel { bytes: self.bytes, parts: parts.collect() }
    }

    pub(crate) fn from_crossing(parcel: abi::Parcel) -> Self {
        let parts = parcel.parts.into_iter().filter_map(|(number, part)| {
            let part = match part {
                abi::Part::Object(passed) => Part::Object(Peer::Bound(passed.into_object()?)),
                abi::Part::Stream(messages) => Part::Stream(Messages::from_crossing(messages)),
            };
            Some((number, part))
        });
        Self { bytes: parcel.bytes, parts: parts.collect() }
    }
}

impl Peer {
    /// Its end of a wire, for one that is to be handed over as an object of the type `ty`.
    ///
    /// # Errors
    ///
    /// The object was handed over already.
    pub fn into_service(self, ty: &ObjectType) -> Result<Service, DecodeError> {
        match self {
            Self::Bound(object) => Ok(Service::new(ty.schema(), object)),
            Self::Channel(channel) => Offer::new(ty.schema(), ty.adopt(channel)).into_service(),
            Self::Offered(offer) => offer.into_service(),
        }
    }

    /// What crosses. Only an object of this side's is ever handed over: what came from elsewhere is passed on by its
    /// handle, which is one.
    fn into_passed(self) -> Passed {
        match self {
            Self::Offered(offer) => offer.passed,
            Self::Bound(_) | Self::Channel(_) => Passed::new::<()>("", &[], ()),
        }
    }
}
