//! `jackfield --host PATH …`: asks a running host what its plugins are doing, and tells it what to do with them.

mod connection;
mod screen;
mod text;
mod view;
mod watch;

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};

use connection::Connection;

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

/// Asks the host with this control socket.
pub(crate) async fn run(command: Command, socket: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(socket) = socket else {
        bail!(
            "expected the control socket of a running host\n(hint: jackfield --host PATH …; docs/control.md)"
        )
    };
    let mut host = Connection::open(&socket).await?;
    match command {
        Command::List(output) => {
            let plugins = host.list().await?;
            if output.json { plugins.iter().try_for_each(print) } else { print(text::table(&plugins)) }
        }
        Command::Watch(Output { json: false }) if screen::is_one() => watch::live(host, &socket).await,
        Command::Watch(output) => watch::lines(host, &output).await,
        command => host.ask(&request(&command)).await.map(drop),
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

fn print(line: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
