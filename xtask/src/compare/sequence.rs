//! The comparison from the command line to the exit code.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jackfield_fixtures::target_directory;
use tokio::signal::unix::{SignalKind, signal};

use super::keys::{KEYS, Key, Run};
use super::programs::{Artifact, Programs};
use super::results::{Measured, Results};
use super::turns::{Effort, Turns};
use super::{Options, chart, docs, json, machine, table};

/// Measures what the options ask for.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let keys = select(&options.keys)?;
    if options.list {
        return list(&keys);
    }
    let load = machine::load();
    if load > 0.5 {
        eprintln!("something else runs on this machine (load {load}); the figures will be noisy");
    }
    let needed: BTreeSet<Artifact> =
        keys.iter().flat_map(Key::sources).flat_map(|source| source.artifacts()).collect();
    let programs = Programs::build(root, &needed.into_iter().collect::<Vec<_>>())?;

    let mut results = Results::default();
    let (keys, missing): (Vec<Key>, Vec<Key>) =
        keys.into_iter().partition(|key| reason(key, &programs).is_none());
    results.missing.extend(missing.iter().filter_map(|key| Some((key.name, reason(key, &programs)?))));
    let mut turns = Turns::new(&programs, effort(options));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if !runtime.block_on(until_interrupted(turns.take(&runs(&keys))))? {
        eprintln!("interrupted");
        return Ok(ExitCode::from(130));
    }
    results.read(&keys, &turns);
    show(root, options, &results, load)?;
    Ok(verdict(options, &results, &turns))
}

/// The keys that are named, in the order of the table.
fn select(names: &[String]) -> anyhow::Result<Vec<Key>> {
    if let Some(unknown) = names.iter().find(|name| !KEYS.iter().any(|key| key.name.starts_with(*name))) {
        let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        bail!("no key begins with `{unknown}`\n(hint: the keys are {})", known.join(", "));
    }
    let is_named = |key: &&Key| names.is_empty() || names.iter().any(|name| key.name.starts_with(name));
    Ok(KEYS.iter().filter(is_named).copied().collect())
}

fn list(keys: &[Key]) -> anyhow::Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    for key in keys {
        writeln!(stdout, "{:<38}{}", key.name, key.about)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a key cannot be measured.
fn reason(key: &Key, programs: &Programs) -> Option<String> {
    let mut artifacts = key.sources().flat_map(|source| source.artifacts());
    artifacts.find_map(|artifact| programs.missing(artifact)).map(str::to_owned)
}

/// Every run once, in the order in which the keys name them.
fn runs(keys: &[Key]) -> Vec<Run> {
    let mut runs = Vec::new();
    for run in keys.iter().flat_map(Key::sources).filter_map(|source| source.run()) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    runs
}

fn effort(options: &Options) -> Effort {
    let rounds = options.rounds();
    if options.quick {
        Effort { rounds, seconds: 0.3, count: 5 }
    } else {
        Effort { rounds, seconds: 1.0, count: 20 }
    }
}

/// Whether the work came to its end before somebody asked this program to end.
async fn until_interrupted(work: impl Future<Output = ()>) -> anyhow::Result<bool> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        () = work => Ok(true),
        _ = interrupt.recv() => Ok(false),
        _ = terminate.recv() => Ok(false),
    }
}

fn show(root: &Path, options: &Options, results: &Results, load: f64) -> anyhow::Result<()> {
    write!(std::io::stdout().lock(), "{}", table::text(results))?;
    let directory = target_directory().join("compare");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("compare.json"), format!("{:#}\n", json::encode(results)))?;
    let charts = draw(results);
    for (group, chart) in &charts {
        fs::write(directory.join(format!("{group}.svg")), chart)?;
    }
    eprintln!("written to {}", directory.display());
    if options.docs {
        let images = root.join("docs/benchmarks");
        fs::create_dir_all(&images)?;
        for (group, chart) in &charts {
            fs::write(images.join(format!("{group}.svg")), chart)?;
        }
        docs::refresh(root, &page(options, results, &charts, load))
            .context("the page cannot be refreshed")?;
    }
    Ok(())
}

/// One drawing per group that was measured.
fn draw(results: &Results) -> Vec<(&'static str, String)> {
    let groups: BTreeSet<&str> = results.measured.iter().map(|measured| measured.key.group()).collect();
    let members = |group: &str| -> Vec<&Measured> {
        results.measured.iter().filter(|measured| measured.key.group() == group).collect()
    };
    groups.into_iter().map(|group| (group, chart::draw(group, &members(group)))).collect()
}

fn page(options: &Options, results: &Results, charts: &[(&'static str, String)], load: f64) -> String {
    let machine = machine::describe();
    let images = charts.iter().map(|(group, _)| {
        format!("![{group}: ours and the peers, one panel per key](benchmarks/{group}.svg)\n\n")
    });
    let meanings = results
        .measured
        .iter()
        .map(|measured| format!("- `{}`: {}\n", measured.key.name, measured.key.about));
    format!(
        "Measured in {} rounds on {machine}. Other programs wanted {load} cores in the minute before.\n\n{}\n{}{}",
        options.rounds(),
        table::markdown(results),
        images.collect::<String>(),
        meanings.collect::<String>(),
    )
}

fn verdict(options: &Options, results: &Results, turns: &Turns<'_>) -> ExitCode {
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    if turns.has_failed() || (is_ci && !results.missing.is_empty()) {
        return ExitCode::FAILURE;
    }
    let is_missed = |measured: &Measured| measured.holds(TOLERANCE) == Some(false);
    let missed: Vec<_> = results
        .measured
        .iter()
        .filter(|measured| is_missed(measured))
        .map(|measured| measured.key.name)
        .collect();
    if options.check && !missed.is_empty() {
        eprintln!("missed by more than the tolerance: {}", missed.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What a noisy machine may cost, as `--help` says.
const TOLERANCE: f64 = 0.25;
