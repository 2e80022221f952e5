//! The codec against prost's own, byte for byte.

use jackfield_core::__private::Message;
use jackfield_core::note::Note;
use jackfield_core::schema::Descriptor;
use jackfield_core::{Bytes, DecodeError, Value};
use proptest::prelude::*;
use prost::Message as _;

use crate::types::{Colour, Everything, Figure, everything, prosts};

fn encode(message: &impl Message) -> Vec<u8> {
    let mut buffer = Vec::new();
    message.encode_fields(&mut buffer);
    buffer
}

fn decode(bytes: &[u8]) -> Result<Everything, DecodeError> {
    Everything::decode_fields(&Bytes::copy_from_slice(bytes))
}

proptest! {
    #[test]
    fn every_message_is_prosts_own_byte_for_byte(message in everything()) {
        // The order of fields is free, and ours is that of the struct: so both are compared after prost read them.
        let encoded = encode(&message);
        let read = prosts::Everything::decode(&encoded[..]).expect("prost reads it");
        let expected = prosts::Everything::from(message.clone());
        prop_assert_eq!(&read, &expected);
        prop_assert_eq!(encoded.len(), expected.encoded_len());
        prop_assert_eq!(decode(&expected.encode_to_vec()), Ok(message));
    }

    #[test]
    fn what_crosses_into_a_library_comes_back(message in everything()) {
        prop_assert_eq!(Everything::from_cross(message.clone().into_cross()), Ok(message));
    }

    #[test]
    fn bytes_that_nobody_checked_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        // Where ours accepts a message, prost accepts it too.
        if decode(&bytes).is_ok() {
            prop_assert!(prosts::Everything::decode(&bytes[..]).is_ok());
        }
        let _ = Note::parse(&bytes);
        let _ = Descriptor::parse(&bytes);
        let _ = jackfield_core::note::unframe(&bytes);
    }

    #[test]
    fn damage_never_panics(message in everything(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&message);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
            let _ = decode(&bytes[..at]);
        }
    }
}

#[test]
fn absent_fields_have_their_defaults() {
    let empty = decode(&[]).expect("a message without fields");
    assert_eq!((empty.int64, empty.colour, empty.shape, empty.maybe_number), (0, Colour::Red, None, None));
}

#[test]
fn an_empty_option_is_not_a_default() {
    let mut message = decode(&[]).expect("a message without fields");
    message.maybe_number = Some(0);
    message.maybe_text = Some(String::new());
    let read = decode(&encode(&message)).expect("our own message");
    assert_eq!((read.maybe_number, read.maybe_text), (Some(0), Some(String::new())));
}

#[test]
fn a_variant_that_is_not_known_here_is_named() {
    let bytes = prosts::Everything { colour: 7, ..Default::default() }.encode_to_vec();
    let error = decode(&bytes).expect_err("there is no such colour");
    assert_eq!(error.to_string(), "`Colour` has no variant of the number 7 in this version of the interface");
    let figure = Figure::decode_fields(&Bytes::from_static(&[0x28, 1])).expect_err("no such variant");
    assert_eq!(figure, DecodeError::Missing { number: 1 });
}

#[test]
fn nesting_has_an_end() {
    let mut message = decode(&[]).expect("a message without fields");
    for _ in 0..150 {
        message = Everything { next: Some(Box::new(message)), ..decode(&[]).expect("as above") };
    }
    assert_eq!(decode(&encode(&message)), Err(DecodeError::TooDeep { limit: 100 }));
}

#[test]
fn lists_of_numbers_are_read_packed_and_unpacked() {
    // 12: int64, twice one by one, then two in one field.
    let bytes = [0x60, 1, 0x60, 2, 0x62, 2, 3, 4];
    assert_eq!(decode(&bytes).expect("a list").numbers, [1, 2, 3, 4]);
}
