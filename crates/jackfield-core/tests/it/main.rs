//! The codec against prost's own, and bytes that nobody has checked.

use jackfield_core::note::Note;
use jackfield_core::{Bytes, Field, Fields, Kind, schema::Descriptor};
use proptest::prelude::*;
use prost::Message as _;

/// One field of every type, as prost sees it.
#[derive(Clone, PartialEq, prost::Message)]
struct Everything {
    #[prost(bool, tag = "1")]
    flag: bool,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
    #[prost(double, tag = "3")]
    double: f64,
    #[prost(float, tag = "4")]
    float: f32,
    #[prost(int32, tag = "5")]
    int32: i32,
    #[prost(int64, tag = "6")]
    int64: i64,
    #[prost(string, tag = "7")]
    text: String,
    #[prost(uint32, tag = "8")]
    uint32: u32,
    #[prost(uint64, tag = "300")]
    uint64: u64,
}

/// The same, as the arguments of a method.
type Arguments = (bool, Bytes, f64, f32, i32, i64, String, u32, u64);

const FIELDS: &[Field] = &[
    Field { name: "flag", number: 1, kind: Kind::Bool },
    Field { name: "data", number: 2, kind: Kind::Bytes },
    Field { name: "double", number: 3, kind: Kind::Double },
    Field { name: "float", number: 4, kind: Kind::Float },
    Field { name: "int32", number: 5, kind: Kind::Int32 },
    Field { name: "int64", number: 6, kind: Kind::Int64 },
    Field { name: "text", number: 7, kind: Kind::String },
    Field { name: "uint32", number: 8, kind: Kind::Uint32 },
    Field { name: "uint64", number: 300, kind: Kind::Uint64 },
];

fn everything() -> impl Strategy<Value = Everything> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let values = (
        any::<bool>(),
        bytes,
        -1e9..1e9,
        -1e9_f32..1e9,
        any::<i32>(),
        any::<i64>(),
        any::<String>(),
        any::<u32>(),
        any::<u64>(),
    );
    values.prop_map(|(flag, data, double, float, int32, int64, text, uint32, uint64)| Everything {
        flag,
        data,
        double,
        float,
        int32,
        int64,
        text,
        uint32,
        uint64,
    })
}

fn arguments(message: &Everything) -> Arguments {
    let Everything { flag, data, double, float, int32, int64, text, uint32, uint64 } = message.clone();
    (flag, data, double, float, int32, int64, text, uint32, uint64)
}

proptest! {
    #[test]
    fn every_message_is_prosts_own_byte_for_byte(message in everything()) {
        let arguments = arguments(&message);
        let encoded = arguments.encode(FIELDS);
        prop_assert_eq!(&encoded[..], &message.encode_to_vec()[..]);
        prop_assert_eq!(Arguments::decode(&encoded, FIELDS), Ok(arguments));
    }

    #[test]
    fn unknown_fields_are_skipped_and_absent_ones_have_their_default(message in everything()) {
        let encoded = Bytes::from(message.encode_to_vec());
        let known = (message.int32,);
        prop_assert_eq!(<(i32,)>::decode(&encoded, &FIELDS[4..5]), Ok(known));
        prop_assert_eq!(Arguments::decode(&Bytes::new(), FIELDS), Ok(Arguments::default()));
    }

    #[test]
    fn bytes_that_nobody_checked_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ours = Arguments::decode(&Bytes::from(bytes.clone()), FIELDS);
        // Where ours accepts a message, prost accepts it with the same content, save for numbers that are too large
        // for their type, which prost cuts.
        if let (Ok(ours), Ok(prosts)) = (ours, Everything::decode(&bytes[..])) {
            prop_assert_eq!(format!("{ours:?}"), format!("{:?}", arguments(&prosts)));
        }
        let _ = Note::parse(&bytes);
        let _ = Descriptor::parse(&bytes);
        let _ = jackfield_core::note::unframe(&bytes);
    }
}
