//! `jackfield --host PATH …`: asks a running host what its plugins are doing, and tells it what to do with them.
//! Without one, the command is the host of a directory.

mod connection;
pub(crate) mod directory;
mod own;
mod screen;
mod signals;
mod text;
mod view;
mod watch;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use clap::error::ErrorKind;
use serde_json::{Value, json};

use connection::Connection;

/// What a running host is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says what each plugin of a running host is doing (with --host), or what a directory holds
    #[command(after_help = LIST_EXAMPLES)]
    List(Watched),
    /// Shows what the plugins of a running host are doing until it ends (with --host), or loads those of a directory
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Watched),
    /// Loads a plugin of a running host again from its file (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock reload kv")]
    Reload {
        /// The plugin
        plugin: String,

        #[command(flatten)]
        answer: Answer,
    },
    /// Unloads a plugin of a running host, and keeps it from being loaded (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock disable kv")]
    Disable {
        /// The plugin
        plugin: String,

        #[command(flatten)]
        answer: Answer,
    },
    /// Lets a plugin of a running host be loaded again that was disabled (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock enable kv")]
    Enable {
        /// The plugin
        plugin: String,

        #[command(flatten)]
        answer: Answer,
    },
    /// Chooses the version of a plugin of a running host that serves (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock pin kv ^1")]
    Pin {
        /// The plugin, without a version
        plugin: String,
        /// The version, such as 1.2 or ^1; without one the highest serves again
        #[arg(value_name = "VERSION")]
        chosen: Option<String>,

        #[command(flatten)]
        answer: Answer,
    },
    /// Lets the version below serve in place of the one that does (with --host)
    #[command(after_help = "Examples:\n  jackfield --host /run/my-host/control.sock roll-back kv")]
    RollBack {
        /// The plugin, without a version
        plugin: String,

        #[command(flatten)]
        answer: Answer,
    },
}

const LIST_EXAMPLES: &str = "\
Examples:
  jackfield --host /run/my-host/control.sock list --json
                           the state and the figures of each plugin
  jackfield list plugins   what each file is, and whether it loads here; none of it runs";

const WATCH_EXAMPLES: &str = "\
Examples:
  jackfield --host /run/my-host/control.sock watch
                           a table that is drawn again as things happen; in a pipe a line per event
  jackfield watch plugins  a host of the plugins in a directory, whatever they serve, until Ctrl-C

A program in a directory that has a handshake of its own, or does not say what it serves, needs a manifest
(docs/manifest.md), whose `interface` may be a .proto file.";

/// How it is printed that something was done.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Answer {
    /// Prints the host's answer as one JSON object
    #[arg(long)]
    json: bool,
}

/// Whose plugins are looked at, and how they are printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Watched {
    /// A directory of plugins, in place of a running host
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// Prints one JSON object per plugin or event
    #[arg(long)]
    json: bool,
}

/// Whose plugins are looked at.
enum Host {
    /// This command is the host of a directory.
    Own(PathBuf),
    /// The host with this control socket.
    Running(PathBuf),
}

impl Command {
    /// Whether the command loads plugins, which are to be unloaded before it ends.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self, Self::Watch(Watched { directory: Some(_), .. }))
    }

    /// How the answer is printed; without JSON there is nothing to say of what was done.
    fn output(&self) -> Output {
        let is_json = match self {
            Self::List(Watched { json, .. }) | Self::Watch(Watched { json, .. }) => *json,
            Self::Reload { answer, .. }
            | Self::Disable { answer, .. }
            | Self::Enable { answer, .. }
            | Self::Pin { answer, .. }
            | Self::RollBack { answer, .. } => answer.json,
        };
        if is_json { Output::Json } else { Output::Text }
    }
}

impl Watched {
    fn host(self, socket: Option<PathBuf>) -> anyhow::Result<Host> {
        match (self.directory, socket) {
            (Some(directory), None) => Ok(Host::Own(directory)),
            (None, Some(socket)) => Ok(Host::Running(socket)),
            (None, None) => {
                Err(wrong("expected the control socket of a running host, or a directory of plugins"))
            }
            (Some(_), Some(_)) => Err(wrong("expected a running host or a directory of plugins, found both")),
        }
    }
}

/// Asks the host with this control socket, or is one.
pub(crate) async fn run(command: Command, socket: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let output = command.output();
    let done = match command {
        Command::List(watched) => match watched.host(socket)? {
            Host::Own(directory) => directory::list(&directory, output),
            Host::Running(socket) => list(&socket, output).await,
        },
        Command::Watch(watched) => {
            return match watched.host(socket)? {
                Host::Own(directory) => own::watch(&directory, output).await,
                Host::Running(socket) => watch::running(&socket, output).await,
            };
        }
        command => {
            let socket = socket.ok_or_else(|| wrong("expected the control socket of a running host"))?;
            let answer = Connection::open(&socket).await?.ask(&request(&command)).await?;
            match output {
                Output::Json => print(answer),
                Output::Text => Ok(()),
            }
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(socket: &Path, output: Output) -> anyhow::Result<()> {
    let plugins = Connection::open(socket).await?.list().await?;
    match output {
        Output::Json => plugins.iter().try_for_each(print),
        Output::Text => print(text::table(&plugins)),
    }
}

fn request(command: &Command) -> Value {
    match command {
        Command::List(_) => json!({ "command": "list" }),
        Command::Watch(_) => json!({ "command": "watch" }),
        Command::Reload { plugin, .. } => json!({ "command": "reload", "plugin": plugin }),
        Command::Disable { plugin, .. } => json!({ "command": "disable", "plugin": plugin }),
        Command::Enable { plugin, .. } => json!({ "command": "enable", "plugin": plugin }),
        Command::Pin { plugin, chosen, .. } => {
            json!({ "command": "choose", "plugin": plugin, "version": chosen })
        }
        Command::RollBack { plugin, .. } => json!({ "command": "roll-back", "plugin": plugin }),
    }
}

fn print(line: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What the arguments lack, or have too many of.
fn wrong(what: &str) -> anyhow::Error {
    let hint = "(hint: jackfield --host PATH …, or `list DIRECTORY` and `watch DIRECTORY`; docs/control.md)";
    clap::Error::raw(ErrorKind::MissingRequiredArgument, format!("{what}\n{hint}\n")).into()
}

/// How the answer is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Json,
    Text,
}
