//! Finds who answers a request: a method of the plugin first, else the wire's own services.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use jackfield_core::codec::has_field;
use jackfield_core::{CallError, CallOptions, Error, Messages, Method, Mode, Parcel, Part, Service};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service as _;

use super::named::{Answering, Named};
use crate::grpc::status::Refusal;
use crate::grpc::{Broker, Frames, GRPC, Limit, Message, MessageStream, headers, read_message, status};
use crate::objects::{hand_over, take_over};
use crate::saving::Savers;
use crate::tasks::block;

/// Everything that a plugin answers, by path.
#[derive(Debug)]
pub(crate) struct Dispatch {
    methods: HashMap<&'static str, Answerer>,
    savers: Savers,
    wire: Named,
    /// What the program brings of its own.
    routes: Option<Routes>,
}

impl Dispatch {
    /// Answers with `services`. Objects that the methods take and return are found through `broker`.
    pub(crate) fn new(services: Vec<Service>, broker: Broker) -> Self {
        let savers = Savers::of(&services);
        let methods = services.into_iter().flat_map(|service| {
            let broker = broker.clone();
            let methods = service.schema().methods.iter().enumerate();
            methods.map(move |(index, method)| {
                (method.path, Answerer { service: service.clone(), index, method, broker: broker.clone() })
            })
        });
        Self { methods: methods.collect(), savers, wire: Named::default(), routes: None }
    }

    /// Answers what they do not know with the wire's own services, and else with these.
    pub(crate) fn with(self, wire: Named, routes: Option<Routes>) -> Self {
        Self { wire, routes: routes.map(Routes::prepare), ..self }
    }

    /// Answers what is no method of the plugin.
    fn answer_else(&self, request: Request<Body>) -> Answering {
        if let Some(service) = self.wire.find(request.uri().path()) {
            return service.answer(request);
        }
        match &self.routes {
            Some(routes) => Box::pin(routes.clone().call(request)),
            None => Box::pin(ready(Ok(Status::unimplemented("").into_http()))),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match self.methods.get(request.uri().path()) {
            Some(answerer) => {
                let answerer = answerer.clone();
                Box::pin(async move {
                    let (head, body) = request.into_parts();
                    let answer = answerer.answer(body, headers::read(&head.headers)).await;
                    Ok(answer.map_or_else(Status::into_http, respond))
                })
            }
            None if self.savers.answers(request.uri().path()) => {
                let savers = self.savers.clone();
                Box::pin(async move {
                    let (head, body) = request.into_parts();
                    let answer = save(&savers, head.uri.path(), body).await;
                    Ok(answer.map_or_else(Status::into_http, respond))
                })
            }
            None => self.answer_else(request.map(Body::new)),
        }
    }
}

/// Answers a request for what the plugin holds, which may be as large as it likes.
async fn save(savers: &Savers, path: &str, body: Incoming) -> Result<Body, Status> {
    let (request, _) = read_message(body, Limit::default()).await?;
    let answer = savers.answer(path, request.unwrap_or_default()).await?;
    Ok(whole(answer))
}

/// One method of an object.
#[derive(Debug, Clone)]
struct Answerer {
    service: Service,
    index: usize,
    method: &'static Method,
    broker: Broker,
}

impl Answerer {
    async fn answer(self, body: Incoming, options: Option<CallOptions>) -> Result<Body, Status> {
        let request = self.read(body).await?;
        let Self { service, index, method, broker } = self;
        let answer = match method.mode {
            Mode::Async => service.call(index, request, options).await,
            Mode::Blocking => block(move || service.call_blocking(index, request, options.as_ref())).await,
        };
        let answer = hand_over(&broker, answer.map_err(status::write)?, method.result).await;
        let (message, messages) = answer.map_err(status::write)?;
        broker.limit().check(message.len()).map_err(|error| status::write(error.into()))?;
        Ok(match messages {
            Some(messages) => Body::new(MessageStream::answer(messages, broker.limit())),
            None => whole(message),
        })
    }

    /// Reads the arguments. Those that are no streams come in the first message; a stream that is the only one begins
    /// with it.
    async fn read(&self, body: Incoming) -> Result<Parcel, Status> {
        let arguments = self.method.arguments;
        let Some(field) = self.method.request_stream() else {
            let (message, _) = read_message(body, self.broker.limit()).await?;
            let message = message.ok_or_else(|| Status::internal("expected a message, found none"))?;
            return self.with_objects(message).await;
        };
        let mut frames = Frames::new(body, self.broker.limit());
        let mut parcel = match arguments {
            [_] => Parcel::default(),
            _ => self.with_objects(frames.next().await?.unwrap_or_default()).await?,
        };
        // Whoever puts the first item into the message of the arguments means one that is not its type's default.
        let first = has_field(&parcel.bytes, field.number).then(|| Ok(parcel.bytes.clone()));
        let rest = stream::unfold(Some(frames), async |frames| {
            let mut frames = frames?;
            match frames.next().await {
                Ok(message) => Some((Ok(message?), Some(frames))),
                Err(status) => Some((Err(broken(status)), None)),
            }
        });
        let messages = Messages::new(stream::iter(first).chain(rest));
        parcel.parts.push((field.number, Part::Stream(messages)));
        Ok(parcel)
    }

    async fn with_objects(&self, message: Bytes) -> Result<Parcel, Status> {
        let objects = take_over(&self.broker, &message, self.method.arguments).await;
        Ok(Parcel { parts: objects.map_err(status::write)?, bytes: message })
    }
}

fn broken(status: Status) -> Error {
    match status::read(status, "") {
        // This side refused what came.
        Refusal::Answered(error) => error,
        Refusal::Broken(words) => {
            let reason = format!("the caller broke its stream off: {words}");
            CallError::Closed { reason }.into()
        }
    }
}

/// An answer of one message.
fn whole(message: Bytes) -> Body {
    Body::new(Message::new(message, Some(HeaderMap::from_iter([(STATUS, OK)]))))
}

pub(super) fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");
