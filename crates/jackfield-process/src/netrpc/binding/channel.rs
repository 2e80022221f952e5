//! The host's end of an interface over net/rpc.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gobwire::Dynamic;
use jackfield_core::{
    BoxFuture, CallError, CallOptions, Channel, Description, Error, Failure, Method, Parcel,
};
use tokio::time::timeout;

use super::check::{Unfit, typed};
use super::fit::response;
use super::loose::Loose;
use super::objects::Exchange;
use super::outgoing::{Arguments, Outgoing};
use super::saving::{SAVE, SAVES, read_saved, read_saves};
use crate::fate::Fate;
use crate::io::Unreachable;
use crate::netrpc::{Bound, Client, Codec, FromBody, Gobs, Refusal, RpcError, ToBody};
use crate::objects::{hand_over, take_over};
use crate::saving::{ANSWER, conclude};
use crate::tasks::Tasks;

/// Calls the methods of one service; clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct RpcChannel<C: Codec> {
    inner: Arc<Inner<C>>,
}

/// What a channel has to know of its other end.
#[derive(Debug)]
pub(crate) struct Line {
    /// The interface that is called.
    pub(crate) interface: Description,
    /// The name of the service there.
    pub(crate) service: String,
    /// How the methods take their arguments that do not take them as usual.
    pub(crate) arguments: HashMap<String, Arguments>,
    /// Where the connection lives.
    pub(crate) home: Tasks,
    /// Whose clock is that of deadlines, which come even if nobody drives the connection.
    pub(crate) clock: Tasks,
    /// By what a connection that breaks is explained.
    pub(crate) fate: Fate,
    /// How objects cross.
    pub(crate) objects: Exchange,
    /// How it is asked whether the plugin is alive.
    pub(crate) pulse: Pulse,
    /// Whether the plugin is asked to save. Not everybody bears a question that he does not know.
    pub(crate) is_asked_to_save: bool,
    /// How long its answers may be, save for what it has saved.
    pub(crate) bound: Bound,
}

/// How it is asked whether a plugin is alive, by what no method of its own keeps from being answered.
#[derive(Debug, Clone)]
pub(crate) enum Pulse {
    /// Over a connection beside, on which go-plugin answers.
    Beside(Client<Gobs>),
    /// Not at all.
    None,
}

impl Pulse {
    /// Asks, and ends with the answer. Each call has a goroutine of its own in Go, so that a busy plugin answers too.
    pub(crate) async fn feel(&self) {
        match self {
            // An error is a sign of life too.
            Self::Beside(control) => drop(control.call::<Dynamic>("Control.Ping", &true).await),
            Self::None => {}
        }
    }
}

#[derive(Debug)]
struct Inner<C: Codec> {
    client: Client<C>,
    line: Line,
}

impl<C: Codec> RpcChannel<C> {
    /// Calls the methods of a service.
    pub(crate) fn new(client: Client<C>, line: Line) -> Self {
        Self { inner: Arc::new(Inner { client, line }) }
    }
}

impl<C: Codec> Channel for RpcChannel<C>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let inner = Arc::clone(&self.inner);
        match options.and_then(CallOptions::remaining) {
            None => Box::pin(async move { inner.ask(method, request).await }),
            Some(left) => Box::pin(async move {
                let ask = Arc::clone(&inner).ask_within(method, request, left);
                inner.line.clock.start(ask).await.unwrap_or_else(|error| Err(closed(error.to_string())))
            }),
        }
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let inner = Arc::clone(&self.inner);
        let left = options.and_then(CallOptions::remaining);
        let answer = async move {
            match left {
                None => inner.ask(method, request).await,
                Some(left) => inner.ask_within(method, request, left).await,
            }
        };
        if !self.may_block() {
            return Err(Unreachable.into());
        }
        self.inner.line.clock.block_on(answer).unwrap_or_else(|error| Err(closed(error.to_string())))
    }

    fn may_block(&self) -> bool {
        !self.inner.line.home.is_at_work() && !self.inner.line.clock.is_at_work()
    }

    /// There is one object at the other end, whatever its interface is called.
    fn saves(&self, interface: &'static str) -> BoxFuture<'static, Result<bool, Error>> {
        let inner = Arc::clone(&self.inner);
        if !inner.line.is_asked_to_save {
            return Box::pin(async { Ok(false) });
        }
        Box::pin(async move {
            let asking = Arc::clone(&inner);
            let asked = inner.line.clock.start(async move {
                let answer = Arc::clone(&asking).ask_within(&SAVES, Parcel::default(), ANSWER).await;
                let answer = answer.and_then(|answer| Ok(read_saves(&answer.bytes).map_err(garbled)?));
                let is_alive = async { timeout(ANSWER, asking.line.pulse.feel()).await.is_ok() };
                conclude(answer, interface, is_alive).await
            });
            asked.await.unwrap_or_else(|error| Err(closed(error.to_string())))
        })
    }

    fn save(&self, _interface: &'static str) -> BoxFuture<'static, Result<Bytes, Error>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let _unbounded = inner.line.bound.lift();
            let answer = inner.ask(&SAVE, Parcel::default()).await?;
            Ok(read_saved(answer.bytes).map_err(garbled)?)
        })
    }
}

impl<C: Codec> Inner<C>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    /// As [`ask`](Self::ask), on a runtime with a clock. The plugin does not hear of the deadline.
    async fn ask_within(
        self: Arc<Self>,
        method: &'static Method,
        request: Parcel,
        left: Duration,
    ) -> Result<Parcel, Error> {
        let late = || CallError::DeadlineExceeded { method: method.path.to_owned() };
        timeout(left, self.ask(method, request)).await.unwrap_or_else(|_| Err(late().into()))
    }

    async fn ask(&self, method: &'static Method, request: Parcel) -> Result<Parcel, Error> {
        let Line { interface, service, arguments, objects, .. } = &self.line;
        let typed = typed(*interface, method, objects.carrier());
        let method = typed.map_err(|unfit| lacking(method, &unfit))?;
        let (bytes, _) = hand_over(objects, request, method.arguments).await?;
        let arguments = arguments.get(method.name).copied().unwrap_or_default();
        let request = Outgoing::request(method, &bytes, arguments).map_err(CallError::from)?;
        match self.client.call::<Loose>(&format!("{service}.{}", method.name), &request).await {
            Ok(result) => {
                let bytes = response(method, result).map_err(|reason| malformed(method, reason))?;
                let parts = take_over(objects, &bytes, method.result).await?;
                Ok(Parcel { bytes, parts })
            }
            Err(error) => Err(self.explain(method, error).await),
        }
    }

    async fn explain(&self, method: &'static Method, error: RpcError) -> Error {
        match error {
            RpcError::Refused(refusal) => refused(method, refusal),
            RpcError::Argument { source, .. } => malformed(method, source.to_string()),
            RpcError::Result { source, .. } => malformed(method, source.to_string()),
            RpcError::Protocol(source) => CallError::Wire { reason: source.to_string() }.into(),
            other => self.line.fate.why(other.to_string()).await.into(),
        }
    }
}

fn refused(method: &'static Method, refusal: Refusal) -> Error {
    if is_unknown(refusal.words()) {
        return CallError::Unimplemented { method: method.path.to_owned() }.into();
    }
    if !refusal.panic.is_empty() {
        return CallError::Panicked { message: refusal.panic }.into();
    }
    let failure = Some(&refusal.failure).filter(|failure| !failure.is_empty());
    let failure = failure.and_then(|failure| Failure::decode(failure).ok());
    Error::Plugin(failure.unwrap_or_else(|| Failure::new(refusal.words())))
}

/// A method with a default is one that a plugin may lack: its default runs.
fn lacking(method: &'static Method, unfit: &Unfit) -> CallError {
    match method.is_optional {
        true => CallError::Unimplemented { method: method.path.to_owned() },
        false => CallError::Wire { reason: unfit.to_string() },
    }
}

/// Go's words for a method that is not there.
fn is_unknown(words: &str) -> bool {
    words.starts_with("rpc: can't find method ") || words.starts_with("rpc: can't find service ")
}

fn garbled(error: prost::DecodeError) -> CallError {
    CallError::Wire { reason: error.to_string() }
}

fn closed(reason: String) -> Error {
    CallError::Closed { reason }.into()
}

fn malformed(method: &'static Method, reason: String) -> Error {
    CallError::Malformed { reason: format!("{}: {reason}", method.path) }.into()
}
