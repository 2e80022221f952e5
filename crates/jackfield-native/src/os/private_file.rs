//! A private copy of a library in a file, on systems without sealed memory.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Memory;

/// What a private file holds.
#[derive(Debug)]
pub(crate) struct View(Vec<u8>);

/// Copies a file. The name appears in the list of this process's libraries.
///
/// The copy's path is used once, so that the loader takes no later library for this one. Only this user's own programs can
/// reach it; unlike Linux, these systems cannot keep those from changing it.
pub(crate) fn copy(mut file: File, name: &str) -> io::Result<(Memory, View)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((Memory::from(PrivateFile::new(name, &bytes)?), View(bytes)))
}

impl View {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A file alone in a directory of its own, both of which end with this.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    directory: PathBuf,
    path: PathBuf,
}

impl PrivateFile {
    fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let directory = create_directory()?;
        let mut file_name = OsString::from(name);
        file_name.push(std::env::consts::DLL_SUFFIX);
        // From here on, whatever fails removes the directory.
        let file = Self { path: directory.join(file_name), directory };
        File::create_new(&file.path)?.write_all(bytes)?;
        Ok(file)
    }

    /// Where it is. The system names a library that was loaded from it like this.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file now. Windows refuses it while the library is mapped.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_dir(&self.directory);
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Creates a directory that nobody had, and that nobody else may enter.
fn create_directory() -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // The loader names libraries by their real paths.
    let parent = fs::canonicalize(std::env::temp_dir())?;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("jackfield-{}-{number}", std::process::id()));
        match builder().create(&path) {
            // Left behind by a process of the same number that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MAX_LEFT_BEHIND => {}
            result => return result.map(|()| path),
        }
    }
}

#[cfg(unix)]
fn builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// The directory for temporary files belongs to the user.
#[cfg(windows)]
fn builder() -> DirBuilder {
    DirBuilder::new()
}

/// How many directories of an earlier process are skipped.
const MAX_LEFT_BEHIND: u64 = 1 << 20;
