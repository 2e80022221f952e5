//! Puts a file into its place, so that whoever looks there sees the old one or the whole new one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// Copies `from` to `to`: under another name beside it first, which takes its name once all of it is on the disk and was
/// found good. What was there is replaced; a host that has it loaded keeps what it has. Returns what `check` does.
pub(crate) fn place<V>(
    from: &Path,
    to: &Path,
    check: impl FnOnce(&Path) -> anyhow::Result<V>,
) -> anyhow::Result<V> {
    let failed = || format!("`{}` cannot be written", to.display());
    let copied = copy(from, to).with_context(failed)?;
    // It is the copy that is looked at: the file itself may be another one by now.
    let checked = check(copied.path())?;
    let directory = directory_of(to);
    let placed = copied.persist(to).map_err(io::Error::from).and_then(|_| File::open(directory)?.sync_all());
    placed.with_context(failed)?;
    Ok(checked)
}

fn directory_of(to: &Path) -> &Path {
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<NamedTempFile> {
    let mut source = File::open(from)?;
    // A name that no host takes for a plugin's while it is written: nothing may be read in it yet.
    let mut temporary =
        tempfile::Builder::new().prefix(".jackfield-").suffix(".part").tempfile_in(directory_of(to))?;
    io::copy(&mut source, temporary.as_file_mut())?;
    fs::set_permissions(temporary.path(), source.metadata()?.permissions())?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}
