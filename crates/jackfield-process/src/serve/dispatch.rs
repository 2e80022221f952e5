//! Finds who answers a request: a method of the plugin first, else the wire's own services.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use jackfield_core::{CallError, CallOptions, Error, Mode, Parcel, Service};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service as _;

use crate::grpc::{GRPC, Message, headers, read_message, status};

/// Everything that a plugin answers, by path.
#[derive(Debug)]
pub(crate) struct Dispatch {
    methods: HashMap<&'static str, Answerer>,
    routes: Routes,
}

impl Dispatch {
    /// Answers with `services`, and with `routes` what they do not know.
    pub(crate) fn new(services: Vec<Service>, routes: Routes) -> Self {
        let methods = services.into_iter().flat_map(|service| {
            let methods = service.schema().methods.iter().enumerate();
            methods.map(move |(index, method)| {
                (method.path, Answerer { service: service.clone(), index, mode: method.mode })
            })
        });
        Self { methods: methods.collect(), routes: routes.prepare() }
    }
}

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match self.methods.get(request.uri().path()) {
            Some(answerer) => {
                let answerer = answerer.clone();
                Box::pin(async move {
                    let (head, body) = request.into_parts();
                    Ok(match answerer.answer(body, headers::read(&head.headers)).await {
                        Ok(message) => respond(message),
                        Err(status) => status.into_http(),
                    })
                })
            }
            None => {
                let mut routes = self.routes.clone();
                Box::pin(async move { routes.call(request.map(Body::new)).await })
            }
        }
    }
}

/// One method of the plugin.
#[derive(Debug, Clone)]
struct Answerer {
    service: Service,
    index: usize,
    mode: Mode,
}

impl Answerer {
    async fn answer(self, body: Incoming, options: Option<CallOptions>) -> Result<Bytes, Status> {
        let (message, _) = read_message(body).await?;
        let request = message.ok_or_else(|| Status::internal("expected a message, found none"))?;
        let Self { service, index, mode } = self;
        let answer = match mode {
            Mode::Async => service.call(index, request.into(), options).await,
            Mode::Blocking => {
                block(move || service.call_blocking(index, request.into(), options.as_ref())).await
            }
        };
        answer.map(|parcel| parcel.bytes).map_err(status::write)
    }
}

fn respond(message: Bytes) -> Response<Body> {
    let trailers = HeaderMap::from_iter([(STATUS, OK)]);
    let mut response = Response::new(Body::new(Message::new(message, Some(trailers))));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// A method that blocks must not stop the thread on which all the others are answered.
async fn block(call: impl FnOnce() -> Result<Parcel, Error> + Send + 'static) -> Result<Parcel, Error> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer,
        Err(error) => Err(CallError::Panicked { message: error.to_string() }.into()),
    }
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");
