//! Encodes and decodes requests of the key-value interface.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jackfield_core::__private::Arguments;
use jackfield_core::{Bytes, Interface};
use kv_interface::Kv;

fn codec(criterion: &mut Criterion) {
    let put = <dyn Kv as Interface>::SCHEMA.methods[0].arguments;
    let arguments = || ("hello".to_owned(), Bytes::from_static(&[7; 16]));
    let request = <(String, Bytes)>::encode(arguments(), put).bytes;
    criterion.bench_function("codec/encode put", |bencher| {
        bencher.iter(|| <(String, Bytes)>::encode(black_box(arguments()), put));
    });
    criterion.bench_function("codec/decode put", |bencher| {
        bencher.iter(|| <(String, Bytes)>::decode(black_box(request.clone()).into(), put));
    });
}

criterion_group!(benches, codec);
criterion_main!(benches);
