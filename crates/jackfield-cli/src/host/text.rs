//! What a host says of its plugins, for people.

use serde_json::Value;

use crate::table::Table;

/// What is said of each plugin, beneath one another.
pub(super) fn table(plugins: &[Value]) -> Table<COLUMNS> {
    let mut table = Table::new(TITLES, FIRST_NUMBER);
    for plugin in plugins {
        let [name, state] = [&plugin["name"], &plugin["state"]].map(word);
        let generation = count(&plugin["generation"]);
        let stats = &plugin["stats"];
        let [calls, errors, restarts] = [&stats["calls"], &stats["errors"], &stats["restarts"]].map(count);
        let [p50, p99] = [&stats["p50_ns"], &stats["p99_ns"]].map(time);
        let row = [name, state, generation, calls, errors, p50, p99, restarts, size(&stats["memory"])];
        table.push(row, &remarks(plugin));
    }
    table
}

/// What is said of an event.
pub(super) fn text(event: &Value) -> String {
    if let Some(count) = event["lagged"].as_u64() {
        return format!("{count} events were dropped");
    }
    let generation = event["generation"].as_u64().map(|generation| format!("generation {generation}"));
    let stats = &event["stats"];
    let counted = [("calls", "calls"), ("errors", "errors"), ("restarts", "restarts")].map(|(key, unit)| {
        stats[key].as_u64().filter(|count| *count > 0).map(|count| format!("{count} {unit}"))
    });
    let remarks = Some(remarks(event)).filter(|remarks| !remarks.is_empty());
    let details: Vec<_> =
        generation.into_iter().chain(counted.into_iter().flatten()).chain(remarks).collect();
    format!("{}  {:8}  {}", word(&event["name"]), word(&event["state"]), details.join(", "))
        .trim_end()
        .to_owned()
}

fn remarks(plugin: &Value) -> String {
    let serving = plugin["serving"].as_str().map(|serving| format!("{serving} serves"));
    let circuit = plugin["stats"]["circuit"].as_str().filter(|circuit| *circuit != "closed");
    let circuit = circuit.map(|circuit| format!("its circuit is {circuit}"));
    let reason = Some(word(&plugin["reason"])).filter(|reason| !reason.is_empty());
    serving.into_iter().chain(circuit).chain(reason).collect::<Vec<_>>().join(", ")
}

/// A text on one line, without anything that a terminal would obey: it may be what a plugin has printed.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace(char::is_control, " ")
}

fn count(value: &Value) -> String {
    value.as_u64().map_or_else(nothing, |count| count.to_string())
}

fn time(nanoseconds: &Value) -> String {
    let Some(nanoseconds) = nanoseconds.as_u64().map(|nanoseconds| nanoseconds as f64) else {
        return nothing();
    };
    match nanoseconds {
        ..1e6 => format!("{:.0} µs", nanoseconds / 1e3),
        ..1e9 => format!("{:.1} ms", nanoseconds / 1e6),
        _ => format!("{:.1} s", nanoseconds / 1e9),
    }
}

fn size(bytes: &Value) -> String {
    bytes.as_u64().map_or_else(nothing, |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)))
}

/// What stands where nothing is known.
fn nothing() -> String {
    "-".to_owned()
}

const COLUMNS: usize = 9;
const TITLES: [&str; COLUMNS] =
    ["PLUGIN", "STATE", "GENERATION", "CALLS", "ERRORS", "P50", "P99", "RESTARTS", "MEMORY"];
/// The first column that is a number.
const FIRST_NUMBER: usize = 2;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_counted_stands_behind_the_state() {
        let stats = json!({
            "calls": 1204, "errors": 3, "restarts": 0, "circuit": "open", "p50_ns": 52_400, "p99_ns": 1_240_000,
            "memory": 4_509_696,
        });
        let plugin = json!({ "name": "kv", "state": "online", "generation": 2, "stats": stats });
        assert_eq!(text(&plugin), "kv  online    generation 2, 1204 calls, 3 errors, its circuit is open");
        let table = table(&[plugin]).to_string();
        assert_eq!(
            table.lines().last(),
            Some(
                "kv      online           2   1204       3  52 µs  1.2 ms         0  4.3 MiB  its circuit is open"
            )
        );
    }

    #[test]
    fn what_a_plugin_printed_stays_on_its_line() {
        let plugin =
            json!({ "name": "kv", "state": "failed", "reason": "it said `\u{1b}[2J`\n(hint: run it)" });
        assert_eq!(text(&plugin), "kv  failed    it said ` [2J` (hint: run it)");
        assert_eq!(table(&[plugin]).to_string().lines().count(), 2);
    }
}
