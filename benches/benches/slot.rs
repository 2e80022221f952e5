//! Enters and swaps a hot slot.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jackfield_abi::HotSlot;

fn slot(criterion: &mut Criterion) {
    let slot = HotSlot::new(Arc::new(1_u64));
    criterion.bench_function("slot/enter", |bencher| bencher.iter(|| *black_box(&slot).enter()));
    criterion.bench_function("slot/load", |bencher| bencher.iter(|| black_box(&slot).load()));
    criterion.bench_function("slot/swap", |bencher| bencher.iter(|| slot.swap(Arc::new(2)).into_arc()));
}

criterion_group!(benches, slot);
criterion_main!(benches);
