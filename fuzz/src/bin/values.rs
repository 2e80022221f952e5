//! Every type that can be an argument or a result, from a message that nobody has checked: what can be read is the same
//! once it was written and read again.
#![no_main]

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
});

fn same<T: Value>(message: &[u8]) {
    let Some(value) = read::<T>(message) else { return };
    // Compared as bytes, since a number that is none equals nothing.
    let written = write(&value);
    // A default is left out.
    let again = if written.is_empty() { T::default() } else { read(&written).expect("our own message") };
    assert_eq!(write(&again), written);
}

/// The first field of a message.
fn read<T: Value>(message: &[u8]) -> Option<T> {
    let message = Bytes::copy_from_slice(message);
    let field = Reader::new(&message).next_field().ok()??;
    T::decode(&field, &message).ok()
}

fn write<T: Value>(value: &T) -> Vec<u8> {
    let mut written = Vec::new();
    value.encode(1, &mut written);
    written
}
