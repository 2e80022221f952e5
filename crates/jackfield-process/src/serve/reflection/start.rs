//! Answers what a host asks at each start, for which no descriptor has to be read: which services there are, and the file of
//! an interface.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest, ServerReflectionResponse,
    ServiceResponse,
};
use tower::Service;

use super::{Lazy, Served};
use crate::grpc::{Frames, Limit, framed};
use crate::serve::dispatch::respond;

/// The services of the wire, in the order of their descriptors.
const WIRE: [&str; 6] = [
    "plugin.GRPCBroker",
    "plugin.GRPCController",
    "plugin.GRPCStdio",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// The one method of reflection.
const METHOD: &str = "/ServerReflectionInfo";

/// One version of reflection: both have the same messages. What it cannot answer, and all that is asked behind it, is
/// answered by the complete service.
pub(super) struct AtStart<S> {
    served: Arc<Served>,
    complete: Lazy<S>,
}

impl<S> AtStart<S> {
    pub(super) fn new(served: Arc<Served>, complete: Lazy<S>) -> Self {
        Self { served, complete }
    }
}

impl<S> Clone for AtStart<S> {
    fn clone(&self) -> Self {
        Self { served: Arc::clone(&self.served), complete: self.complete.clone() }
    }
}

impl<S: NamedService> NamedService for AtStart<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for AtStart<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !request.uri().path().ends_with(METHOD) {
            let status = Status::unimplemented("expected `ServerReflectionInfo`, which is all of reflection");
            return std::future::ready(Ok(status.into_http()));
        }
        let (head, body) = request.into_parts();
        let asked = Asked { at_start: self.clone(), head, requests: Frames::new(body, Limit::default()) };
        let answers = stream::unfold(Answering::Asked(Box::new(asked)), Answering::next);
        std::future::ready(Ok(respond(Body::new(StreamBody::new(answers)))))
    }
}

/// What is left to be answered.
enum Answering<S> {
    Asked(Box<Asked<S>>),
    /// By the complete service.
    Completely(Body),
    Ends(Status),
    Over,
}

struct Asked<S> {
    at_start: AtStart<S>,
    head: Parts,
    requests: Frames<Body>,
}

impl<S> Answering<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Status>, Self)> {
        loop {
            self = match self {
                Self::Asked(mut asked) => match asked.requests.next().await {
                    Ok(Some(request)) => match asked.at_start.served.answer(&request) {
                        Some(answer) => return Some((Ok(Frame::data(framed(answer))), Self::Asked(asked))),
                        None => asked.complete(request).await,
                    },
                    Ok(None) => Self::Ends(Status::ok("")),
                    Err(status) => Self::Ends(status),
                },
                Self::Completely(mut body) => {
                    let frame = body.frame().await?;
                    return Some((frame, Self::Completely(body)));
                }
                Self::Ends(status) => {
                    let mut trailers = HeaderMap::new();
                    let added = status.add_header(&mut trailers);
                    return Some((added.map(|()| Frame::trailers(trailers)), Self::Over));
                }
                Self::Over => return None,
            };
        }
    }
}

impl<S> Asked<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    /// Hands over `request` and what comes behind it.
    async fn complete(self, request: Bytes) -> Answering<S> {
        let mut service = match self.at_start.complete.get() {
            Ok(service) => service,
            Err(error) => return Answering::Ends(Status::internal(error.to_string())),
        };
        let later = stream::unfold(self.requests, |mut requests| async move {
            let next = requests.next().await.transpose()?;
            Some((next.map(|request| Frame::data(framed(request))), requests))
        });
        let first = stream::iter([Ok(Frame::data(framed(request)))]);
        let body = Body::new(StreamBody::new(first.chain(later)));
        let Ok(response) = service.call(Request::from_parts(self.head, body)).await;
        match Status::from_header_map(response.headers()) {
            Some(status) => Answering::Ends(status),
            None => Answering::Completely(response.into_body()),
        }
    }
}

impl Served {
    /// The answer to a request, if that is one of those that are asked at a start.
    fn answer(&self, request: &Bytes) -> Option<Bytes> {
        if !self.sets.is_empty() {
            return None;
        }
        let request = ServerReflectionRequest::decode(request.clone()).ok()?;
        let answer = match request.message_request.as_ref()? {
            MessageRequest::ListServices(_) => {
                let names = self.interfaces.iter().map(|schema| schema.service).chain(WIRE);
                let service = names.map(|name| ServiceResponse { name: name.to_owned() }).collect();
                MessageResponse::ListServicesResponse(ListServiceResponse { service })
            }
            MessageRequest::FileContainingSymbol(symbol) => {
                let schema = self.interfaces.iter().find(|schema| schema.service == symbol)?;
                let file_descriptor_proto = vec![schema.to_file_descriptor()];
                MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
            }
            _ => return None,
        };
        let answer = ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        };
        Some(answer.encode_to_vec().into())
    }
}

#[cfg(test)]
mod tests {
    use jackfield_core::{Error, Interface as _, interface};

    use super::*;

    #[interface(service = "tests.One", version = "1.0")]
    trait One {
        async fn add(&self, left: i64, right: i64) -> Result<i64, Error>;
    }

    #[interface(service = "tests.Other", version = "1.0")]
    trait Other {
        async fn name(&self) -> Result<String, Error>;
    }

    fn served() -> Arc<Served> {
        let interfaces = vec![<dyn One>::SCHEMA, <dyn Other>::SCHEMA];
        Arc::new(Served { interfaces, sets: Vec::new(), descriptions: std::sync::OnceLock::new() })
    }

    fn lists() -> MessageRequest {
        MessageRequest::ListServices(String::new())
    }

    fn finds(symbol: &str) -> MessageRequest {
        MessageRequest::FileContainingSymbol(symbol.to_owned())
    }

    /// Asks one thing after the other in one stream. Gives the answers and what is behind them.
    async fn ask<S>(mut service: S, questions: &[MessageRequest]) -> (Vec<ServerReflectionResponse>, Status)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let requests: Vec<_> = questions
            .iter()
            .map(|question| {
                let (host, message_request) = ("here".to_owned(), Some(question.clone()));
                let request = ServerReflectionRequest { host, message_request }.encode_to_vec();
                Ok::<_, Infallible>(Frame::data(framed(request.into())))
            })
            .collect();
        let body = Body::new(StreamBody::new(stream::iter(requests)));
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let Ok(response) = service.call(Request::post(path).body(body).unwrap()).await;
        let mut frames = Frames::new(response.into_body(), Limit::default());
        let mut answers = Vec::new();
        while let Some(answer) = frames.next().await.unwrap() {
            answers.push(ServerReflectionResponse::decode(answer).unwrap());
        }
        (answers, Status::from_header_map(frames.trailers()).unwrap())
    }

    #[tokio::test]
    async fn its_answers_are_those_of_the_complete_service() {
        let file = || MessageRequest::FileByFilename("tests.One.proto".to_owned());
        let questions: [&[MessageRequest]; 9] = [
            &[],
            &[lists()],
            &[finds("tests.One")],
            &[finds("tests.Other"), lists(), finds("tests.One")],
            &[finds("tests.One.add"), lists()],
            &[lists(), file(), finds("tests.Other")],
            &[finds("nobody.Has"), lists()],
            &[lists(), finds("nobody.Has"), lists()],
            &[finds("plugin.GRPCBroker")],
        ];
        for asked in questions {
            let served = served();
            let builder = Arc::clone(&served);
            let complete = Lazy::new(move || builder.builder().build_v1());
            let (expected, last) = ask(complete.get().unwrap(), asked).await;
            let (found, end) = ask(AtStart::new(served, complete), asked).await;
            assert_eq!(found, expected, "{asked:?}");
            assert_eq!((end.code(), end.message()), (last.code(), last.message()), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn no_descriptor_is_read_for_what_a_host_asks_at_a_start() {
        let served = served();
        let builder = Arc::clone(&served);
        let complete = Lazy::new(move || builder.builder().build_v1());
        let at_start = AtStart::new(Arc::clone(&served), complete);
        assert_eq!(ask(at_start.clone(), &[finds("tests.One"), lists()]).await.0.len(), 2);
        assert!(served.descriptions.get().is_none());
        ask(at_start, &[finds("tests.One.add")]).await;
        assert!(served.descriptions.get().is_some());
    }
}
