//! net/rpc as Go speaks it unless told otherwise: in gobs.

use bytes::BytesMut;
use gobwire::{Decode, Encode, Encoder};

use super::codec::wire::{Wire, Write};
use super::codec::{Answer, Bound, Call, Codec, FromBody, ToBody};
use super::error::{BodyError, ProtocolError};
use super::refusal::Refusal;
use crate::gob::{self, AnswerHead, Empty, Reader, Request, RequestHead};

/// Calls as gobs.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to choose")]
pub struct Gobs;

impl Codec for Gobs {}

/// Writes one direction of a connection.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this codec makes them")]
pub struct GobEncoder {
    encoder: Encoder,
    /// A body that is not known yet to be one.
    body: Vec<u8>,
    /// What is sent in front of the first head: its type.
    call_type: Vec<u8>,
    answer_type: Vec<u8>,
}

/// Reads one direction of a connection.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this codec makes them")]
pub struct GobDecoder {
    reader: Reader,
    /// A head whose body has not come.
    call: Option<RequestHead>,
    answer: Option<AnswerHead>,
}

impl Wire for Gobs {
    type Encoder = GobEncoder;
    type Decoder = GobDecoder;
    type Id = u64;

    fn encoder(&self) -> GobEncoder {
        let mut encoder = Encoder::new();
        // Neither can fail, and nothing would be sent if it did.
        let call_type = definition(&mut encoder, &Request::default());
        let answer_type = definition(&mut encoder, &gob::Answer::default());
        GobEncoder { encoder, body: Vec::new(), call_type, answer_type }
    }

    fn decoder(&self, bound: Bound) -> GobDecoder {
        GobDecoder { reader: Reader::new(bound), call: None, answer: None }
    }

    fn write_call(
        encoder: &mut GobEncoder,
        (method, seq): (&str, u64),
        argument: Write<'_, Self>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        encoder.write_body(argument)?;
        out.append(&mut encoder.call_type);
        encoder.encoder.encode_into(&Request { method, seq }, out)?;
        out.extend_from_slice(&encoder.body);
        Ok(())
    }

    fn read_answer(decoder: &mut GobDecoder, input: &mut BytesMut) -> Result<Option<Answer>, ProtocolError> {
        if decoder.answer.is_none() {
            let Some(head) = decoder.reader.next(input)? else { return Ok(None) };
            decoder.answer = Some(head.decode()?);
        }
        let head = match decoder.reader.next(input)? {
            Some(_body) => decoder.answer.take(),
            None => None,
        };
        Ok(head.map(AnswerHead::into_answer))
    }

    fn read_call(decoder: &mut GobDecoder, input: &mut BytesMut) -> Result<Option<Call<u64>>, ProtocolError> {
        if decoder.call.is_none() {
            let Some(head) = decoder.reader.next(input)? else { return Ok(None) };
            decoder.call = Some(head.decode()?);
        }
        let head = match decoder.reader.next(input)? {
            Some(_body) => decoder.call.take(),
            None => None,
        };
        Ok(head.map(|RequestHead { method, seq }| Call { method, id: seq }))
    }

    fn write_result(
        encoder: &mut GobEncoder,
        call: &Call<u64>,
        result: Write<'_, Self>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        encoder.write_body(result)?;
        encoder.write_answer(&gob::Answer { method: &call.method, seq: call.id, error: "" }, out)
    }

    fn write_error(encoder: &mut GobEncoder, call: &Call<u64>, error: &Refusal, out: &mut Vec<u8>) {
        let written = encoder
            .write_body(&|encoder, out| Empty {}.write(encoder, out))
            .and_then(|()| encoder.write_refusal(call, error, out));
        debug_assert!(written.is_ok(), "texts and an empty struct can be encoded");
    }

    fn discard(decoder: &mut GobDecoder) {
        // If that fails, so does what follows.
        let _discarded = decoder.reader.decoder().discard();
    }
}

impl GobEncoder {
    /// Encodes what comes after the head first: if it cannot be, no head may have been sent.
    fn write_body(&mut self, body: Write<'_, Gobs>) -> Result<(), BodyError> {
        let mut bytes = std::mem::take(&mut self.body);
        bytes.clear();
        bytes.shrink_to(MAX_KEPT);
        let written = body(self, &mut bytes);
        self.body = bytes;
        written
    }

    fn write_refusal(
        &mut self,
        call: &Call<u64>,
        error: &Refusal,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        // An empty text would say that there is a result.
        let words = if error.words().is_empty() { "unknown error" } else { error.words() };
        let head = gob::Answer { method: &call.method, seq: call.id, error: words };
        if error.is_plain() {
            return self.write_answer(&head, out);
        }
        // Of another type with the same fields and more: a Go program looks for its own by their names.
        let head = gob::Refused { answer: head, failure: &error.failure, panic: &error.panic };
        self.encoder.encode_into(&head, out)?;
        out.extend_from_slice(&self.body);
        Ok(())
    }

    fn write_answer(&mut self, head: &gob::Answer<'_>, out: &mut Vec<u8>) -> Result<(), BodyError> {
        out.append(&mut self.answer_type);
        self.encoder.encode_into(head, out)?;
        out.extend_from_slice(&self.body);
        Ok(())
    }
}

impl AnswerHead {
    fn into_answer(self) -> Answer {
        let Self { seq, error, failure, panic } = self;
        Answer { seq, error: (!error.is_empty()).then(|| Refusal { failure, panic, ..Refusal::new(error) }) }
    }
}

impl<T: Encode + ?Sized> ToBody<Gobs> for T {
    fn write(&self, encoder: &mut GobEncoder, out: &mut Vec<u8>) -> Result<(), BodyError> {
        Ok(encoder.encoder.encode_into(self, out)?)
    }
}

impl<T: Decode + Default + Send + 'static> FromBody<Gobs> for T {
    fn read(decoder: &mut GobDecoder) -> Result<Self, BodyError> {
        Ok(decoder.reader.decoder().decode()?)
    }
}

/// The message that defines the type of `value`, which has no other types inside.
fn definition(encoder: &mut Encoder, value: &impl Encode) -> Vec<u8> {
    let mut bytes = encoder.encode(value).unwrap_or_default();
    if let Ok(Some((width, length))) = gobwire::parse_length_prefix(&bytes) {
        bytes.truncate(width + length);
    }
    bytes
}

const MAX_KEPT: usize = 256 * 1024;
