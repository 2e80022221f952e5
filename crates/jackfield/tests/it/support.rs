//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};

use jackfield::native::NativeBackend;
use jackfield_fixtures::{Artifacts, Build};

/// The fixtures' shared libraries.
pub(crate) fn libraries() -> Artifacts {
    jackfield_fixtures::build(&Build::fixtures()).expect("the fixtures build")
}

/// A backend that runs the fixtures.
#[expect(unsafe_code, reason = "a host writes it once")]
pub(crate) fn native() -> NativeBackend {
    // SAFETY: the tests load libraries of this repository only.
    unsafe { NativeBackend::new() }
}

/// Whether this is root, who alone can be another user or give files away. If it is not, it is said on stderr.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
pub(crate) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!(
            "not tested: what another user may not do, since the tests run as none that could become another"
        );
    }
    is_root
}

/// A copy of a file in a directory of the test's own.
pub(crate) fn copy(from: &Path, directory: &Path, name: &str) -> PathBuf {
    let to = directory.join(name);
    std::fs::copy(from, &to).expect("a copy");
    to
}

/// An error with all its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A host without any runtime: what is polled here is polled by this alone.
pub(crate) fn block_on<V>(future: impl Future<Output = V>) -> V {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
