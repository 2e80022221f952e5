//! The `jackfield` command.

mod bench;
mod build;
mod call;
mod cargo;
mod check_compat;
mod completions;
mod demo;
mod described;
mod doctor;
mod host;
mod inspect;
mod install;
mod messages;
mod new;
mod place;
mod plugin;
mod proto;
mod table;
mod told;
mod verify;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Plugins for Rust programs: write a trait, plug in anything that implements it, swap it while it runs.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    /// The control socket of a running host
    #[arg(long, value_name = "PATH")]
    host: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures how long the calls of a method take
    Bench(bench::Options),
    /// Builds a package as a shared library or a program, under the name that it shall have
    Build(build::Options),
    /// Calls any method of any plugin, JSON in and out
    Call(call::Options),
    /// Says whether the hosts of an old plugin can load a new one
    CheckCompat(check_compat::Options),
    /// Prints what a shell completes
    Completions(completions::Options),
    /// Shows what Jackfield does: builds its plugins, runs one trait over all of them, and tells what it saw
    Demo(demo::Options),
    /// Says what this machine has of what Jackfield uses
    Doctor(doctor::Options),
    /// Says what files are and whether they would be loaded here, without running their code
    Inspect(inspect::Options),
    #[command(flatten)]
    Host(host::Command),
    /// Puts a plugin into a directory, all at once
    Install(install::Options),
    /// Makes a workspace with an interface, a plugin and a host
    New(new::Options),
    /// Prints what a plugin serves as a .proto file
    Proto(proto::Options),
    /// Says whether a file is the one that it should be
    Verify(verify::Options),
}

const EXAMPLES: &str = "\
Examples:
  jackfield new greetings  an interface, a plugin and a host that build and run as they are
  jackfield build -o plugins/kv.so kv
                           a package as a shared library
  jackfield demo           the story, and a table of what was seen in it
  jackfield demo --json    the same as one JSON object per line
  RUST_LOG=debug jackfield demo
                           with what the plugins log
  jackfield inspect plugins/libkv.so
                           its name, interfaces and digest, and whether it loads here
  jackfield --host /run/my-host/control.sock list
                           what the plugins of a running host are doing
  jackfield list plugins   what the files in a directory are
  jackfield call plugins/libkv.so Get '{\"key\":\"a\"}'
                           calls a method
  jackfield proto plugins/libkv.so
                           its interfaces for authors in other languages
  jackfield check-compat released/libkv.so plugins/libkv.so
                           whether a new version breaks a host

Exit codes:
  0  done
  1  something failed; the error says what
  2  the arguments are wrong
  130  ended by Ctrl-C
  129, 143  `watch` was ended with its terminal, or by SIGTERM";

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, host } = Arguments::parse();
    tracing_subscriber::fmt().with_env_filter(logged()).with_writer(std::io::stderr).init();
    let is_host = matches!(&command, Command::Host(command) if command.is_host());
    let run = async {
        match command {
            Command::Bench(options) => bench::run(options).await,
            Command::Build(options) => build::run(&options),
            Command::Call(options) => call::run(options).await,
            Command::CheckCompat(options) => return check_compat::run(&options).await,
            Command::Completions(options) => completions::run(&options),
            Command::Demo(options) => demo::run(options).await,
            Command::Doctor(options) => return doctor::run(&options),
            Command::Inspect(options) => inspect::run(&options),
            Command::Host(command) => return host::run(command, host).await,
            Command::Install(options) => install::run(&options),
            Command::New(options) => new::run(&options),
            Command::Proto(options) => proto::run(&options).await,
            Command::Verify(options) => verify::run(&options),
        }
        .map(|()| ExitCode::SUCCESS)
    };
    tokio::spawn(end_at_ctrl_c(if is_host { PATIENCE_OF_A_HOST } else { PATIENCE }));
    let result = tokio::select! {
        result = run => result,
        // Dropping the run ends what it has started; nobody waits for a plugin that will not end.
        _ = tokio::signal::ctrl_c(), if !is_host => return ExitCode::from(130),
    };
    match result {
        Ok(code) => code,
        // Whoever reads our output has read enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(wrong) => wrong.exit(),
            Err(error) => {
                report(&error);
                ExitCode::FAILURE
            }
        },
    }
}

/// Ends the program where what runs does not come back to hear of Ctrl-C, such as a call into a library. The guard ends
/// what it has started.
#[expect(clippy::exit, reason = "nothing else ends it")]
async fn end_at_ctrl_c(patience: Duration) {
    if tokio::signal::ctrl_c().await.is_ok() {
        tokio::time::sleep(patience).await;
        std::process::exit(130);
    }
}

/// Nothing is logged unless `RUST_LOG` asks for it.
fn logged() -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).from_env_lossy()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// What was written, even if nobody has read it: for commands whose exit code is their answer.
pub(crate) fn even_if_unread(written: std::io::Result<()>) -> std::io::Result<()> {
    written.or_else(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

pub(crate) fn report(error: &anyhow::Error) {
    // An error says that nobody is there any more to read it, such as a terminal that was closed.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// How long what runs may take to end after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(1);
/// As long as it takes to unload what does not end by itself.
const PATIENCE_OF_A_HOST: Duration = Duration::from_secs(5);
