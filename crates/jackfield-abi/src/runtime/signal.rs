//! Waiting for a runtime's thread.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Job, Runtime, ended, lock};
use crate::panic;
use crate::shim::Reply;

/// Runs what borrows from this thread on a runtime's thread, and waits for it.
pub(super) fn run_borrowed<V: Send>(
    runtime: &dyn Runtime,
    run: impl FnOnce() -> Reply<V> + Send,
) -> Reply<V> {
    let (result, done) = (Mutex::new(None), Signal::new());
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(|| {
        let reply = panic::catch(run).and_then(|reply| reply);
        *lock(&result) = Some(reply);
    });
    // SAFETY: this thread waits until the job has been run or dropped, and with it everything that it borrows.
    let job = unsafe { std::mem::transmute::<Box<dyn FnOnce() + Send + '_>, Job>(job) };
    let guard = SetOnDrop(done.clone());
    runtime.run(Box::new(move || {
        let _guard = guard;
        job();
    }));
    done.wait(None);
    let result = lock(&result).take();
    result.unwrap_or_else(|| Err(ended()))
}

/// Something that happens once. It leaves nothing on the threads that wait for it.
#[derive(Clone)]
pub(super) struct Signal(Arc<(Mutex<bool>, Condvar)>);

impl Signal {
    pub(super) fn new() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new())))
    }

    pub(super) fn set(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    pub(super) fn wait(&self, end: Option<Instant>) {
        let mut is_set = lock(&self.0.0);
        while !*is_set {
            let left =
                end.map_or(Duration::from_secs(3600), |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            is_set = self.0.1.wait_timeout(is_set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct SetOnDrop(Signal);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}
