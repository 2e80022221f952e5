//! The results, for programs.

use serde_json::{Map, Value, json};

use super::results::{Measured, Results};
use super::table;

/// All metrics by key; what is missing stands beside them.
pub(crate) fn encode(results: &Results) -> Value {
    let metrics: Map<String, Value> =
        results.measured.iter().map(|measured| (measured.key.name.to_owned(), metric(measured))).collect();
    json!({"metrics": metrics, "missing": results.missing})
}

fn metric(measured: &Measured) -> Value {
    let bound = Some(table::bound(measured)).filter(|bound| !bound.is_empty());
    let rounds: Vec<Value> = match &measured.peer {
        Some(peer) => {
            let pairs = measured.ours.rounds.iter().zip(&peer.rounds);
            pairs.map(|(ours, peer)| json!({"value": ours, "peer": peer})).collect()
        }
        None => measured.ours.rounds.iter().map(|ours| json!({"value": ours})).collect(),
    };
    json!({
        "value": measured.ours.median,
        "unit": measured.key.unit,
        "peer": measured.peer.as_ref().map(|peer| peer.median),
        "bound": bound,
        "rounds": rounds,
    })
}
