//! What a system tells of a file.

use std::fs::Metadata;
use std::path::Path;

/// What tells a file from another one under the same path, beside its size and time.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> [u64; 2] {
    use std::os::unix::fs::MetadataExt as _;
    [metadata.dev(), metadata.ino()]
}

#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> [u64; 2] {
    [0, 0]
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    /// Those bits of its mode that say who may execute it, and who besides its owner may change it.
    mode: u32,
    owner: u32,
}

#[cfg(unix)]
impl Access {
    pub(super) fn of(_: &Path, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { mode: metadata.mode() & (EXECUTE | OTHERS_WRITE), owner: metadata.uid() }
    }

    /// Whether somebody may execute the file.
    pub(super) fn is_executable(self) -> bool {
        self.mode & EXECUTE != 0
    }
}

#[cfg(not(unix))]
impl Access {
    pub(super) fn of(path: &Path, _: &Metadata) -> Self {
        let is_executable = path.extension().is_some_and(|end| end == std::env::consts::EXE_EXTENSION);
        Self { mode: if is_executable { EXECUTE } else { 0 }, owner: 0 }
    }

    pub(super) fn is_executable(self) -> bool {
        self.mode & EXECUTE != 0
    }
}

#[cfg(test)]
impl Access {
    pub(super) fn for_test() -> Self {
        Self { mode: 0, owner: 0 }
    }
}

/// Refuses a file that another user than this one and root could change, or put another one in the place of.
#[cfg(unix)]
pub(super) fn check_ownership(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let directory = path.parent().unwrap_or(Path::new("/"));
    for (path, what) in [(path, "a file"), (directory, "a directory")] {
        let read = |error| format!("`{}` cannot be read: {error}", path.display());
        let metadata = std::fs::metadata(path).map_err(read)?;
        let (mode, owner, us) = (metadata.mode(), metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != 0 && owner != us {
            let (path, expected) = (path.display(), format!("expected {what} of user {us} or root"));
            return Err(format!("{expected}, found one of user {owner}: `{path}`"));
        }
        // Of a sticky directory others can take away nothing that is not theirs.
        let is_sticky = metadata.is_dir() && mode & STICKY != 0;
        if mode & OTHERS_WRITE != 0 && !is_sticky {
            let (path, mode) = (path.display(), mode & 0o7777);
            return Err(format!(
                "expected {what} that only its owner can change, found mode {mode:o}: `{path}`\n(hint: chmod go-w)"
            ));
        }
    }
    Ok(())
}

const EXECUTE: u32 = 0o111;
#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;
#[cfg(unix)]
const STICKY: u32 = 0o1000;
