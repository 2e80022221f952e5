//! Listens on a socket with a name of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};

use super::connection::Accept;
use crate::child::{SocketDirectory, temporary};
use crate::grpc::Socket;
use crate::handshake::Address;
use crate::quiet::QuietSocket;

/// Where a side puts its sockets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Files in this directory; among the system's temporary ones, if `None`.
    pub(crate) directory: Option<PathBuf>,
    /// The group that may connect, by its number, besides the owner.
    pub(crate) group: Option<u32>,
    /// TCP sockets of this machine with these ports, in place of files.
    pub(crate) ports: Option<RangeInclusive<u16>>,
}

impl Place {
    /// A directory of this host's.
    pub(crate) fn of(sockets: &SocketDirectory) -> Self {
        Self { directory: Some(sockets.path().to_owned()), ..Self::default() }
    }
}

/// A socket; its file, if it has one, is removed when it is dropped.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens at a name that nobody else has.
    ///
    /// # Errors
    /// If there is none, or the group cannot be given access.
    pub(crate) fn bind(place: &Place) -> io::Result<Self> {
        match &place.ports {
            Some(ports) => bind_tcp(ports.clone()),
            None => bind_unix(place),
        }
    }

    /// Where the other side connects.
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Tcp(_, address) => Address::Tcp(*address),
            Self::Unix(_, path) => Address::Unix(path.clone()),
        }
    }
}

impl Accept for Listener {
    async fn accept(&mut self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener, _) => {
                let (socket, _) = listener.accept().await?;
                socket.set_nodelay(true)?;
                Ok(Box::new(socket))
            }
            Self::Unix(listener, _) => {
                let socket = listener.accept().await?.0.into_std()?;
                Ok(Box::new(QuietSocket::new(socket)?))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // The host removes its directory too.
            let _removed = std::fs::remove_file(path);
        }
    }
}

fn bind_unix(place: &Place) -> io::Result<Listener> {
    let directory = place.directory.clone().unwrap_or_else(|| temporary(MAX_DIRECTORY));
    loop {
        let number = getrandom::u32().map_err(io::Error::other)?;
        let path = directory.join(format!("plugin{number}"));
        match UnixListener::bind(&path) {
            Ok(listener) => {
                let listener = Listener::Unix(listener, path.clone());
                place.group.map(|group| admit(&path, group)).transpose()?;
                return Ok(listener);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

/// A socket's path has at most 107 bytes, of which `/plugin` with ten digits are 17.
const MAX_DIRECTORY: usize = 90;

/// Lets a group connect to the socket at `path`.
fn admit(path: &Path, group: u32) -> io::Result<()> {
    chown(path, None, Some(group))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
}

/// Takes the first port of the range that is free.
fn bind_tcp(ports: RangeInclusive<u16>) -> io::Result<Listener> {
    let mut taken =
        io::Error::new(io::ErrorKind::InvalidInput, "expected a range of ports, found an empty one");
    for port in ports {
        match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                return Ok(Listener::Tcp(TcpListener::from_std(listener)?, address));
            }
            Err(error) => taken = error,
        }
    }
    Err(taken)
}
