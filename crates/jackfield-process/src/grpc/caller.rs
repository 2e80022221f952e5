//! Makes the calls of an interface over a connection, with the streams and objects that belong to them.

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::uri::PathAndQuery;
use jackfield_core::{BoxFuture, CallError, CallOptions, Channel, Error, Messages, Method, Parcel, Part};
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

use super::connection::{Connection, Responses};
use super::message::{Message, MessageStream, Sending};
use super::status::{self, Refusal};
use super::{Broker, headers};
use crate::objects::{hand_over, take_over};

/// The caller's end of a connection, on which it lives; clones share it. The connection ends with the last of them and
/// the streams that came over it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    connection: Connection,
    /// Of the two sides.
    broker: Broker,
}

/// A call that is to be made.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What is called.
    pub(crate) method: &'static Method,
    /// With what.
    pub(crate) request: Parcel,
    /// How.
    pub(crate) options: Option<CallOptions>,
}

impl Caller {
    pub(crate) fn new(connection: Connection, broker: Broker) -> Self {
        Self { connection, broker }
    }

    /// Makes a call; must run on a runtime with a clock if it has a deadline.
    ///
    /// # Errors
    /// What the other side said, or that no answer came.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Parcel, Error> {
        let method = ask.method;
        match ask.options.as_ref().and_then(CallOptions::remaining) {
            None => self.exchange(ask).await,
            Some(left) => timeout(left, self.exchange(ask)).await.unwrap_or_else(|_| {
                Err(CallError::DeadlineExceeded { method: method.path.to_owned() }.into())
            }),
        }
    }

    async fn exchange(&self, Ask { method, request, options }: Ask) -> Result<Parcel, Error> {
        let path = PathAndQuery::from_static(method.path);
        let headers = match &options {
            Some(options) => headers::write(options).map_err(refused(method))?,
            None => HeaderMap::new(),
        };
        let limit = self.broker.limit().of_call(options.as_ref());
        // Before anything is served for it, and once more with the numbers of what is.
        limit.check(request.bytes.len())?;
        let (message, stream) = hand_over(&self.broker, request, method.arguments).await?;
        limit.check(message.len())?;
        let (body, mut sending) = match stream {
            None => (Body::new(Message::new(message, None)), None),
            Some(messages) => {
                let first = (method.arguments.len() > 1).then_some(message);
                let (body, sending) = MessageStream::request(first, messages, limit);
                (Body::new(body), Some(sending))
            }
        };
        let answer = match method.response_stream() {
            Some(field) => self.connection.open(path, headers, body, limit).await.map(|responses| {
                let messages = Part::Stream(self.messages(responses, sending.take(), method));
                Parcel { bytes: Bytes::new(), parts: vec![(field.number, messages)] }
            }),
            None => self.connection.ask(path, headers, body, limit).await.map(Parcel::from),
        };
        match answer {
            Ok(mut parcel) => {
                parcel.parts.extend(take_over(&self.broker, &parcel.bytes, method.result).await?);
                Ok(parcel)
            }
            // If the caller's own stream failed, the other side cannot know why.
            Err(status) => Err(match sending.as_mut().and_then(Sending::error) {
                Some(error) => error,
                None => self.explain(status, method).await,
            }),
        }
    }

    /// Says what the status means with which a call ended.
    async fn explain(&self, status: Status, method: &Method) -> Error {
        let words = match status::read(status, method.path) {
            Refusal::Answered(error) => return error,
            Refusal::Broken(words) => words,
        };
        match self.broker.fate().known().await {
            Some(error) => error.into(),
            // It may be a connection beside the plugin's first.
            None => {
                CallError::Wire { reason: self.connection.breach().get().cloned().unwrap_or(words) }.into()
            }
        }
    }

    /// The responses of a call. Any executor may ask for them.
    fn messages(&self, responses: Responses, sending: Option<Sending>, method: &'static Method) -> Messages {
        let answer = Answer { responses: Some(responses), sending, caller: self.clone(), method };
        Messages::new(stream::unfold(answer, async |mut answer| Some((answer.next().await?, answer))))
    }
}

/// What comes of a call whose result is a stream.
struct Answer {
    /// `None` once they ended.
    responses: Option<Responses>,
    /// The caller's own stream, with whose end that of the answer comes.
    sending: Option<Sending>,
    /// Keeps the connection.
    caller: Caller,
    method: &'static Method,
}

impl Answer {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let error = match self.responses.as_mut()?.next().await {
            Ok(Some(message)) => return Some(Ok(message)),
            Ok(None) => None,
            Err(status) => match self.sending.as_mut().and_then(Sending::error) {
                Some(error) => Some(error),
                None => Some(self.caller.explain(status, self.method).await),
            },
        };
        self.responses = None;
        error.map(Err)
    }
}

impl Drop for Answer {
    /// HTTP/2 gives a call up when both of its directions are let go. The caller's own does not notice as long as the
    /// other side reads nothing, which it may not do before somebody reads what it writes.
    fn drop(&mut self) {
        let (Some(mut responses), Some(sending)) = (self.responses.take(), self.sending.take()) else {
            return;
        };
        let caller = self.caller.clone();
        self.caller.broker.tasks().keep(async move {
            drop(sending);
            while let Ok(Some(_)) = responses.next().await {}
            drop(caller);
        });
    }
}

/// Says what the status means with which this side refuses to make a call.
fn refused(method: &Method) -> impl Fn(Status) -> Error {
    |status| match status::read(status, method.path) {
        Refusal::Answered(error) => error,
        Refusal::Broken(reason) => CallError::Wire { reason }.into(),
    }
}

/// Any executor may wait for a call.
impl Channel for Caller {
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let (caller, options) = (self.clone(), options.cloned());
        Box::pin(async move {
            let tasks = caller.broker.tasks().clone();
            let asking = tasks.start(async move { caller.ask(Ask { method, request, options }).await });
            asking.await.unwrap_or_else(|error| Err(error.into()))
        })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let (caller, options) = (self.clone(), options.cloned());
        let asking = async move { caller.ask(Ask { method, request, options }).await };
        self.broker.tasks().block_on(asking).unwrap_or_else(|error| Err(error.into()))
    }
}
