//! Tasks of the repository: `cargo xtask <task>`.

use std::path::Path;

use clap::Parser;

mod codegen;

/// Tasks of the repository.
#[derive(Debug, Parser)]
enum Task {
    /// Makes the committed protobuf code anew from its `.proto` files.
    Codegen,
}

fn main() -> anyhow::Result<()> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the root");
    match Task::parse() {
        Task::Codegen => codegen::run(root),
    }
}
