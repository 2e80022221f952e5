//! `jackfield --host PATH …`: asks a running host what its plugins are doing, and tells it what to do with them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::sync::oneshot;

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
            let width = plugins.iter().map(|plugin| name(plugin).chars().count()).max().unwrap_or_default();
            plugins.iter().try_for_each(|plugin| print(plugin, output, width))
        }
        Command::Watch(output) => {
            while let Some(event) = next()? {
                print(event.get("plugin").unwrap_or(&event), output, 0)?;
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

fn print(plugin: &Value, output: &Output, width: usize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if output.json {
        writeln!(out, "{plugin}")?;
    } else {
        writeln!(out, "{}", text(plugin, width))?;
    }
    Ok(out.flush()?)
}

fn text(plugin: &Value, width: usize) -> String {
    if let Some(count) = plugin["lagged"].as_u64() {
        return format!("{count} events were dropped");
    }
    let generation = plugin["generation"].as_u64().map(|generation| format!("generation {generation}"));
    let serving = plugin["serving"].as_str().map(|serving| format!("{serving} serves"));
    let reason = plugin["reason"].as_str().map(str::to_owned);
    let details: Vec<_> = [generation, serving, reason].into_iter().flatten().collect();
    let state = plugin["state"].as_str().unwrap_or_default();
    format!("{:width$}  {state:8}  {}", name(plugin), details.join(", ")).trim_end().to_owned()
}

fn name(plugin: &Value) -> &str {
    plugin["name"].as_str().unwrap_or_default()
}
