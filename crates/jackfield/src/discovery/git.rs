//! Whether git is at work in a directory.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether git is changing the work tree in which a directory lies: it holds a lock then.
pub(crate) fn is_busy(directory: &Path) -> bool {
    // What leads there by a link lies elsewhere.
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let found = directory.ancestors().map(|ancestor| ancestor.join(".git")).find(|git| git.exists());
    found.is_some_and(|git| repository(git).join("index.lock").exists())
}

/// Where the lock would be: another work tree has a file in place of the folder.
fn repository(git: PathBuf) -> PathBuf {
    let text = if git.is_file() { fs::read_to_string(&git).unwrap_or_default() } else { String::new() };
    match text.strip_prefix("gitdir:") {
        Some(path) => git.parent().unwrap_or(&git).join(path.trim()),
        None => git,
    }
}
