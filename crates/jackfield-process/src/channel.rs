//! The host's end of the wire to one plugin, callable from every thread and executor.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use jackfield_core::{BoxFuture, CallError, CallOptions, Channel, Error, Method, Parcel};
use tokio::time::timeout;
use tonic::Status;

use crate::backend::Shared;
use crate::child::Death;
use crate::grpc::status::{self, Refusal};
use crate::grpc::{Connection, headers};
use crate::lanes::Lanes;
use crate::start::{EXIT, End, GRACE, Started};

/// Calls a plugin; clones of the link share its process.
#[derive(Debug)]
pub(crate) struct ProcessChannel {
    link: Arc<Link>,
}

impl ProcessChannel {
    /// Calls through `link`.
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

impl Channel for ProcessChannel {
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let link = Arc::clone(&self.link);
        let ask = match Ask::new(method, request, options) {
            Ok(ask) => ask,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        Box::pin(async move {
            if let Some(lanes) = &link.lanes
                && let Some(connection) = lanes.here(&link.started).await
            {
                return link.ask_here(&connection, ask).await;
            }
            link.on_io(Arc::clone(&link).ask(ask)).await
        })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let answer = Arc::clone(&self.link).ask(Ask::new(method, request, options)?);
        self.link.shared.io.block_on(answer).unwrap_or_else(|error| Err(closed(&error)))
    }
}

/// A call that is to be made.
#[derive(Debug)]
struct Ask {
    method: &'static Method,
    request: Bytes,
    options: Option<CallOptions>,
}

impl Ask {
    fn new(method: &'static Method, request: Parcel, options: Option<&CallOptions>) -> Result<Self, Error> {
        if let Some((number, _)) = request.parts.first() {
            let path = method.path;
            let reason =
                format!("argument {number} of `{path}` is a stream or an object, which cannot cross here");
            return Err(CallError::Wire { reason }.into());
        }
        Ok(Self { method, request: request.bytes, options: options.cloned() })
    }

    /// Makes the call; must run on a runtime with a clock if it has a deadline.
    async fn on(self, connection: &Connection) -> Result<Bytes, Status> {
        let path = PathAndQuery::from_static(self.method.path);
        let Some(options) = self.options else { return connection.unary(path, self.request).await };
        let call = connection.unary_with(path, self.request, headers::write(&options)?);
        match options.remaining() {
            None => call.await,
            Some(left) => timeout(left, call)
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("the deadline came before the answer"))),
        }
    }
}

/// A plugin that was started, with the backend that keeps it running.
#[derive(Debug)]
pub(crate) struct Link {
    /// The plugin.
    pub(crate) started: Started,
    /// What it shares with the others.
    pub(crate) shared: Arc<Shared>,
    /// Connections on the callers' runtimes, if the host wants them.
    pub(crate) lanes: Option<Lanes>,
}

impl Link {
    /// Makes a call on the connection of the I/O thread; must run there, for its clock.
    async fn ask(self: Arc<Self>, ask: Ask) -> Result<Parcel, Error> {
        let path = ask.method.path;
        match ask.on(&self.started.connection).await {
            Ok(response) => Ok(response.into()),
            Err(status) => Err(match status::read(status, path) {
                Refusal::Answered(error) => error,
                Refusal::Broken(words) => self.explain(words).await,
            }),
        }
    }

    /// Makes a call on a connection of the caller's own runtime.
    async fn ask_here(self: &Arc<Self>, connection: &Connection, ask: Ask) -> Result<Parcel, Error> {
        let path = ask.method.path;
        match ask.on(connection).await {
            Ok(response) => Ok(response.into()),
            Err(status) => Err(match status::read(status, path) {
                Refusal::Answered(error) => error,
                Refusal::Broken(words) => {
                    let link = Arc::clone(self);
                    let explained = self.on_io(async move { Ok(link.explain(words).await) }).await;
                    explained.unwrap_or_else(|error| error)
                }
            }),
        }
    }

    /// Does work on the I/O thread; any executor may wait for it.
    async fn on_io<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared.io.start_task(work).await.unwrap_or_else(|error| Err(closed(&error)))
    }

    /// Says, by what became of the process, why a connection broke. Must run on the I/O thread, for its clock.
    async fn explain(&self, words: String) -> Error {
        self.why(words).await.into()
    }

    /// As [`explain`](Self::explain), for those who know that the plugin itself said nothing.
    pub(crate) async fn why(&self, words: String) -> CallError {
        let mut end = self.started.end.clone();
        match timeout(EXIT + GRACE, end.wait_for(Option::is_some)).await {
            Ok(Ok(end)) => describe(end.as_ref()),
            Ok(Err(_)) => describe(None),
            Err(_) => CallError::Wire { reason: words },
        }
    }

    /// Removes the socket of a plugin that was killed and could not do it itself.
    pub(crate) fn remove_socket(&self) {
        let Some(socket) = self.started.target.address.file() else { return };
        if fs::symlink_metadata(socket).is_ok_and(|file| file.file_type().is_socket()) {
            // The plugin may just have removed it.
            let _removed = fs::remove_file(socket);
        }
        self.shared.guard.forget(socket);
    }
}

/// What is said of a plugin that can no longer be called.
pub(crate) fn describe(end: Option<&End>) -> CallError {
    match end {
        Some(End::Died(death)) => exited(death),
        Some(End::Disconnected) => {
            CallError::Closed { reason: "the plugin closed the connection".to_owned() }
        }
        None => CallError::Closed { reason: "the plugin was unloaded".to_owned() },
    }
}

fn exited(death: &Death) -> CallError {
    let words = death.crash.clone().unwrap_or_else(|| death.stderr_tail.trim_end().to_owned());
    CallError::Exited { status: death.status_text(), words }
}

fn closed(error: &dyn std::error::Error) -> Error {
    CallError::Closed { reason: error.to_string() }.into()
}
