//! Parses the note of a plugin, as each load does.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jackfield_core::note::Note;

fn note(criterion: &mut Criterion) {
    let note = probe_one::PLUGIN.entry.note();
    Note::parse(note).expect("our own note");
    criterion.bench_function("note/parse", |bencher| bencher.iter(|| Note::parse(black_box(note))));
}

criterion_group!(benches, note);
criterion_main!(benches);
