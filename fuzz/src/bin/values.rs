//! Every type that can be an argument or a result, from a message that nobody has checked: what can be read is the same
//! once it was written and read again.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use jackfield_core::Value;
use jackfield_core::codec::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    same::<i8>(bytes);
    same::<i16>(bytes);
    same::<i32>(bytes);
    same::<i64>(bytes);
    same::<u8>(bytes);
    same::<u16>(bytes);
    same::<u32>(bytes);
    same::<u64>(bytes);
    same::<f32>(bytes);
    same::<f64>(bytes);
    same::<bool>(bytes);
    same::<String>(bytes);
    same::<Bytes>(bytes);
    same::<Vec<u8>>(bytes);
    same::<Option<u32>>(bytes);
    same::<Vec<i64>>(bytes);
    same::<Vec<f32>>(bytes);
    same::<Vec<String>>(bytes);
    same::<BTreeMap<String, u64>>(bytes);
    same::<BTreeMap<i32, Bytes>>(bytes);
    same::<(i32, String)>(bytes);
    same::<Tree>(bytes);
    same::<Choice>(bytes);
});

/// A message that may hold others of its kind.
#[derive(Debug, Value)]
struct Tree {
    name: String,
    weight: Option<f64>,
    children: Vec<Self>,
}

/// One of several messages.
#[derive(Debug, Value)]
enum Choice {
    Nothing,
    Number(i64),
    Tree(Tree),
    Pair { left: String, right: Bytes },
}

fn same<T: Value>(message: &[u8]) {
    let Some(value) = read::<T>(message) else { return };
    // Compared as bytes, since a number that is none equals nothing.
    let written = write(&value);
    let again = read::<T>(&written).expect("our own message");
    assert_eq!(write(&again), written);
}

/// The value that all fields of a message make, whatever their numbers are.
fn read<T: Value>(message: &[u8]) -> Option<T> {
    let message = Bytes::copy_from_slice(message);
    let mut reader = Reader::new(&message);
    let mut value = None;
    while let Some(field) = reader.next_field().ok()? {
        T::merge(&mut value, &field, &message).ok()?;
    }
    value.or_else(T::absent)
}

fn write<T: Value>(value: &T) -> Vec<u8> {
    let mut written = Vec::new();
    value.encode(1, &mut written);
    written
}
