//! One HTTP/2 connection, on which any thread and any executor may make calls.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::http2::{Received, Sender};
use super::limit::Limit;
use super::message::{self, Frames, Message};
use super::status;

/// A connection; clones share it. Its work is done by its driver, wherever that runs.
#[derive(Clone)]
pub(crate) struct Connection {
    wire: Wire,
    origin: Uri,
}

impl Connection {
    pub(super) fn new(sender: Sender, origin: Uri) -> Self {
        Self { wire: Wire { sender }, origin }
    }

    /// Whether calls can no longer be made.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.sender.is_closed()
    }

    /// What the peer did, if the connection was given up for it.
    pub(crate) fn breach(&self) -> Arc<OnceLock<String>> {
        self.wire.sender.breach()
    }

    /// Whether calls may have to wait for others to end.
    pub(crate) fn is_limited(&self) -> bool {
        self.wire.sender.is_limited()
    }

    /// Ends when calls can no longer be made; those under way may go on.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.wire.sender.closed()
    }

    /// What generated clients are made with.
    pub(super) fn parts(&self) -> (Wire, Uri) {
        (self.wire.clone(), self.origin.clone())
    }

    /// Makes a call with one request and one response, both encoded.
    ///
    /// # Errors
    /// What the peer answered, or what the wire said; `status` tells them apart.
    pub(crate) async fn unary(&self, path: PathAndQuery, request: Bytes) -> Result<Bytes, Status> {
        self.ask(path, HeaderMap::new(), Body::new(Message::new(request, None)), Limit::default()).await
    }

    /// Makes a call with one response, which is refused if it is over `limit`.
    ///
    /// # Errors
    /// As for [`unary`](Self::unary).
    pub(crate) async fn ask(
        &self,
        path: PathAndQuery,
        headers: HeaderMap,
        request: Body,
        limit: Limit,
    ) -> Result<Bytes, Status> {
        let response = self.send(path, headers, request).await?;
        let (head, body) = response.into_parts();
        let (message, trailers) = message::read(body, limit).await?;
        read_status(head.status, &trailers)?;
        message.ok_or_else(|| status::of_wire(Code::Internal, "expected a message, found none"))
    }

    /// Makes a call with any number of responses. It has begun when the peer says so, at the latest with its first. One that
    /// is over `limit` is refused.
    ///
    /// # Errors
    /// As for [`unary`](Self::unary).
    pub(crate) async fn open(
        &self,
        path: PathAndQuery,
        headers: HeaderMap,
        request: Body,
        limit: Limit,
    ) -> Result<Responses, Status> {
        let response = self.send(path, headers, request).await?;
        let (head, body) = response.into_parts();
        // An answer without a message may have its status in place of the head.
        let is_empty = Status::from_header_map(&head.headers).is_some();
        Ok(Responses { frames: Frames::new(body, limit), http: head.status, is_over: is_empty })
    }

    async fn send(
        &self,
        path: PathAndQuery,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Received>, Status> {
        let mut uri = self.origin.clone().into_parts();
        uri.path_and_query = Some(path);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| Status::internal(error.to_string()))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        request.headers_mut().insert(CONTENT_TYPE, GRPC);
        let response = self.wire.sender.send(request).await.map_err(broken)?;
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != tonic::Code::Ok => Err(status),
            _ => Ok(response),
        }
    }
}

/// The responses of a call, one after the other.
#[derive(Debug)]
pub(crate) struct Responses {
    frames: Frames<Received>,
    http: StatusCode,
    is_over: bool,
}

impl Responses {
    /// The next response, or `None` at the end.
    ///
    /// # Errors
    /// As for [`Connection::unary`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if self.is_over {
            return Ok(None);
        }
        if let Some(message) = self.frames.next().await? {
            return Ok(Some(message));
        }
        self.is_over = true;
        read_status(self.http, self.frames.trailers())?;
        Ok(None)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

fn read_status(http: StatusCode, trailers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(trailers) {
        Some(status) if status.code() == tonic::Code::Ok => Ok(()),
        Some(status) => Err(status),
        None => {
            Err(status::of_wire(Code::Unknown, format!("expected a gRPC status, found HTTP status {http}")))
        }
    }
}

fn broken(error: h2::Error) -> Status {
    Status::from_error(Box::new(error))
}

/// The connection as `tonic` wants it.
#[derive(Clone)]
pub(crate) struct Wire {
    sender: Sender,
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Received>;
    type Error = h2::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Received>, h2::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let sender = self.sender.clone();
        Box::pin(async move { sender.send(request).await })
    }
}

/// The kind of every message's body.
pub(crate) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
