//! The rows of the table, and what stands in it.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use jackfield::BoxFuture;
use tokio::time::timeout;

use super::cell::Cell;
use super::mechanism::Mechanism;
use super::probes::{calls, context, directory, isolation, lifecycle, speed, streams, wire};
use crate::backends;
use crate::lacking::{self, Entry};

/// One question to every mechanism.
struct Row {
    /// What the list of what is lacking calls it.
    case: &'static str,
    title: &'static str,
    probe: fn(Mechanism) -> BoxFuture<'static, anyhow::Result<Cell>>,
}

const ROWS: &[Row] = &[
    Row {
        case: "panic",
        title: "isolation: a panic fails one call",
        probe: |it| Box::pin(isolation::panic(it)),
    },
    Row {
        case: "abort",
        title: "isolation: an abort fails one call, and the next is answered",
        probe: |it| Box::pin(isolation::abort(it)),
    },
    Row { case: "call", title: "the host calls the plugin", probe: |it| Box::pin(calls::call(it)) },
    Row {
        case: "configuration",
        title: "context: the constructor reads its configuration",
        probe: |it| Box::pin(context::configuration(it)),
    },
    Row {
        case: "callback",
        title: "context: the plugin calls an object of the host's",
        probe: |it| Box::pin(context::callback(it)),
    },
    Row {
        case: "offer",
        title: "context: it finds by name what the host offers",
        probe: |it| Box::pin(context::offer(it)),
    },
    Row { case: "stream_out", title: "stream to the host", probe: |it| Box::pin(streams::out(it)) },
    Row { case: "stream_in", title: "stream to the plugin", probe: |it| Box::pin(streams::into(it)) },
    Row { case: "stream_both", title: "streams both ways", probe: |it| Box::pin(streams::both(it)) },
    Row {
        case: "discovery",
        title: "discovery: found, without being run, as",
        probe: |it| Box::pin(directory::discovery(it)),
    },
    Row {
        case: "directory",
        title: "online, updated and offline with its file",
        probe: |it| Box::pin(directory::follows(it)),
    },
    Row {
        case: "update",
        title: "updated 10 times under calls",
        probe: |it| Box::pin(lifecycle::update(it)),
    },
    Row { case: "offline", title: "once it is offline", probe: |it| Box::pin(lifecycle::offline(it)) },
    Row { case: "wire", title: "communication and serialization", probe: |it| Box::pin(wire::spoken(it)) },
    Row { case: "speed", title: "performance: a call takes", probe: |it| Box::pin(speed::call(it)) },
];

/// Whether this is a cell of the table, by the names of the list of what is lacking.
pub fn has(mechanism: &str, case: &str) -> bool {
    Mechanism::named(mechanism).is_some() && ROWS.iter().any(|row| row.case == case)
}

/// What every probe has found.
#[derive(Debug)]
pub struct Table {
    /// By row, and in it by mechanism.
    cells: Vec<Vec<Cell>>,
    /// Why cells are empty, in the order in which they are met.
    reasons: Vec<&'static str>,
}

impl Table {
    /// Runs every probe on every mechanism.
    ///
    /// # Errors
    ///
    /// One fails that is not on the list of what is lacking, or one does not that is.
    pub async fn make() -> anyhow::Result<Self> {
        // However long that takes, it is no probe's time.
        tokio::task::spawn_blocking(|| drop(backends::build())).await?;
        let mut table = Self { cells: Vec::new(), reasons: Vec::new() };
        let mut failures = Vec::new();
        for row in ROWS {
            let mut cells = Vec::new();
            for mechanism in Mechanism::ALL {
                match table.cell(row, mechanism).await {
                    Ok(cell) => cells.push(cell),
                    Err(error) => failures.push(format!("{}: {}: {error:#}", mechanism.name(), row.case)),
                }
            }
            table.cells.push(cells);
        }
        if failures.is_empty() { Ok(table) } else { bail!("{}", failures.join("\n")) }
    }

    async fn cell(&mut self, row: &Row, mechanism: Mechanism) -> anyhow::Result<Cell> {
        let Some(entry @ Entry { why, .. }) = lacking::find(mechanism.name(), row.case) else {
            return timeout(PATIENCE, (row.probe)(mechanism)).await.context("nothing came of it")?;
        };
        let probed =
            timeout(PATIENCE, (row.probe)(mechanism)).await.context("it neither does so nor fails")?;
        match probed.map_err(|error| format!("{error:#}")) {
            Ok(cell) => {
                bail!("it does so after all ({}); take it off the list, where it says: {why}", cell.seen)
            }
            Err(words) => {
                ensure!(entry.is_shown_by(&words), "it fails for another reason than {why}: {words}")
            }
        }
        Ok(format!("— ({})", self.number(why)).into())
    }

    /// The number of a reason below the table.
    fn number(&mut self, why: &'static str) -> usize {
        let known = self.reasons.iter().position(|reason| *reason == why);
        known.unwrap_or_else(|| {
            self.reasons.push(why);
            self.reasons.len() - 1
        }) + 1
    }

    /// The page that is kept, on which nothing depends on the machine.
    pub fn page(&self) -> String {
        format!("{INTRODUCTION}\n{}", self.text(|cell| &cell.kept))
    }

    /// The table with what was measured in this run.
    pub fn seen(&self) -> String {
        self.text(|cell| &cell.seen)
    }

    fn text(&self, of: impl Fn(&Cell) -> &String) -> String {
        let line = |title: &str, cells: Vec<&str>| format!("| {title} | {} |\n", cells.join(" | "));
        let titles = Mechanism::ALL.map(Mechanism::title);
        let mut text = line("", titles.to_vec()) + &line("---", vec!["---"; titles.len()]);
        for (row, cells) in ROWS.iter().zip(&self.cells) {
            text += &line(row.title, cells.iter().map(|cell| of(cell).as_str()).collect());
        }
        text.push('\n');
        for (index, reason) in self.reasons.iter().enumerate() {
            text += &format!("{}. {reason}\n", index + 1);
        }
        text
    }
}

/// How long a probe may take.
const PATIENCE: Duration = Duration::from_secs(60);

const INTRODUCTION: &str = "# The ways of plugging something in

Made by the tests (`cargo test -p jackfield-conformance mechanisms`): a cell says what a probe has just found, by the
same calls of `Manager` on each mechanism. `cargo run -p jackfield-conformance` prints the table with what it has
measured. How fast each mechanism is stands in [benchmarks.md](benchmarks.md); here it is only by which unit one counts.
A line stands for what a mechanism cannot do, and names the reason below; a probe has just failed there, too.
";
