//! What Go's own net/rpc sent, byte for byte.

use bytes::BytesMut;
use gobwire::{
    Decode, Describer, Dynamic, Encode, GobType, Result as GobResult, TypeTable, Value as GobValue,
};
use gobwire::{ValueDecoder, ValueEncoder};
use serde_json::Value;

use super::codec::{Bound, Call, Codec, FromBody, ToBody};
use super::*;
use crate::gob::Empty;

/// Both directions of one connection, as they were recorded: call and answer in turn.
fn recorded(codec: &str) -> Vec<[&'static str; 2]> {
    let lines: Vec<_> = include_str!("../../tests/golden/netrpc.txt").lines().collect();
    let marker = format!("json={}", codec == "json");
    let of = |line: &'static str, direction: &str| line.strip_prefix(direction).unwrap();
    let calls = lines.chunks(3).filter(|call| call[0].ends_with(&marker));
    calls.map(|call| [of(call[1], "  C->S "), of(call[2], "  S->C ")]).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Reads something of which a byte comes at a time.
fn in_pieces<T>(bytes: &[u8], mut read: impl FnMut(&mut BytesMut) -> Option<T>) -> T {
    let mut input = BytesMut::new();
    for (index, byte) in bytes.iter().enumerate() {
        input.extend_from_slice(&[*byte]);
        if let Some(whole) = read(&mut input) {
            assert!(bytes[index + 1..].trim_ascii().is_empty(), "something is left");
            return whole;
        }
    }
    panic!("{} bytes are not enough", bytes.len())
}

/// Reads and writes everything that was recorded; `adapt` says how the bytes differ that we write.
fn round_trip<C, B>(
    codec: &C,
    recorded: &[[Vec<u8>; 2]],
    adapt: impl Fn([Vec<u8>; 2]) -> [Vec<u8>; 2],
) -> Vec<(String, Result<String, String>)>
where
    C: Codec,
    B: FromBody<C> + ToBody<C> + std::fmt::Debug,
{
    let (mut calls, mut answers) = (codec.decoder(Bound::default()), codec.decoder(Bound::default()));
    let (mut asks, mut replies) = (codec.encoder(), codec.encoder());
    let mut read = Vec::new();
    for (seq, [called, answered]) in recorded.iter().enumerate() {
        let call: Call<C::Id> = in_pieces(called, |input| C::read_call(&mut calls, input).unwrap());
        let argument = B::read(&mut calls).unwrap();
        let mut ours = [Vec::new(), Vec::new()];
        let head = (call.method.as_str(), seq as u64);
        C::write_call(&mut asks, head, &|encoder, out| argument.write(encoder, out), &mut ours[0]).unwrap();

        let answer = in_pieces(answered, |input| C::read_answer(&mut answers, input).unwrap());
        assert_eq!(answer.seq, seq as u64);
        let result = match answer.error {
            Some(error) => {
                C::discard(&mut answers);
                C::write_error(&mut replies, &call, &error, &mut ours[1]);
                Err(error.to_string())
            }
            None => {
                let result = B::read(&mut answers).unwrap();
                let write = |encoder: &mut _, out: &mut _| result.write(encoder, out);
                C::write_result(&mut replies, &call, &write, &mut ours[1]).unwrap();
                Ok(format!("{result:?}"))
            }
        };
        let expected = adapt([called.clone(), answered.clone()]);
        assert_eq!(ours, expected, "{}", call.method);
        read.push((format!("{} {argument:?}", call.method), result));
    }
    read
}

/// Any value; one without content is of the type that stands in the place of a result, as in Go.
#[derive(Default)]
struct Any(Dynamic);

impl Any {
    fn known(&self) -> &dyn Encode {
        match &self.0.value {
            GobValue::Struct(fields) if fields.is_empty() => &Empty {},
            _ => &self.0,
        }
    }
}

impl std::fmt::Debug for Any {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl GobType for Any {
    fn describe(describer: &mut Describer<'_>) -> GobResult<i64> {
        Dynamic::describe(describer)
    }

    fn compatible(types: &TypeTable, wire: i64) -> bool {
        Dynamic::compatible(types, wire)
    }
}

impl Decode for Any {
    fn decode_into(&mut self, decoder: &mut ValueDecoder<'_>, wire: i64) -> GobResult<()> {
        self.0.decode_into(decoder, wire)
    }
}

impl Encode for Any {
    fn describe_value(&self, describer: &mut Describer<'_>) -> GobResult<i64> {
        self.known().describe_value(describer)
    }

    fn is_zero(&self) -> bool {
        self.known().is_zero()
    }

    fn frames_as_struct(&self) -> bool {
        self.known().frames_as_struct()
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        self.known().encode(encoder)
    }
}

#[test]
fn gobs_are_read_to_the_letter_and_written_equal_but_for_type_ids() {
    let recorded: Vec<_> = recorded("gob").into_iter().map(|call| call.map(bytes)).collect();
    // One Go process was both ends, and numbers its types over all connections.
    let replace = |bytes: Vec<u8>, from: u8, to: u8| {
        let pairs: Vec<u8> = bytes.clone();
        let mut bytes = bytes;
        for index in 1..pairs.len() {
            if pairs[index - 1] == 0xff && [from, from + 1].contains(&pairs[index]) {
                bytes[index] = pairs[index] - from + to;
            }
        }
        bytes
    };
    let read = round_trip::<_, Any>(&Gobs, &recorded, |[call, answer]| {
        [replace(call, 0x8b, 0x89), replace(answer, 0x89, 0x85)]
    });
    let all = format!("{read:#?}");
    for expected in [
        "Foo.ToUpper Dynamic { ty: String, value: String(\\\"something\\\") }",
        "value: Struct([Some(Int(7)), Some(Int(6))])",
        "value: Slice([Int(2), Int(3)])",
        "\"it failed\"",
        "\"rpc: can't find method Foo.Nope\"",
        "\"rpc: service/method request ill-formed: nodot\"",
        "Control.Ping Dynamic { ty: Bool, value: Bool(true) }",
        "Dispenser.Dispense Dynamic { ty: String, value: String(\\\"greeter\\\") }",
        "Dynamic { ty: Uint, value: Uint(1) }",
        "Plugin.Greet Dynamic { ty: Interface, value: Interface(None) }",
        "Dynamic { ty: String, value: String(\\\"Hello!\\\") }",
        "Map([(String(\\\"key\\\"), Interface(Some(Interface { name: \\\"string\\\"",
        "Map([(String(\\\"value\\\"), Interface(Some(Interface { name: \\\"[]uint8\\\"",
        "Dynamic { ty: Bytes, value: Bytes([118]) }",
    ] {
        assert!(all.contains(expected), "{expected} in {all}");
    }
    assert_eq!(read.len(), 13);
}

#[test]
fn json_is_read_and_written_to_the_letter() {
    let text = |quoted: &str| serde_json::from_str::<String>(quoted).unwrap().into_bytes();
    let recorded: Vec<_> = recorded("json").into_iter().map(|call| call.map(text)).collect();
    let read = round_trip::<_, Value>(&Json::V1, &recorded, |[call, answer]| {
        // Go's client takes the answer that its server gives here for a broken one.
        let nothing = String::from_utf8(answer).unwrap();
        let nothing = nothing.replace("\"result\":null,\"error\":null", "\"result\":{},\"error\":null");
        [call, nothing.into_bytes()]
    });
    assert_eq!(read[2].0, "Foo.Add Array [Number(2), Number(3)]");
    assert_eq!(read[3].1, Err("it failed".to_owned()));
    assert_eq!(read.len(), 8);
}
