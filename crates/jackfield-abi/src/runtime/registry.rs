//! The objects that live at a runtime.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::signal::Signal;
use super::{COUNT, DEADLINE, Hosting, Job, Runtime, lock};
use crate::panic;
use crate::stream::{self, Feed};

/// The objects that live at a runtime, by address: a call brings nothing but that.
pub(super) struct Registry(Mutex<BTreeMap<usize, Home>>);

/// An object's home.
struct Home {
    runtime: Arc<dyn Runtime>,
    /// Whether the runtime ends with the object.
    is_owner: bool,
}

impl Registry {
    fn insert(&self, object: usize, home: Home) {
        lock(&self.0).insert(object, home);
        COUNT.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self, object: usize) -> Option<Home> {
        let home = lock(&self.0).remove(&object)?;
        COUNT.fetch_sub(1, Ordering::Relaxed);
        Some(home)
    }
}

impl Hosting for Registry {
    fn own(&self, object: usize, runtime: Arc<dyn Runtime>) {
        self.insert(object, Home { runtime, is_owner: true });
    }

    fn settle(&self, object: usize, runtime: Arc<dyn Runtime>) {
        self.insert(object, Home { runtime, is_owner: false });
    }

    fn runtime_of(&self, object: usize) -> Option<Arc<dyn Runtime>> {
        lock(&self.0).get(&object).map(|home| home.runtime.clone())
    }

    fn drop_object(&self, object: usize, drop: Job) {
        match self.remove(object) {
            None => drop(),
            Some(Home { runtime, is_owner: true }) => drop_with(&*runtime, drop),
            Some(Home { runtime, is_owner: false }) => {
                // If the runtime has ended, the job is dropped on this thread, and with it the object.
                let object = DropBy(Some(drop));
                runtime.run(Box::new(move || std::mem::drop(object)));
            }
        }
    }

    fn place_feed(&self, runtime: Arc<dyn Runtime>, feed: Box<dyn Feed>) -> Box<dyn Feed> {
        stream::at_runtime(runtime, feed)
    }

    fn forget_all(&self) {
        let mut homes = lock(&self.0);
        if homes.is_empty() {
            *homes = BTreeMap::new();
        }
    }
}

/// Drops the object that owns a runtime, and ends the runtime.
fn drop_with(runtime: &dyn Runtime, drop: Job) {
    let end = Instant::now() + DEADLINE;
    let dropped = Signal::new();
    runtime.run(Box::new({
        let dropped = dropped.clone();
        move || {
            let _ = panic::catch(drop);
            dropped.set();
        }
    }));
    dropped.wait(Some(end));
    runtime.end(end.saturating_duration_since(Instant::now()));
}

/// Something that is dropped by a function, wherever that happens.
struct DropBy(Option<Job>);

impl Drop for DropBy {
    fn drop(&mut self) {
        if let Some(drop) = self.0.take() {
            let _ = panic::catch(drop);
        }
    }
}

pub(super) static REGISTRY: Registry = Registry(Mutex::new(BTreeMap::new()));
