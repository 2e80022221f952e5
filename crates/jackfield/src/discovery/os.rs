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

/// Whether somebody may execute the file.
#[cfg(unix)]
pub(super) fn is_executable(_: &Path, metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
pub(super) fn is_executable(path: &Path, _: &Metadata) -> bool {
    path.extension().is_some_and(|extension| extension == std::env::consts::EXE_EXTENSION)
}
