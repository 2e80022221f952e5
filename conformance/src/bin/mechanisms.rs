//! Runs every probe on every mechanism, and prints the table of what they have found.

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use anyhow::bail;
use jackfield_conformance::mechanisms::{Table, abort};

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print!("{}", Table::make().await?.seen()),
        // A probe starts this program so, since a plugin that is linked into its host takes it along.
        ["abort", mechanism] => abort(mechanism).await?,
        _ => bail!("expected no arguments, or `abort` and a mechanism"),
    }
    Ok(())
}
