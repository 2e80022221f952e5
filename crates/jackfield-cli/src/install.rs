//! `jackfield install`: a plugin into the directory from which a host takes its plugins.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use jackfield::native::{Image, NativeError};
use serde_json::json;

use crate::place::place;
use crate::plugin::is_executable;

/// What `install` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Prints one JSON object with what was installed
    #[arg(long)]
    json: bool,

    /// The name that it gets there, instead of its own
    #[arg(long = "as", value_name = "NAME")]
    name: Option<PathBuf>,

    /// A shared library, or a program that is a plugin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The directory
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  jackfield install target/release/libkv.so plugins
                           a host that looks there sees the old file or the whole new one
  jackfield install kv_v2.so plugins --as kv.so
                           under another name";

/// Checks the file, and puts it there.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let name = options.name.as_deref().or(options.file.file_name().map(Path::new));
    let name = name.filter(|name| name.components().count() == 1 && name.file_name().is_some());
    let name = name.context("expected a name without a slash\n(hint: such as `--as kv.so`)")?;
    let is_directory = options.directory.is_dir();
    ensure!(is_directory, "expected a directory, but `{}` is none", options.directory.display());
    let to = options.directory.join(name);
    let digest = place(&options.file, &to, |copy| check(&options.file, copy))?;
    let mut out = std::io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", json!({ "file": to, "sha256": digest }))?,
        false => writeln!(out, "{}", to.display())?,
    }
    Ok(())
}

/// The digest of a library that would be loaded here. A program has to be one that can be started.
fn check(file: &Path, copy: &Path) -> anyhow::Result<Option<String>> {
    match Image::read(copy) {
        Ok(image) => Ok(Some(image.digest().to_string())),
        Err(NativeError::NotALibrary { .. }) if is_executable(copy) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}` is not installed", file.display())),
    }
}
