//! Functions of a library, looked up by name.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use jackfield::symbols::{Function, Plugin};
use jackfield_benches::{alternate, batches, median};
use libloading::{Library, Symbol};
use serde_json::{Value, json};

use crate::Host;

type Add = fn(i64, i64) -> i64;
type RawAdd = extern "C" fn(i64, i64) -> i64;

/// A call of a function, next to one through a pointer that libloading found, in a library that nobody may unload.
pub(crate) fn call(host: &Host, path: &str, peer: &str, duration: Duration) -> anyhow::Result<Value> {
    let plugin = host.open_symbols(path)?;
    let function: Function<Add> = plugin.lookup("add")?.downcast::<Add>()?;
    let pinned = function.pin()?;
    let library = load(Path::new(peer))?;
    let raw = *find(&library)?;
    ensure!(
        function.call(19, 23)? == 42 && pinned.call(19, 23)? == 42 && raw(19, 23) == 42,
        "it adds wrongly"
    );
    let half = duration / 2;
    let count_raw = |calls| count(calls, |sum| raw(sum, 1));
    let (call_ns, raw_ns) =
        alternate(half, |calls| count(calls, |sum| function.call(sum, 1).unwrap_or(-1)), count_raw);
    let (pinned_ns, pinned_raw_ns) =
        alternate(half, |calls| count(calls, |sum| pinned.call(sum, 1).unwrap_or(-1)), count_raw);
    Ok(json!({"call_ns": call_ns, "raw_ns": raw_ns, "pinned_ns": pinned_ns, "pinned_raw_ns": pinned_raw_ns}))
}

/// Looking a function up in a library that is open.
pub(crate) fn lookup(host: &Host, path: &str, duration: Duration) -> anyhow::Result<Value> {
    let plugin = host.open_symbols(path)?;
    let ns = median(batches(duration, |calls| look_up(&plugin, calls)));
    Ok(json!({"ns_per_lookup": ns}))
}

#[inline(never)]
fn look_up(plugin: &Plugin, calls: u64) {
    for _ in 0..calls {
        let found = plugin.lookup(black_box("add"));
        // By reference: moving it would be part of what is measured.
        assert!(black_box(&found).is_ok(), "it is listed");
    }
}

/// Each call needs the sum of the one before.
#[inline(always)]
fn count(calls: u64, add: impl Fn(i64) -> i64) {
    let mut sum = 0;
    for _ in 0..calls {
        sum = add(sum);
    }
    assert_eq!(sum as u64, calls, "a call failed");
}

#[expect(unsafe_code, reason = "this is how libloading is used")]
fn load(path: &Path) -> anyhow::Result<Library> {
    // SAFETY: the library is of this repository, and nothing runs when it is loaded.
    Ok(unsafe { Library::new(path) }?)
}

#[expect(unsafe_code, reason = "this is how libloading is used")]
fn find(library: &Library) -> anyhow::Result<Symbol<'_, RawAdd>> {
    // SAFETY: the library exports a function of this type under this name.
    Ok(unsafe { library.get(b"peer_add") }?)
}
