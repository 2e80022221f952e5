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

    /// Makes a directory within for the sockets of one plugin, in which the members of a group, if there is one, may put and
    /// find sockets too.
    ///
    /// By it one plugin's sockets are told from another's: a plugin that ends before it says where its socket is leaves it
    /// behind all the same.
    pub(crate) fn for_plugin(&self, group: Option<u32>) -> io::Result<PathBuf> {
        let random = getrandom::u32().map_err(io::Error::other)?;
        let path = self.path.join(format!("plugin-{random:08x}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        let Some(group) = group else { return Ok(path) };
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

/// The directory of a plugin that may yet be refused. Dropping it removes what lies there.
#[derive(Debug, Default)]
pub(crate) struct PendingSockets(Option<PathBuf>);

impl PendingSockets {
    /// Of a plugin that has a directory of its own.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self(directory)
    }

    /// Leaves it to the supervisor of the plugin's process.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for PendingSockets {
    fn drop(&mut self) {
        if let Some(directory) = self.0.take() {
            remove(&directory);
        }
    }
}

/// Removes a plugin's directory. Who ended of its own accord has left it empty.
pub(super) fn remove(directory: &Path) {
    if fs::remove_dir(directory).is_err() {
        // What cannot be removed now goes with the host's directory.
        let _removed = fs::remove_dir_all(directory);
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
/// `/plugin` with up to 20, and between them stands `/plugin-` with 8 digits.
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

    #[test]
    fn what_a_refused_plugin_leaves_goes_and_another_ones_stays() {
        let directory = SocketDirectory::create().unwrap();
        let [refused, other] = [(), ()].map(|()| directory.for_plugin(None).unwrap());
        for path in [&refused, &other] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
            std::fs::write(path.join("plugin1"), "").unwrap();
        }
        PendingSockets::new(Some(other.clone())).keep();
        drop(PendingSockets::new(Some(refused.clone())));
        assert!(!refused.exists() && other.join("plugin1").exists());
    }
}
