//! The streams a host keeps open on the plugin's main connection: what it prints, and the broker's.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::generated::go_plugin::grpc_broker_client::GrpcBrokerClient;
use super::generated::go_plugin::grpc_stdio_client::GrpcStdioClient;
use super::generated::go_plugin::stdio_data;
use super::{Broker, Connection};
use crate::printed::{Printed, Stream};

/// The streams of one plugin, for life.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    printed: Printed,
    broker: Broker,
}

impl Session {
    /// Keeps the streams on `connection`, gives what the plugin prints to `printed`, and what it says of further
    /// connections to `broker`.
    pub(crate) fn new(connection: Connection, printed: Printed, broker: Broker) -> Self {
        Self { connection, printed, broker }
    }

    /// Opens both streams and drains them until they end. A plugin that has none of them is fine.
    pub(crate) async fn run(self) {
        tokio::join!(async { report("stdio", self.drain_stdio().await) }, async {
            report("broker", self.hold_broker().await);
            self.broker.close();
        });
    }

    /// A plugin whose output nobody reads blocks as soon as it prints.
    async fn drain_stdio(&self) -> Result<(), Status> {
        let (wire, origin) = self.connection.parts();
        let mut stream = GrpcStdioClient::with_origin(wire, origin).stream_stdio(()).await?.into_inner();
        while let Some(piece) = stream.message().await? {
            match piece.channel() {
                stdio_data::Channel::Stdout => self.printed.take(Stream::Stdout, &piece.data),
                stdio_data::Channel::Stderr => self.printed.take(Stream::Stderr, &piece.data),
                stdio_data::Channel::Invalid => {
                    tracing::warn!(channel = piece.channel, "a plugin prints to an unknown channel");
                }
            }
        }
        Ok(())
    }

    /// The plugin closes its broker for ever when this stream ends.
    async fn hold_broker(&self) -> Result<(), Status> {
        let (wire, origin) = self.connection.parts();
        let mut client = GrpcBrokerClient::with_origin(wire, origin);
        let mut stream = client.start_stream(self.broker.speech()).await?.into_inner();
        while let Some(info) = stream.message().await? {
            self.broker.hear(info);
        }
        Ok(())
    }
}

/// Asks the plugin to end, and waits for the answer as long as `patience` lasts.
pub(crate) async fn shutdown(connection: &Connection, patience: Duration) -> Asked {
    let path = PathAndQuery::from_static("/plugin.GRPCController/Shutdown");
    match timeout(patience, connection.unary(path, Bytes::new())).await {
        Ok(Err(status)) if status.code() == Code::Unimplemented => Asked::Unheard,
        // Whatever else it answered, it heard: it may be gone before its answer is out.
        Ok(_) | Err(_) => Asked::Heard,
    }
}

/// Whether a plugin knows that it should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was asked.
    Heard,
    /// It has nothing to ask.
    Unheard,
}

fn report(service: &str, result: Result<(), Status>) {
    match result {
        Err(status) if !is_quiet(status.code()) => {
            tracing::warn!(service, %status, "a stream of a plugin failed");
        }
        Ok(()) | Err(_) => tracing::trace!(service, "a stream of a plugin ended"),
    }
}

/// What a plugin without the service answers, and what is left of a stream whose plugin ended.
fn is_quiet(code: Code) -> bool {
    matches!(code, Code::Cancelled | Code::Unavailable | Code::Unimplemented | Code::Unknown)
}
