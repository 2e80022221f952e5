//! Owns the private directory in which a host's plugins put their sockets.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// A directory that only this user can enter, removed with all it holds when dropped.
#[derive(Debug)]
pub(crate) struct SocketDirectory {
    path: PathBuf,
}

impl SocketDirectory {
    /// Makes a new directory below the system's temporary one, or below `/tmp` where that is too deep.
    pub(crate) fn create() -> io::Result<Self> {
        let parent = temporary(MAX_PARENT);
        let random = getrandom::u32().map_err(io::Error::other)?;
        let path = parent.join(format!("jackfield-{random:08x}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Makes a directory within, in which the members of a group may put and find sockets.
    pub(crate) fn for_group(&self, group: u32) -> io::Result<PathBuf> {
        let random = getrandom::u32().map_err(io::Error::other)?;
        let path = self.path.join(format!("group-{random:08x}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        chown(&path, None, Some(group))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770))?;
        // They must come through, but see nothing on the way.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o711))?;
        Ok(path)
    }

    /// Where the directory is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        // The guard removes what cannot be removed now.
        let _left_to_guard = std::fs::remove_dir_all(&self.path);
    }
}

/// The system's directory of temporary files, or `/tmp` where that has a path of more bytes than fit into a socket's with
/// all that follows, or one that holds for this process alone.
pub(crate) fn temporary(longest: usize) -> PathBuf {
    let directory = std::env::temp_dir();
    let fits = directory.is_absolute() && directory.as_os_str().as_bytes().len() <= longest;
    if fits { directory } else { PathBuf::from("/tmp") }
}

/// A socket's path has at most 107 bytes; a Go plugin appends `/jackfield-` with 8 digits and
/// `/plugin` with up to 20, and there may be `/group-` with 8 digits between.
const MAX_PARENT: usize = 44;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_private_and_goes_with_its_content() {
        let directory = SocketDirectory::create().unwrap();
        let path = directory.path().to_owned();
        std::fs::write(path.join("plugin1"), "").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
    }
}
