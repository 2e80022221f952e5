//! Runs all measurements in turn, round after round.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

use super::keys::{Argument, Run, Source};
use super::process::{Invocation, measure};
use super::programs::Programs;
use super::results::median;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    /// Starts in one run.
    pub(crate) count: u32,
}

/// What the programs printed.
#[derive(Debug)]
pub(crate) struct Turns<'a> {
    programs: &'a Programs,
    effort: Effort,
    rounds: BTreeMap<Run, Vec<Vec<Value>>>,
    failures: BTreeMap<Run, String>,
}

impl<'a> Turns<'a> {
    pub(crate) fn new(programs: &'a Programs, effort: Effort) -> Self {
        Self { programs, effort, rounds: BTreeMap::new(), failures: BTreeMap::new() }
    }

    /// Takes all rounds. A run that fails is not tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the program that is running.
    pub(crate) async fn take(&mut self, runs: &[Run]) {
        for round in 1..=self.effort.rounds {
            eprintln!("round {round} of {}", self.effort.rounds);
            let runs: Vec<_> = runs.iter().map(|run| (run, run.often.in_round(round))).collect();
            for (run, _) in runs.iter().filter(|(_, times)| *times > 0) {
                self.rounds.entry(**run).or_default().push(Vec::new());
            }
            for turn in 0..runs.iter().map(|(_, times)| *times).max().unwrap_or(0) {
                for (run, _) in runs.iter().filter(|(_, times)| turn < *times) {
                    self.take_one(run).await;
                }
            }
        }
    }

    async fn take_one(&mut self, run: &Run) {
        if self.failures.contains_key(run) {
            return;
        }
        let result = match self.invocation(run) {
            Ok(invocation) => measure(&invocation).await.with_context(|| describe(&invocation)),
            Err(error) => Err(error),
        };
        match result {
            Ok(value) => {
                if let Some(round) = self.rounds.get_mut(run).and_then(|rounds| rounds.last_mut()) {
                    round.push(value);
                }
            }
            Err(error) => {
                eprintln!("failed: {error:#}");
                self.failures.insert(*run, format!("{error:#}"));
            }
        }
    }

    fn invocation(&self, run: &Run) -> anyhow::Result<Invocation> {
        let arguments = run.arguments.iter().map(|argument| {
            Ok(match argument {
                Argument::Count => self.effort.count.to_string().into(),
                Argument::File(artifact) => self.programs.path(*artifact)?.into(),
                Argument::Seconds => self.effort.seconds.to_string().into(),
                Argument::Text(text) => text.into(),
            })
        });
        Ok(Invocation {
            program: self.programs.path(run.program)?.into(),
            arguments: arguments.collect::<anyhow::Result<_>>()?,
            plugin: run.plugin.map(|plugin| self.programs.path(plugin)).transpose()?.map(Into::into),
            placement: run.placement,
        })
    }

    /// The number of each round, or why there is none.
    pub(crate) fn numbers(&self, source: &Source) -> Result<Vec<f64>, String> {
        match source {
            Source::Field(run, field) => {
                if let Some(failure) = self.failures.get(run) {
                    return Err(failure.clone());
                }
                let rounds = self.rounds.get(run).map(Vec::as_slice).unwrap_or_default();
                rounds.iter().map(|round| number(round, field)).collect()
            }
            Source::Size(artifact) => {
                let size = self.programs.path(*artifact).and_then(|path| Ok(std::fs::metadata(path)?.len()));
                let size = size.map_err(|error| error.to_string())? as f64 / 1e3;
                Ok(vec![size; self.effort.rounds as usize])
            }
        }
    }

    /// Whether a run failed.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

/// The median of a field over the repeats of a round.
fn number(round: &[Value], field: &str) -> Result<f64, String> {
    let read = |value: &Value| match field {
        "per_second" => Some(value["calls"].as_f64()? / value["seconds"].as_f64()?),
        _ => value[field].as_f64(),
    };
    let numbers: Option<Vec<f64>> = round.iter().map(read).collect();
    numbers.and_then(|numbers| median(&numbers)).ok_or_else(|| format!("no field `{field}` was printed"))
}

fn describe(invocation: &Invocation) -> String {
    let arguments: Vec<_> = invocation.arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    format!("`{} {}`", invocation.program.display(), arguments.join(" "))
}
