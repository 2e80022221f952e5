//! The table, for a terminal or for a page.

use super::keys::Bound;
use super::results::{Measured, Results, Sample};

/// The table for a terminal.
pub(crate) fn text(results: &Results) -> String {
    let rows: Vec<[String; 6]> =
        [HEAD.map(str::to_owned)].into_iter().chain(results.measured.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    let missing = results.missing.iter().map(|(key, reason)| format!("{key}  missing: {reason}"));
    lines.chain(missing).map(|line| line + "\n").collect()
}

/// The table for a page.
pub(crate) fn markdown(results: &Results) -> String {
    let line = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
    let head = line(HEAD.map(str::to_owned)) + "| --- | --- | --- | --- | --- | --- |\n";
    let rows = results.measured.iter().map(|measured| {
        let [key, ours, peer, rest @ ..] = row(measured);
        let peer = measured.key.peer.map_or(peer.clone(), |named| format!("{peer}, {}", named.name));
        let [ratio, bound, verdict] = rest;
        line([format!("`{key}`"), ours, peer, ratio, bound, verdict])
    });
    let missing = results.missing.iter().map(|(key, reason)| format!("\nMissing: `{key}`, since {reason}\n"));
    [head].into_iter().chain(rows).chain(missing).collect()
}

fn row(measured: &Measured) -> [String; 6] {
    let unit = measured.key.unit;
    let verdict = match measured.holds(0.0) {
        Some(true) => "ok",
        Some(false) => "MISSED",
        None => "shown only",
    };
    [
        measured.key.name.to_owned(),
        sample(&measured.ours, unit),
        measured.peer.as_ref().map_or_else(String::new, |peer| sample(peer, unit)),
        measured.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        bound(measured),
        verdict.to_owned(),
    ]
}

fn sample(sample: &Sample, unit: &str) -> String {
    if sample.lowest == sample.highest {
        return format!("{} {unit}", number(sample.median));
    }
    format!("{} {unit} ({} to {})", number(sample.median), number(sample.lowest), number(sample.highest))
}

/// A bound in words.
pub(crate) fn bound(measured: &Measured) -> String {
    match measured.key.bound {
        Bound::AtLeastTimes(factor) => format!("≥ {factor} × peer"),
        Bound::AtMost(limit) => format!("≤ {limit} {}", measured.key.unit),
        Bound::AtMostAbove(more) => format!("≤ peer + {more} {}", measured.key.unit),
        Bound::AtMostTimes(factor) => format!("≤ {factor} × peer"),
        Bound::None => String::new(),
    }
}

/// A number with three digits or more.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

const HEAD: [&str; 6] = ["key", "ours", "peer", "ratio", "bound", "verdict"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 0.1234, 1.234, 12.34, 123.4, 70_000.4].map(number);
        assert_eq!(shown, ["0", "0.123", "1.23", "12.3", "123", "70000"]);
    }
}
