//! `jackfield --host PATH …`: asks a running host what its plugins are doing, and tells it what to do with them.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::table::Table;

/// What a running host is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says what each plugin of a running host is doing (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock list --json")]
    List(Output),
    /// Says what becomes of the plugins of a running host, until it ends (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock watch")]
    Watch(Output),
    /// Loads a plugin of a running host again from its file (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock reload kv")]
    Reload {
        /// The plugin
        plugin: String,
    },
    /// Unloads a plugin of a running host, and keeps it from being loaded (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock disable kv")]
    Disable {
        /// The plugin
        plugin: String,
    },
    /// Lets a plugin of a running host be loaded again that was disabled (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock enable kv")]
    Enable {
        /// The plugin
        plugin: String,
    },
    /// Chooses the version of a plugin of a running host that serves (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock pin kv ^1")]
    Pin {
        /// The plugin, without a version
        plugin: String,
        /// The version, such as 1.2 or ^1; without one the highest serves again
        #[arg(value_name = "VERSION")]
        chosen: Option<String>,
    },
    /// Lets the version below serve in place of the one that does (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock roll-back kv")]
    RollBack {
        /// The plugin, without a version
        plugin: String,
    },
}

/// How the answer is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// Prints one JSON object per plugin or event
    #[arg(long)]
    json: bool,
}

/// Asks the host with this control socket. Given up, it ends with the process.
pub(crate) async fn run(command: Command, socket: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(socket) = socket else {
        bail!(
            "expected the control socket of a running host\n(hint: jackfield --host PATH …; docs/control.md)"
        )
    };
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || done.send(ask(&command, &socket)));
    result.await.context("the thread that asks has panicked")?
}

fn ask(command: &Command, socket: &Path) -> anyhow::Result<()> {
    let stream =
        UnixStream::connect(socket).with_context(|| format!("no host answers at `{}`", socket.display()))?;
    // What becomes of this connection is no matter of our own output, of which an end may be as good as a success.
    let broken = |error| anyhow!("the host closed the connection: {error}");
    (&stream).write_all(format!("{}\n", request(command)).as_bytes()).map_err(broken)?;
    let mut answers = BufReader::new(&stream).lines();
    let mut next = || answers.next().transpose().map_err(broken)?.map(|line| answer(&line)).transpose();
    let first = next()?.context("the host closed the connection before it answered")?;
    match command {
        Command::List(output) => {
            let plugins = first["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
            if output.json { plugins.iter().try_for_each(print) } else { print(table(plugins)) }
        }
        Command::Watch(output) => {
            while let Some(event) = next()? {
                let event = event.get("plugin").unwrap_or(&event);
                if output.json { print(event) } else { print(text(event)) }?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn request(command: &Command) -> Value {
    match command {
        Command::List(_) => json!({ "command": "list" }),
        Command::Watch(_) => json!({ "command": "watch" }),
        Command::Reload { plugin } => json!({ "command": "reload", "plugin": plugin }),
        Command::Disable { plugin } => json!({ "command": "disable", "plugin": plugin }),
        Command::Enable { plugin } => json!({ "command": "enable", "plugin": plugin }),
        Command::Pin { plugin, chosen } => {
            json!({ "command": "choose", "plugin": plugin, "version": chosen })
        }
        Command::RollBack { plugin } => json!({ "command": "roll-back", "plugin": plugin }),
    }
}

/// What a line of the host's says, unless it says that something was not done.
fn answer(line: &str) -> anyhow::Result<Value> {
    let answer: Value = serde_json::from_str(line).context("expected an answer in JSON")?;
    match answer["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => Ok(answer),
    }
}

fn print(line: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What is said of each plugin, beneath one another.
fn table(plugins: &[Value]) -> Table<COLUMNS> {
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
fn text(event: &Value) -> String {
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
    let reason = plugin["reason"].as_str().map(str::to_owned);
    serving.into_iter().chain(circuit).chain(reason).collect::<Vec<_>>().join(", ")
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
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
}
