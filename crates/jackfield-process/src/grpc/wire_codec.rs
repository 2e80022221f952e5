//! The codec of the wire's own services.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// Protobuf, with buffers that begin as large as these messages mostly are: those of the streams for output and for the
/// broker stay as long as the plugin does, and a host may have a hundred.
#[derive(Debug)]
pub(crate) struct WireCodec<T, U>(PhantomData<fn(T) -> U>);

impl<T, U> Default for WireCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for WireCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(buffers())
    }
}

fn buffers() -> BufferSettings {
    BufferSettings::new(BUFFER, MAX_WAITING)
}

/// A buffer that is too small grows.
const BUFFER: usize = 256;

/// How many bytes of messages that are there already share a frame, as tonic has it.
const MAX_WAITING: usize = 32 << 10;
