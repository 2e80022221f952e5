//! Connects to a plugin's socket and starts HTTP/2 on it.

use std::io;
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::http2::{self, Executor};
use super::mux::{Mux, Turn};
use crate::handshake::Address;
use crate::quiet::QuietSocket;
use crate::tls::TlsConfig;

/// Where a plugin can be reached, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Its socket.
    pub(crate) address: Address,
    /// The TLS to speak there.
    pub(crate) tls: Option<TlsConfig>,
    /// The streams over that one socket, if the plugin multiplexes.
    pub(crate) mux: Option<Arc<Mux>>,
}

/// A connection, with what must be driven for its calls to get ahead.
pub(crate) struct Connected<D> {
    /// Where calls are made.
    pub(crate) connection: Connection,
    /// Ends when the connection does.
    pub(crate) driver: D,
    /// Ends the connection at once.
    pub(crate) cutter: Cutter,
}

impl Target {
    /// Connects on the runtime on which this is called; the connection lives there. Its `executor` does what is to be
    /// done beside the driver.
    ///
    /// # Errors
    /// If nobody listens, or if the one who does is not the plugin that was started.
    pub(crate) async fn connect(
        &self,
        executor: Executor,
    ) -> Result<Connected<impl Future<Output = ()> + Send + use<>>, ConnectError> {
        let (socket, cutter) = match &self.mux {
            None => open(&self.address).await,
            Some(mux) => stream(mux.turn().await).await,
        }
        .map_err(ConnectError::Socket)?;
        start_http(socket, cutter, self.tls.as_ref(), executor).await
    }
}

/// The socket of a stream, which nobody but its session can cut.
pub(crate) async fn stream(turn: Turn<'_>) -> io::Result<(Socket, Cutter)> {
    Ok((Box::new(turn.open().await?), Cutter::OfSession))
}

/// Starts HTTP/2, after TLS if there is any.
pub(crate) async fn start_http(
    socket: Socket,
    cutter: Cutter,
    tls: Option<&TlsConfig>,
    executor: Executor,
) -> Result<Connected<impl Future<Output = ()> + Send + use<>>, ConnectError> {
    let (socket, origin) = match tls {
        None => (socket, http::Uri::from_static("http://unused")),
        Some(tls) => (encrypt(socket, tls).await.map_err(ConnectError::Tls)?, origin(tls)?),
    };
    let (sender, driver) = http2::start(socket, executor).await.map_err(ConnectError::Http)?;
    let connection = Connection::new(sender, origin);
    Ok(Connected { connection, driver, cutter })
}

/// A connection to a plugin could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// What listens does not speak HTTP/2.
    #[error("expected HTTP/2 on the plugin's socket")]
    Http(#[source] h2::Error),
    /// Nobody listens.
    #[error("failed to connect to the plugin's socket")]
    Socket(#[source] io::Error),
    /// Who listens is not the plugin that was started.
    #[error("failed to agree on TLS with the plugin")]
    Tls(#[source] io::Error),
}

/// Ends a connection even if some other process holds the plugin's end of it.
#[derive(Debug)]
pub(crate) enum Cutter {
    /// Of a stream, which ends with its session.
    OfSession,
    /// Of a TCP socket.
    Tcp(std::net::TcpStream),
    /// Of a Unix socket.
    Unix(net::UnixStream),
}

impl Cutter {
    /// Ends the connection.
    pub(crate) fn cut(&self) {
        // It has ended already if this fails.
        let _ended = match self {
            Self::OfSession => Ok(()),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Self::Unix(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}

/// What a connection runs on.
pub(crate) type Socket = Box<dyn Duplex>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to `address`.
pub(crate) async fn open(address: &Address) -> io::Result<(Socket, Cutter)> {
    match address {
        Address::Tcp(address) => {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            let socket = socket.into_std()?;
            let cutter = Cutter::Tcp(socket.try_clone()?);
            Ok((Box::new(TcpStream::from_std(socket)?), cutter))
        }
        Address::Unix(path) => {
            // Connecting to a Unix socket never waits for the other side to accept.
            let socket = connect_unix(path)?;
            let cutter = Cutter::Unix(socket.try_clone()?);
            Ok((Box::new(QuietSocket::new(socket)?), cutter))
        }
    }
}

fn connect_unix(path: &Path) -> io::Result<net::UnixStream> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => net::UnixStream::connect_addr(&net::SocketAddr::from_abstract_name(name)?),
        _ => net::UnixStream::connect(path),
    }
}

/// The name is part of every request.
fn origin(tls: &TlsConfig) -> Result<http::Uri, ConnectError> {
    let uri = format!("https://{}", tls.name.to_str());
    uri.parse().map_err(|error| ConnectError::Tls(io::Error::other(error)))
}

async fn encrypt(socket: Socket, tls: &TlsConfig) -> io::Result<Socket> {
    let socket = TlsConnector::from(Arc::clone(&tls.connect)).connect(tls.name.clone(), socket).await?;
    if socket.get_ref().1.alpn_protocol().is_none() {
        return Err(io::Error::other("expected the protocol `h2` to be agreed on, found none"));
    }
    Ok(Box::new(socket))
}
