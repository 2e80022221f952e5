//! Puts a file into its place, so that whoever looks there sees the old one or the whole new one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// Copies `from` to `to`: under another name beside it first, which takes its name once all of it is on the disk. What
/// was there is replaced; a host that has it loaded keeps what it has.
pub(crate) fn place(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy(from, to).with_context(|| format!("`{}` cannot be written", to.display()))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let directory = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut source = File::open(from)?;
    // A name that no host takes for a plugin's while it is written: nothing may be read in it yet.
    let mut temporary =
        tempfile::Builder::new().prefix(".jackfield-").suffix(".part").tempfile_in(directory)?;
    io::copy(&mut source, temporary.as_file_mut())?;
    fs::set_permissions(temporary.path(), source.metadata()?.permissions())?;
    temporary.as_file().sync_all()?;
    temporary.persist(to)?;
    File::open(directory)?.sync_all()
}
