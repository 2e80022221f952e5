//! `jackfield demo`: one trait, answered by everything that can be plugged in.

mod fixtures;
mod killing;
mod stage;
mod story;
mod summary;
mod swapping;
mod tell;

use std::path::PathBuf;

use self::fixtures::Fixtures;
use self::tell::Tell;

/// What the demo takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object per line
    #[arg(long)]
    json: bool,

    /// Loads this shared library instead of the one that it builds
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  jackfield demo           the story, and a table of what was seen in it
  jackfield demo --json    the same as one JSON object per line
  RUST_LOG=debug jackfield demo
                           with what the plugins log";

/// Runs the demo.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let tell = Tell::new(if options.json { tell::Format::Json } else { tell::Format::Text });
    let mut fixtures = tokio::task::spawn_blocking(Fixtures::build).await??;
    if let Some(library) = options.library {
        fixtures.library = library;
    }
    story::run(&fixtures, &tell).await
}
