//! Tasks of the repository: `cargo xtask <task>`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

mod capture;
mod codegen;
mod compare;
mod fuzz;
mod header;
mod soak;
mod vm;

/// Tasks of the repository.
#[derive(Debug, Parser)]
enum Task {
    /// Records anew what Go's hosts and plugins say to each other, in `fixtures/golden`.
    Capture,
    /// Makes the committed protobuf code anew from its `.proto` files.
    Codegen,
    /// Measures ours and the peers in turn, and says which bounds hold.
    Compare(compare::Options),
    /// Runs the fuzz targets, each for a while.
    Fuzz(fuzz::Options),
    /// Renews the C header from the layout of the Rust types.
    Header,
    /// Lets everything happen to plugins that are being called, and checks every answer.
    Soak(soak::Options),
    /// Runs the tests of memory limits in a virtual machine, whose kernel has them in cgroups of version 2.
    Vm,
    /// Marks a cgroup as systemd marks those that are delegated, inside of the virtual machine.
    #[command(hide = true)]
    Delegate {
        /// Where it is.
        cgroup: PathBuf,
    },
    /// Is a plugin that records another one, as `capture` wants it.
    #[command(hide = true)]
    Record,
}

fn main() -> anyhow::Result<ExitCode> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the root");
    match Task::parse() {
        Task::Capture => capture::run(root).map(|()| ExitCode::SUCCESS),
        Task::Record => capture::record().map(|()| ExitCode::SUCCESS),
        Task::Vm => vm::run(root).map(|()| ExitCode::SUCCESS),
        Task::Delegate { cgroup } => vm::delegate(&cgroup).map(|()| ExitCode::SUCCESS),
        Task::Codegen => codegen::run(root).map(|()| ExitCode::SUCCESS),
        Task::Compare(options) => compare::run(root, &options),
        Task::Header => header::run(root).map(|()| ExitCode::SUCCESS),
        Task::Fuzz(options) => fuzz::run(root, &options).map(|()| ExitCode::SUCCESS),
        Task::Soak(options) => soak::run(root, &options).map(|()| ExitCode::SUCCESS),
    }
}
