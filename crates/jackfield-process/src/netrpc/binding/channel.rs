//! The host's end of an interface over net/rpc.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{BoxFuture, CallError, CallOptions, Channel, Error, Failure, Method, Parcel};
use tokio::time::timeout;

use super::fit::response;
use super::loose::Loose;
use super::outgoing::{Arguments, Outgoing};
use crate::backend::Shared;
use crate::fate::Fate;
use crate::netrpc::{Client, Codec, FromBody, RpcError, ToBody};

/// Calls the methods of one service; clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct RpcChannel<C: Codec> {
    inner: Arc<Inner<C>>,
}

#[derive(Debug)]
struct Inner<C: Codec> {
    client: Client<C>,
    service: String,
    /// How the methods take their arguments that do not take them as usual.
    arguments: HashMap<String, Arguments>,
    fate: Fate,
    shared: Arc<Shared>,
}

impl<C: Codec> RpcChannel<C> {
    /// Calls the methods of `service`. Of a connection that breaks, `fate` says why.
    pub(crate) fn new(
        client: Client<C>,
        service: String,
        arguments: HashMap<String, Arguments>,
        fate: Fate,
        shared: Arc<Shared>,
    ) -> Self {
        Self { inner: Arc::new(Inner { client, service, arguments, fate, shared }) }
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
                inner.shared.io.start_task(ask).await.unwrap_or_else(|error| Err(closed(error.to_string())))
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
        self.inner.shared.io.block_on(answer).unwrap_or_else(|error| Err(closed(error.to_string())))
    }
}

impl<C: Codec> Inner<C>
where
    Outgoing: ToBody<C>,
    Loose: FromBody<C>,
{
    /// As [`ask`](Self::ask), on the I/O thread and its clock. The plugin does not hear of the deadline.
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
        let arguments = self.arguments.get(method.name).copied().unwrap_or_default();
        let request = Outgoing::request(method, &request.bytes, arguments).map_err(CallError::from)?;
        let name = format!("{}.{}", self.service, method.name);
        match self.client.call::<Loose>(&name, &request).await {
            Ok(result) => {
                response(method, result).map(Parcel::from).map_err(|reason| malformed(method, reason))
            }
            Err(error) => Err(self.explain(method, error).await),
        }
    }

    async fn explain(&self, method: &'static Method, error: RpcError) -> Error {
        match error {
            RpcError::Refused(words) if is_unknown(&words) => {
                CallError::Unimplemented { method: method.path.to_owned() }.into()
            }
            RpcError::Refused(words) => Error::Plugin(Failure::new(words)),
            RpcError::Argument { source, .. } => malformed(method, source.to_string()),
            RpcError::Result { source, .. } => malformed(method, source.to_string()),
            RpcError::Protocol(source) => CallError::Wire { reason: source.to_string() }.into(),
            other => self.fate.why(other.to_string()).await.into(),
        }
    }
}

/// Go's words for a method that is not there.
fn is_unknown(words: &str) -> bool {
    words.starts_with("rpc: can't find method ") || words.starts_with("rpc: can't find service ")
}

fn closed(reason: String) -> Error {
    CallError::Closed { reason }.into()
}

fn malformed(method: &'static Method, reason: String) -> Error {
    CallError::Malformed { reason: format!("{}: {reason}", method.path) }.into()
}
