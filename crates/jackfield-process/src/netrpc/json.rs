//! net/rpc as JSON-RPC: one object per call and one per answer.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::codec::wire::{Wire, Write};
use super::codec::{Answer, Bound, Call, Codec, FromBody, ToBody};
use super::error::{BodyError, ProtocolError};
use super::refusal::Refusal;
use super::scanner::Scanner;

/// Calls as JSON objects, each of which ends with a line feed. Between those that come, any white space will do.
///
/// The two versions differ in what they write; each reads both. A result that is nothing is written as `{}`, for Go
/// takes an answer with neither result nor error for a broken one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two versions")]
pub enum Json {
    /// JSON-RPC 1.0, as Go's `net/rpc/jsonrpc` has it.
    #[default]
    V1,
    /// JSON-RPC 2.0: errors are objects, and a call without an `id` is not answered. Batches are not understood.
    V2,
}

/// What came is no JSON-RPC.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// An object is longer than this end accepts.
    #[error(
        "expected an object of at most {limit} bytes, found a longer one\n(hint: `max_message` allows more)"
    )]
    Length {
        /// What is accepted.
        limit: usize,
    },
    /// Something else stands between the objects.
    #[error("expected a JSON object, found `{found}`\n(hint: something else prints to it)")]
    Noise {
        /// Its beginning.
        found: String,
    },
    /// An object is none of JSON-RPC.
    #[error("expected a call or an answer of JSON-RPC, found `{found}`")]
    Object {
        /// Its beginning.
        found: String,
        /// What is wrong with it.
        source: Arc<serde_json::Error>,
    },
}

impl Codec for Json {}

/// Reads one direction of a connection.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this codec makes them")]
pub struct JsonDecoder {
    scanner: Scanner,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct CallObject<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
}

#[derive(Deserialize)]
struct AnswerObject<'a> {
    id: u64,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
    /// No part of version 1.0, but any reader passes over what it does not know.
    #[serde(default)]
    data: Option<Value>,
}

impl Wire for Json {
    type Encoder = Self;
    type Decoder = JsonDecoder;
    /// `None` if no answer is wanted.
    type Id = Option<Value>;

    fn encoder(&self) -> Self {
        *self
    }

    fn decoder(&self, bound: Bound) -> JsonDecoder {
        JsonDecoder { scanner: Scanner::new(bound), body: Vec::new() }
    }

    fn write_call(
        encoder: &mut Self,
        (method, seq): (&str, u64),
        argument: Write<'_, Self>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        let begin = out.len();
        out.extend_from_slice(match encoder {
            Self::V1 => b"{\"method\":",
            Self::V2 => b"{\"jsonrpc\":\"2.0\",\"method\":",
        });
        let written = serde_json::to_writer(&mut *out, method).map_err(BodyError::from).and_then(|()| {
            out.extend_from_slice(b",\"params\":[");
            argument(encoder, out)
        });
        if written.is_err() {
            out.truncate(begin);
            return written;
        }
        out.extend_from_slice(format!("],\"id\":{seq}}}\n").as_bytes());
        Ok(())
    }

    fn read_answer(decoder: &mut JsonDecoder, input: &mut BytesMut) -> Result<Option<Answer>, ProtocolError> {
        let Some(object) = decoder.scanner.next(input)? else { return Ok(None) };
        let answer: AnswerObject<'_> = parse(&object)?;
        decoder.set_body(answer.result.map(RawValue::get));
        Ok(Some(Answer { seq: answer.id, error: answer.error.map(|error| refusal(error, answer.data)) }))
    }

    fn read_call(
        decoder: &mut JsonDecoder,
        input: &mut BytesMut,
    ) -> Result<Option<Call<Option<Value>>>, ProtocolError> {
        let Some(object) = decoder.scanner.next(input)? else { return Ok(None) };
        let call: CallObject<'_> = parse(&object)?;
        decoder.set_body(call.params.map(|params| first(params.get())));
        Ok(Some(Call { method: call.method.into_owned(), id: call.id }))
    }

    fn write_result(
        encoder: &mut Self,
        call: &Call<Option<Value>>,
        result: Write<'_, Self>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        let Some(id) = &call.id else { return Ok(()) };
        let begin = out.len();
        encoder.begin_answer(id, out);
        out.extend_from_slice(b",\"result\":");
        let result_begin = out.len();
        if let Err(error) = result(encoder, out) {
            out.truncate(begin);
            return Err(error);
        }
        if &out[result_begin..] == b"null" {
            out.truncate(result_begin);
            out.extend_from_slice(b"{}");
        }
        out.extend_from_slice(match encoder {
            Self::V1 => b",\"error\":null}\n",
            Self::V2 => b"}\n",
        });
        Ok(())
    }

    fn write_error(encoder: &mut Self, call: &Call<Option<Value>>, error: &Refusal, out: &mut Vec<u8>) {
        let Some(id) = &call.id else { return };
        encoder.begin_answer(id, out);
        let words = Value::from(error.words());
        let data = background(error).map(|data| format!(",\"data\":{data}")).unwrap_or_default();
        let text = match encoder {
            Self::V1 => format!(",\"result\":null,\"error\":{words}{data}}}\n"),
            Self::V2 => format!(",\"error\":{{\"code\":{SERVER_ERROR},\"message\":{words}{data}}}}}\n"),
        };
        out.extend_from_slice(text.as_bytes());
    }

    fn discard(_: &mut JsonDecoder) {}
}

impl Json {
    fn begin_answer(self, id: &Value, out: &mut Vec<u8>) {
        let version = match self {
            Self::V1 => "",
            Self::V2 => "\"jsonrpc\":\"2.0\",",
        };
        out.extend_from_slice(format!("{{{version}\"id\":{id}").as_bytes());
    }
}

impl JsonDecoder {
    fn set_body(&mut self, json: Option<&str>) {
        self.body.clear();
        self.body.extend_from_slice(json.unwrap_or("null").as_bytes());
    }
}

impl<T: Serialize + ?Sized> ToBody<Json> for T {
    fn write(&self, _: &mut Json, out: &mut Vec<u8>) -> Result<(), BodyError> {
        Ok(serde_json::to_writer(out, self)?)
    }
}

impl<T: DeserializeOwned + Send + 'static> FromBody<Json> for T {
    fn read(decoder: &mut JsonDecoder) -> Result<Self, BodyError> {
        Ok(serde_json::from_slice(&decoder.body)?)
    }
}

fn parse<'a, T: Deserialize<'a>>(object: &'a [u8]) -> Result<T, JsonError> {
    serde_json::from_slice(object).map_err(|error| {
        let shown = &object[..object.len().min(MAX_QUOTE)];
        JsonError::Object { found: String::from_utf8_lossy(shown).into_owned(), source: Arc::new(error) }
    })
}

/// Tells an `id` of `null` from none.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The first of a list of arguments; arguments by name are one argument.
fn first(params: &str) -> &str {
    match serde_json::from_str::<Vec<&RawValue>>(params) {
        Ok(list) => list.first().map_or("null", |first| first.get()),
        Err(_) => params,
    }
}

/// Version 1.0 has a text for an error, version 2.0 an object with one.
fn refusal(error: Value, data: Option<Value>) -> Refusal {
    let (words, data) = match error {
        Value::String(text) => (text, data),
        Value::Object(mut object) => match object.remove("message") {
            Some(Value::String(text)) => (text, object.remove("data")),
            _ => (Value::Object(object).to_string(), None),
        },
        other => (other.to_string(), None),
    };
    let text_of = |key| data.as_ref().and_then(|data| data.get(key)).and_then(Value::as_str);
    let failure = text_of(FAILURE).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    Refusal { failure, panic: text_of(PANIC).unwrap_or_default().to_owned(), ..Refusal::new(words) }
}

/// What stands beside the text of an error.
fn background(error: &Refusal) -> Option<Value> {
    if error.is_plain() {
        return None;
    }
    Some(serde_json::json!({ FAILURE: STANDARD.encode(&error.failure), PANIC: error.panic }))
}

/// Reads any bytes as calls and as answers.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let mut input = BytesMut::from(bytes);
    let mut decoder = Json::V1.decoder(Bound::default());
    while let Ok(Some(_)) = Json::read_call(&mut decoder, &mut input) {
        let _argument: Result<Value, _> = FromBody::<Json>::read(&mut decoder);
    }
    let (mut decoder, mut input) = (Json::V1.decoder(Bound::default()), BytesMut::new());
    for piece in bytes.chunks(1 + bytes.len() % 61) {
        input.extend_from_slice(piece);
        while let Ok(Some(_)) = Json::read_answer(&mut decoder, &mut input) {}
    }
}

const FAILURE: &str = "failure";
const PANIC: &str = "panic";
/// The code of an error that is the method's own, of those that version 2.0 leaves to servers.
const SERVER_ERROR: i32 = -32000;
pub(super) const MAX_QUOTE: usize = 200;
