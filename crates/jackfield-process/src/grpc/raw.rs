//! A channel for clients that `tonic` generates.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, StreamBody};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::connection::Connection;
use super::http2::Received;
use crate::fate::Fate;

/// A connection to a plugin, or back to its host, for the clients that `tonic` generates: a handle, whose clones
/// share the connection.
///
/// A call that the plugin's end interrupts ends with `UNAVAILABLE`, and says in its message how the plugin ended.
/// Messages are limited as the generated client says, to 4 MiB of answer unless it is told otherwise. It may be
/// called from any executor.
#[derive(Clone)]
pub struct GrpcChannel {
    connection: Connection,
    fate: Fate,
}

impl GrpcChannel {
    pub(crate) fn new(connection: Connection, fate: Fate) -> Self {
        Self { connection, fate }
    }

    /// Whether calls can no longer be made.
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }
}

impl Service<Request<Body>> for GrpcChannel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    /// Always ready: a connection that ended says so in the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (mut wire, origin) = self.connection.parts();
        let fate = self.fate.clone();
        Box::pin(async move {
            *request.uri_mut() = absolute(request.uri(), origin)?;
            match wire.call(request).await {
                Ok(response) => Ok(response.map(|body| explained(body, fate))),
                Err(error) => Err(fate.explain(error).await),
            }
        })
    }
}

impl fmt::Debug for GrpcChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcChannel").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl Fate {
    async fn explain(self, error: h2::Error) -> Status {
        match self.known().await {
            Some(end) => Status::unavailable(end.to_string()),
            None => Status::from_error(Box::new(error)),
        }
    }
}

/// Clients know the path only.
fn absolute(uri: &Uri, origin: Uri) -> Result<Uri, Status> {
    let mut parts = origin.into_parts();
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).map_err(|error| Status::internal(error.to_string()))
}

/// A body that, should it break off, says why.
fn explained(body: Received, fate: Fate) -> Body {
    let frames = stream::unfold(Some((body, fate)), async |rest| {
        let (mut body, fate) = rest?;
        match body.frame().await? {
            Ok(frame) => Some((Ok(frame), Some((body, fate)))),
            Err(error) => Some((Err(fate.explain(error).await), None)),
        }
    });
    Body::new(StreamBody::new(Box::pin(frames)))
}
