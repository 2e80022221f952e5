//! What was seen of each plugin: the table at the end.

use jackfield::{Manager, Stats};
use serde_json::{Value, json};

use super::tell::Tell;
use crate::table::Table;

/// What was seen of one plugin.
struct Seen {
    plugin: String,
    stats: Stats,
    /// What became of it.
    end: String,
}

/// Unloads everything, and tells what was seen of each plugin until then.
pub(super) async fn run(manager: &Manager, tell: &Tell) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for plugin in manager.names() {
        let stats = manager.stats(plugin.as_str())?;
        let end = manager.unload(plugin.as_str()).await?.to_string();
        all.push(Seen { plugin: plugin.to_string(), stats, end });
    }
    tell.line("everything unloaded", format_args!("{} plugins; what was seen of each:", all.len()))?;
    let mut table = Table::new(TITLES, 1);
    for seen in &all {
        table.push(seen.row(), &seen.end);
    }
    tell.table(&table, all.iter().map(Seen::to_json))?;
    Ok(())
}

impl Seen {
    fn swaps(&self) -> u64 {
        self.stats.generation - 1
    }

    fn row(&self) -> [String; 5] {
        let half = self.stats.p50.map_or_else(|| "-".to_owned(), |time| format!("{time:.1?}"));
        let [swaps, calls, errors] =
            [self.swaps(), self.stats.calls, self.stats.errors].map(|n| n.to_string());
        [self.plugin.clone(), swaps, calls, errors, half]
    }

    fn to_json(&self) -> Value {
        let Self { plugin, stats, end } = self;
        let half = stats.p50.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        json!({
            "plugin": plugin, "swaps": self.swaps(), "calls": stats.calls, "errors": stats.errors, "p50_ns": half,
            "end": end,
        })
    }
}

/// Half of the answers took at most the last one.
const TITLES: [&str; 5] = ["PLUGIN", "SWAPS", "CALLS", "ERRORS", "P50"];
