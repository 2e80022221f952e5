//! How calls look on a connection, whatever they say.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;

use super::error::{BodyError, ProtocolError};
use super::refusal::Refusal;

/// A form of net/rpc: [`Gobs`](super::Gobs) or [`Json`](super::Json).
pub trait Codec: wire::Wire + Clone + fmt::Debug + Send + Sync + Unpin + 'static {}

/// Something that can be sent as an argument or as a result.
///
/// For [`Gobs`](super::Gobs) that is everything that `gobwire` encodes, for [`Json`](super::Json) everything that
/// `serde` does.
pub trait ToBody<C: Codec> {
    /// Appends the value.
    #[doc(hidden)]
    fn write(&self, encoder: &mut C::Encoder, out: &mut Vec<u8>) -> Result<(), BodyError>;
}

/// Something that can be received as an argument or as a result.
///
/// For [`Gobs`](super::Gobs) that is everything that `gobwire` decodes, for [`Json`](super::Json) everything that
/// `serde` does.
pub trait FromBody<C: Codec>: Sized + Send + 'static {
    /// Takes the value that the decoder holds.
    #[doc(hidden)]
    fn read(decoder: &mut C::Decoder) -> Result<Self, BodyError>;
}

/// A call that came.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only the codecs of this crate speak of it")]
pub struct Call<I> {
    /// `Service.Method`.
    pub(super) method: String,
    /// How the answer will be known.
    pub(super) id: I,
}

/// An answer that came.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only the codecs of this crate speak of it")]
pub struct Answer {
    /// The number of the call.
    pub(super) seq: u64,
    /// Why there is no result, if there is none.
    pub(super) error: Option<Refusal>,
}

/// How long a message may be that comes, in bytes. Clones share it.
#[derive(Debug, Clone)]
#[expect(unnameable_types, reason = "only the codecs of this crate speak of it")]
pub struct Bound {
    bytes: usize,
    /// By how many it is lifted.
    lifted: Arc<AtomicUsize>,
}

impl Bound {
    /// At most so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, lifted: Arc::default() }
    }

    pub(crate) fn bytes(&self) -> usize {
        if self.lifted.load(Ordering::Relaxed) > 0 { usize::MAX } else { self.bytes }
    }

    /// Lets messages of any length come for as long as what this returns is held.
    pub(crate) fn lift(&self) -> Lifted {
        self.lifted.fetch_add(1, Ordering::Relaxed);
        Lifted(Arc::clone(&self.lifted))
    }
}

impl Default for Bound {
    /// As over gRPC.
    fn default() -> Self {
        Self::new(i32::MAX as usize)
    }
}

/// A bound that does not hold for now.
#[derive(Debug)]
#[must_use]
pub(crate) struct Lifted(Arc<AtomicUsize>);

impl Drop for Lifted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) mod wire {
    use super::{Answer, BodyError, Bound, BytesMut, Call, ProtocolError, Refusal};

    /// Appends a body.
    pub(in super::super) type Write<'a, C> =
        &'a dyn Fn(&mut <C as Wire>::Encoder, &mut Vec<u8>) -> Result<(), BodyError>;

    /// What a codec does. An encoder and a decoder belong to one direction of one connection.
    ///
    /// Each `read_` takes a whole call or answer from the front of the input, or nothing; its body stays in the decoder
    /// and must be read or discarded.
    #[expect(unnameable_types, reason = "it keeps `Codec` to this crate")]
    pub trait Wire: Sized {
        type Encoder: Send + 'static;
        type Decoder: Send + 'static;
        type Id: Send + 'static;

        fn encoder(&self) -> Self::Encoder;
        /// What is longer than the bound ends the connection.
        fn decoder(&self, bound: Bound) -> Self::Decoder;

        /// Appends a call, or nothing if the argument cannot be encoded.
        fn write_call(
            encoder: &mut Self::Encoder,
            call: (&str, u64),
            argument: Write<'_, Self>,
            out: &mut Vec<u8>,
        ) -> Result<(), BodyError>;

        fn read_answer(
            decoder: &mut Self::Decoder,
            input: &mut BytesMut,
        ) -> Result<Option<Answer>, ProtocolError>;

        fn read_call(
            decoder: &mut Self::Decoder,
            input: &mut BytesMut,
        ) -> Result<Option<Call<Self::Id>>, ProtocolError>;

        /// Appends an answer, or nothing if the result cannot be encoded.
        fn write_result(
            encoder: &mut Self::Encoder,
            call: &Call<Self::Id>,
            result: Write<'_, Self>,
            out: &mut Vec<u8>,
        ) -> Result<(), BodyError>;

        /// Appends the answer that there is no result.
        fn write_error(
            encoder: &mut Self::Encoder,
            call: &Call<Self::Id>,
            error: &Refusal,
            out: &mut Vec<u8>,
        );

        /// Passes over a body.
        fn discard(decoder: &mut Self::Decoder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_again_once_nobody_lifts_it() {
        let bound = Bound::new(7);
        let (reader, first, second) = (bound.clone(), bound.lift(), bound.lift());
        drop(first);
        assert_eq!(reader.bytes(), usize::MAX);
        drop(second);
        assert_eq!(reader.bytes(), 7);
    }
}
