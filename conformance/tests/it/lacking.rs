//! The list of what a wire cannot carry, and of what a plugin in a process cannot know: `conformance/lacking.txt`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use crate::{studio, suite};

/// Runs a case on a wire. One that is in the list has to fail: else it would stay there for ever.
pub(crate) async fn run(wire: &str, case: &str, run: impl Future<Output = ()>) {
    let Some(entry) = entries().find(|entry| (entry.wire, entry.case) == (wire, case)) else {
        return run.await;
    };
    let outcome = timeout(PATIENCE, AssertUnwindSafe(run).catch_unwind()).await;
    let passed = matches!(outcome, Ok(Ok(())));
    assert!(
        !passed,
        "`{wire}` passes `{case}` after all; take it off the list, where it says: {}",
        entry.why
    );
}

struct Entry {
    wire: &'static str,
    case: &'static str,
    why: &'static str,
}

fn entries() -> impl Iterator<Item = Entry> {
    let lines = include_str!("../../lacking.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut words = line.splitn(3, char::is_whitespace);
        let mut next = || words.next().unwrap_or_else(|| panic!("expected `wire case why`, found `{line}`"));
        Entry { wire: next(), case: next(), why: next() }
    })
}

#[test]
fn the_list_names_cases_that_there_are() {
    let cases = [suite::CASES, studio::CASES, studio::LOAD_CASES].concat();
    for Entry { wire, case, .. } in entries() {
        assert!(cases.contains(&case), "there is no case `{case}`");
        assert!(
            ["netrpc", "gob", "json", "json2"].contains(&wire),
            "there is no wire `{wire}` that may lack one"
        );
    }
}

/// A case that waits for what never comes is given up.
const PATIENCE: Duration = Duration::from_secs(5);
