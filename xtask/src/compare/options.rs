//! The command line.

use clap::Args;

/// What to measure, and how.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Options {
    /// Keys to measure, or beginnings of keys such as `native` or `grpc.start`; all of them, if none is given.
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// A first look: 3 rounds, and short ones.
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each measurement is made (by default 5).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: Option<u32>,
    /// Ends with exit code 1 if a bound is missed by more than the tolerance.
    #[arg(long)]
    pub(crate) check: bool,
    /// Writes the table and the plots into `docs` too.
    #[arg(long, conflicts_with_all = ["keys", "quick"])]
    pub(crate) docs: bool,
    /// Lists the keys and what they mean, and measures nothing.
    #[arg(long)]
    pub(crate) list: bool,
}

impl Options {
    /// How often each measurement is made.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 })
    }
}

const AFTER_HELP: &str = "\
Ours and the peers run in turn (A B A B ...), each measurement in a process of its own. A value is the median of all \
rounds; the table shows the lowest and the highest round beside it. Nothing is pinned to a core, save under keys that \
end in `_one_core`: there host and plugin share one.

Results: target/compare/compare.json and target/compare/*.svg.

Exit code: 0 if everything was measured, whether the bounds hold or not; 1 if something failed, if a peer is missing \
and CI=true, or under --check if a bound is missed by more than 25 %, which is what a noisy machine may cost (a bound \
of zero has no tolerance); 2 for a wrong command line; 130 after Ctrl-C, which leaves no process behind.";
