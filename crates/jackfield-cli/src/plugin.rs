//! The plugin that a command is about: a file, and how it is run where it is a program.

use std::path::{Path, PathBuf};

use jackfield::native::Image;
use jackfield::schema::Descriptor;

/// A plugin on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Plugin {
    /// A shared library
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Plugin {
    /// What it serves. None of a library's code runs.
    pub(crate) async fn interfaces(&self) -> anyhow::Result<Vec<Descriptor>> {
        interfaces(&self.file)
    }
}

/// What the library in a file serves.
pub(crate) fn interfaces(file: &Path) -> anyhow::Result<Vec<Descriptor>> {
    Ok(Image::read(file)?.note().interfaces.clone())
}
