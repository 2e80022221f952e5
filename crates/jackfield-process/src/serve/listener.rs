//! Listens on a Unix socket with a name of its own.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::handshake::Address;

/// A socket; its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens in `directory`, or else among the system's temporary files.
    pub(crate) fn bind(directory: Option<&Path>) -> io::Result<Self> {
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        loop {
            let number = getrandom::u32().map_err(io::Error::other)?;
            let path = directory.join(format!("plugin{number}"));
            match UnixListener::bind(&path) {
                Ok(listener) => return Ok(Self { listener, path }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where a host connects.
    pub(crate) fn address(&self) -> Address {
        Address::Unix(self.path.clone())
    }

    /// Waits for the next connection.
    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(socket, _)| socket)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The host removes its directory too.
        let _removed = std::fs::remove_file(&self.path);
    }
}
