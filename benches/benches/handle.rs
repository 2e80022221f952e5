//! Calls through a handle to a shared library, beside a `dyn` call in the host.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use jackfield::native::NativeBackend;
use jackfield::{Handle, Manager};
use jackfield_fixtures::{Build, Profile};
use probe_interface::Probe;
use probe_one::TestProbe;

fn handle(criterion: &mut Criterion) {
    let built = jackfield_fixtures::build(&Build::new(["probe-one"]).profile(Profile::own()));
    let library = built.expect("the fixture builds").library("probe-one").to_owned();
    #[expect(unsafe_code, reason = "a host writes it once")]
    // SAFETY: the library is of this repository.
    let backend = unsafe { NativeBackend::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let loaded = runtime.block_on(Manager::new().load("probe", &backend.library(library)));
    let handle: Handle<dyn Probe> = loaded.expect("a probe");
    let local: Box<dyn Probe> =
        black_box(Box::new(TestProbe::open(&jackfield::Context::new("local", [])).expect("a probe")));

    criterion.bench_function("handle/add", |bencher| bencher.iter(|| handle.add(black_box(1), 2)));
    criterion.bench_function("handle/add, dyn", |bencher| bencher.iter(|| local.add(black_box(1), 2)));
    criterion
        .bench_function("handle/bytes 1 MiB", |bencher| bencher.iter(|| handle.bytes(black_box(1 << 20))));
    let mut context = Context::from_waker(Waker::noop());
    criterion.bench_function("handle/add_async", |bencher| {
        bencher.iter(|| pin!(handle.add_async(black_box(1), 2)).poll(&mut context).is_ready());
    });
}

criterion_group!(benches, handle);
criterion_main!(benches);
