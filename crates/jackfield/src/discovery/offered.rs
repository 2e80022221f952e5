//! What a directory offers at one moment, for a host that chooses itself what it loads.

use std::path::PathBuf;
use std::sync::Arc;

use jackfield_core::Candidate;
use jackfield_core::schema::Descriptor;

use super::{Directory, File, FileKind, Scanner};
use crate::watch::WatchError;

/// A file of a [`Directory`] that could be a plugin, as [`scan`](Directory::scan) found it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Offered {
    /// The name that the file gives it, with its version if it has one: `kv@1.2`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What it could be.
    pub kind: FileKind,
    /// What its manifest configures, for [`Context::new`](crate::Context::new); empty without one.
    pub config: Vec<(String, String)>,
    /// What can be loaded from it, or why nothing can.
    pub candidate: Result<Box<dyn Candidate>, String>,
    directory: Arc<Directory>,
    file: Arc<File>,
}

impl Offered {
    /// What its manifest says that it serves, for [`Manager::load_described`](crate::Manager::load_described); nothing if it
    /// does not say. The file that the manifest names is read for it, and not before.
    ///
    /// # Errors
    ///
    /// It cannot be read, or the interface that is meant is not in it. The text names the key.
    pub fn interface(&self) -> Result<Option<Descriptor>, String> {
        self.directory.interface(&self.file)
    }
}

impl Directory {
    /// What lies there now, in the order of the names. Nothing of it is loaded, and no plugin code runs: this is for a host
    /// that chooses itself what it loads.
    ///
    /// ```no_run
    /// # use jackfield::{Directory, Manager};
    /// # fn example(directory: &Directory) -> Result<(), Box<dyn std::error::Error>> {
    /// for offered in directory.scan()? {
    ///     match offered.candidate {
    ///         Ok(candidate) => println!("{}: {candidate:?}", offered.name),
    ///         Err(reason) => println!("{} is skipped: {reason}", offered.path.display()),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is looked at once, so that a file may be half written. Of files with one name all are returned, first the one that
    /// a [watch](crate::Manager::watch) would load; what a manifest disables is left out. What a manifest says of limits and
    /// of a breaker is for a watch: a host that loads by itself says it by [`with_limits`](crate::Manager::with_limits).
    ///
    /// # Errors
    ///
    /// The directory, or one of those that were added [to it](Self::and), cannot be read.
    pub fn scan(&self) -> Result<Vec<Offered>, WatchError> {
        let mut files = Vec::new();
        for (place, path) in self.paths().enumerate() {
            let found = Scanner::new(path, place).scan();
            let found = found.map_err(|source| WatchError::Read { path: path.to_owned(), source })?;
            files.extend(found.iter().cloned());
        }
        files.sort_by(|a, b| rank(a).cmp(&rank(b)));
        // A manifest that disables a plugin speaks for the files behind it, too.
        let mut disabled = None;
        files.retain(|file| {
            if file.is_disabled() {
                disabled = Some(file.plugin.clone());
            }
            disabled.as_ref() != Some(&file.plugin)
        });
        let directory = Arc::new(self.clone());
        let offer = |file: Arc<File>| Offered {
            name: file.plugin.clone(),
            path: file.path.clone(),
            kind: file.kind,
            config: file.config(),
            candidate: self.candidate(&file),
            directory: directory.clone(),
            file,
        };
        Ok(files.into_iter().map(offer).collect())
    }
}

/// The order of the names, and of files with one name that of their precedence.
fn rank(file: &File) -> impl Ord + '_ {
    (&file.plugin, file.precedence(), &file.path)
}
