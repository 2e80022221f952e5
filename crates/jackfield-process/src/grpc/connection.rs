//! One HTTP/2 connection, on which any thread and any executor may make calls.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::message::{self, Message};

/// A connection; clones share it. Its work is done by its driver, wherever that runs.
#[derive(Clone)]
pub(crate) struct Connection {
    wire: Wire,
    origin: Uri,
}

impl Connection {
    pub(super) fn new(sender: SendRequest<Body>, origin: Uri) -> Self {
        Self { wire: Wire { sender }, origin }
    }

    /// Whether calls can no longer be made.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.sender.is_closed()
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
        self.answer(self.request(path, request)?).await
    }

    /// The same, with further headers.
    ///
    /// # Errors
    /// As for [`unary`](Self::unary).
    pub(crate) async fn unary_with(
        &self,
        path: PathAndQuery,
        request: Bytes,
        headers: HeaderMap,
    ) -> Result<Bytes, Status> {
        let mut request = self.request(path, request)?;
        request.headers_mut().extend(headers);
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Body>) -> Result<Bytes, Status> {
        let response = self.wire.sender.clone().send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        // An answer without a message may have its status in place of the head.
        if let Some(status) = Status::from_header_map(&head.headers)
            && status.code() != tonic::Code::Ok
        {
            return Err(status);
        }
        let (message, trailers) = message::read(body).await?;
        read_status(head.status, &trailers)?;
        message.ok_or_else(|| Status::internal("expected a message, found none"))
    }

    fn request(&self, path: PathAndQuery, message: Bytes) -> Result<Request<Body>, Status> {
        let mut uri = self.origin.clone().into_parts();
        uri.path_and_query = Some(path);
        let mut request = Request::new(Body::new(Message::new(message, None)));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| Status::internal(error.to_string()))?;
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        request.headers_mut().insert(CONTENT_TYPE, GRPC);
        Ok(request)
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
        None => Err(Status::unknown(format!("expected a gRPC status, found HTTP status {http}"))),
    }
}

fn broken(error: hyper::Error) -> Status {
    Status::from_error(Box::new(error))
}

/// The connection as `tonic` wants it.
#[derive(Clone)]
pub(crate) struct Wire {
    sender: SendRequest<Body>,
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// The kind of every message's body.
pub(crate) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
