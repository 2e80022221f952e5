//! What stands in `conformance/lacking.txt` fails, and there is nothing else in it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use jackfield_conformance::lacking::{Entry, entries, find};
use jackfield_conformance::mechanisms;
use tokio::time::timeout;

use crate::{studio, suite};

/// Runs a case on a wire. One that is in the list has to fail: else it would stay there for ever.
pub(crate) async fn run(wire: &str, case: &str, run: impl Future<Output = ()>) {
    let Some(entry) = find(wire, case) else {
        return run.await;
    };
    let outcome = timeout(PATIENCE, AssertUnwindSafe(run).catch_unwind()).await;
    let words = match outcome {
        Ok(Ok(())) => {
            panic!("`{wire}` passes `{case}` after all; take it off the list, where it says: {}", entry.why)
        }
        Ok(Err(panic)) => match panic.downcast::<String>() {
            Ok(words) => *words,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
        },
        Err(_) => "it waits for what does not come".to_owned(),
    };
    assert!(
        entry.is_shown_by(&words),
        "`{wire}` fails `{case}` for another reason than {}: {words}",
        entry.why
    );
}

#[test]
fn the_list_names_cases_that_there_are() {
    let cases = [suite::CASES, studio::CASES, studio::LOAD_CASES].concat();
    for Entry { wire, case, .. } in entries() {
        if mechanisms::has(wire, case) {
            continue;
        }
        assert!(cases.contains(&case), "there is no case `{case}`");
        assert!(
            ["go", "netrpc", "gob", "json", "json2"].contains(&wire),
            "there is no wire `{wire}` that may lack one"
        );
    }
}

/// A case that waits for what never comes is given up.
const PATIENCE: Duration = Duration::from_secs(5);
