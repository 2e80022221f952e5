//! Serves HTTP/2 on each connection of the host.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::dispatch::Dispatch;
use super::program::ended;
use crate::grpc::{CONNECTION_WINDOW, MAX_FRAME, MAX_HEADERS, SEND_BUFFER, STREAM_WINDOW, Socket};

/// How a connection begins.
#[derive(Clone)]
pub(crate) enum Acceptor {
    /// At once.
    Plain,
    /// With proof that the other end is the host.
    Tls(TlsAcceptor),
}

impl From<Arc<ServerConfig>> for Acceptor {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::Tls(config.into())
    }
}

/// Where connections come from.
pub(crate) trait Accept: Send {
    /// Waits for the next.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<Socket>> + Send;
}

/// All connections, which end when this is dropped.
pub(crate) struct Connections {
    acceptor: Acceptor,
    dispatch: Arc<Dispatch>,
    end: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Connections {
    /// None yet. Those to come answer through `dispatch`, until `end` holds.
    pub(crate) fn new(acceptor: Acceptor, dispatch: Arc<Dispatch>, end: watch::Receiver<bool>) -> Self {
        Self { acceptor, dispatch, end, tasks: JoinSet::new() }
    }

    /// Serves every connection; never ends.
    pub(crate) async fn accept_from(&mut self, listener: &mut impl Accept) {
        loop {
            tokio::select! {
                socket = next(listener) => self.serve(socket),
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Serves every connection until the last has ended, or none has come as long as `patience` lasts.
    pub(crate) async fn accept_while_used(&mut self, listener: &mut impl Accept, patience: Duration) {
        let Ok(socket) = timeout(patience, next(listener)).await else { return };
        self.serve(socket);
        while !self.tasks.is_empty() {
            tokio::select! {
                socket = next(listener) => self.serve(socket),
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Lets what was begun end, within the time in which no host loses patience.
    pub(crate) async fn finish(self) {
        let _in_time = timeout(PATIENCE, self.tasks.join_all()).await;
    }

    fn serve(&mut self, socket: Socket) {
        let (acceptor, dispatch, end) = (self.acceptor.clone(), Arc::clone(&self.dispatch), self.end.clone());
        self.tasks.spawn(async move {
            match acceptor {
                Acceptor::Plain => talk(socket, dispatch, end).await,
                Acceptor::Tls(acceptor) => match timeout(TLS_PATIENCE, acceptor.accept(socket)).await {
                    Ok(Ok(socket)) => talk(Box::new(socket), dispatch, end).await,
                    Ok(Err(error)) => tracing::warn!(%error, "somebody who is not the host was refused"),
                    Err(_) => tracing::warn!("somebody connected, but did not begin TLS"),
                },
            }
        });
    }
}

async fn next(listener: &mut impl Accept) -> Socket {
    loop {
        match listener.accept().await {
            Ok(socket) => return socket,
            Err(error) => {
                // Such as too many open files, which may pass.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Whatever the socket is, it is this one function: HTTP/2 is large, and every plugin has all of it in its file.
async fn talk(socket: Socket, dispatch: Arc<Dispatch>, end: watch::Receiver<bool>) {
    let connection = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(None)
        .max_header_list_size(MAX_HEADERS)
        // Whoever calls is known, and may give up as many calls at once as it made.
        .max_pending_accept_reset_streams(MAX_GIVEN_UP)
        .serve_connection(TokioIo::new(socket), dispatch);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ended(end) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection of the host ended");
    }
}

/// A Go host kills after two seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
const MAX_GIVEN_UP: usize = 1 << 16;
const RETRY: Duration = Duration::from_millis(50);
const TLS_PATIENCE: Duration = Duration::from_secs(10);
