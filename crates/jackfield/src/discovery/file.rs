//! The files of a directory, and what each could be.

use std::env::consts::{DLL_EXTENSION, DLL_PREFIX};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::os;

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The name of the plugin that it would be.
    pub(crate) plugin: String,
    pub(crate) kind: Kind,
    pub(crate) stamp: Stamp,
}

/// What a file could be. Of several with the same name, the first in this order is the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Library,
    Program,
    Neither,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    identity: [u64; 2],
    size: u64,
    modified: Option<SystemTime>,
    is_executable: bool,
}

impl Stamp {
    /// Of the file that lies there now. A directory has none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        // Links are followed: what they lead to is what would be loaded.
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            identity: os::identity(&metadata),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            is_executable: os::is_executable(path, &metadata),
        })
    }

    fn kind(&self) -> Kind {
        if self.is_executable { Kind::Program } else { Kind::Neither }
    }

    #[cfg(test)]
    pub(super) fn for_test(size: u64) -> Self {
        Self { identity: [0, 0], size, modified: None, is_executable: false }
    }
}

/// The files of a directory, save those that are nobody's plugin by their name.
pub(crate) fn scan(directory: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // A file that went since the directory was read is one that is not there.
        if let (Some(name), Some(stamp)) = (name(&path), Stamp::of(&path)) {
            let (plugin, kind) = classify(name, stamp.kind());
            files.push(File { plugin: plugin.to_owned(), kind, stamp, path });
        }
    }
    Ok(files)
}

/// The name of a file that is looked at: neither hidden, nor what a compiler leaves beside what it builds.
fn name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let is_left_out = name.starts_with('.') || name.ends_with(".d");
    (!is_left_out).then_some(name)
}

/// The plugin of this name, and what it is: a library by its name, or else what its mode says. Compilers make libraries
/// executable too.
fn classify(name: &str, by_mode: Kind) -> (&str, Kind) {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if extension == DLL_EXTENSION {
        (stem.strip_prefix(DLL_PREFIX).filter(|rest| !rest.is_empty()).unwrap_or(stem), Kind::Library)
    } else {
        (stem, by_mode)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_could_be() {
        for (name, by_mode, expected) in [
            ("libkv.so", Kind::Program, ("kv", Kind::Library)),
            ("libkv.so", Kind::Neither, ("kv", Kind::Library)),
            ("kv.so", Kind::Neither, ("kv", Kind::Library)),
            ("lib.so", Kind::Neither, ("lib", Kind::Library)),
            ("kv-file", Kind::Program, ("kv-file", Kind::Program)),
            ("kv.py", Kind::Program, ("kv", Kind::Program)),
            ("libre", Kind::Program, ("libre", Kind::Program)),
            ("kv.txt", Kind::Neither, ("kv", Kind::Neither)),
            ("also", Kind::Neither, ("also", Kind::Neither)),
        ] {
            assert_eq!(classify(name, by_mode), expected, "{name}");
        }
    }

    #[test]
    fn hidden_files_and_lists_of_dependencies_are_left_out() {
        for (path, expected) in [(".libkv.so", None), ("kv.d", None), ("x/libkv.so", Some("libkv.so"))] {
            assert_eq!(name(Path::new(path)), expected, "{path}");
        }
    }
}
