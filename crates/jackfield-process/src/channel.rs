//! The host's end of the wire to one plugin, callable from every thread and executor.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jackfield_core::{BoxFuture, CallError, CallOptions, Channel, Error, Method, Parcel};
use tokio::time::timeout;

use crate::backend::Shared;
use crate::grpc::{Ask, Caller};
use crate::lanes::Lanes;
use crate::saving::ANSWER;
use crate::start::Started;
use crate::{liveness, saving};

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
        let (link, options) = (Arc::clone(&self.link), options.cloned());
        Box::pin(async move {
            let ask = Ask { method, request, options };
            // A runtime of the caller's may have no clock for a deadline.
            let is_timed = ask.options.as_ref().is_some_and(|options| options.remaining().is_some());
            if let Some(lanes) = &link.lanes
                && !is_timed
                && let Some(connection) = lanes.here(&link.started).await
            {
                return Caller::new(connection, link.started.broker.clone()).ask(ask).await;
            }
            let caller = link.caller();
            // The link is held until the call has ended.
            let asking = link.started.pump.ask(async move { caller.ask(ask).await });
            asking.await.unwrap_or_else(|error| Err(error.into()))
        })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let (caller, options) = (self.link.caller(), options.cloned());
        let asking = async move { caller.ask(Ask { method, request, options }).await };
        self.link.started.pump.ask_blocking(asking).unwrap_or_else(|error| Err(error.into()))
    }

    fn may_block(&self) -> bool {
        !self.link.started.pump.is_at_work()
    }

    /// Asks, since nobody needs to know before: it would make each start longer.
    fn saves(&self, interface: &'static str) -> BoxFuture<'static, Result<bool, Error>> {
        let patience = CallOptions::default().deadline(Instant::now() + ANSWER);
        let asking = self.call(&saving::LIST, Parcel::default(), Some(&patience));
        let link = Arc::clone(&self.link);
        Box::pin(async move {
            let answer = asking.await.map(|list| saving::is_listed(&list.bytes, interface));
            saving::conclude(answer, interface, link.is_alive()).await
        })
    }

    fn save(&self, interface: &'static str) -> BoxFuture<'static, Result<Bytes, Error>> {
        let unlimited = CallOptions::default().max_message(usize::MAX);
        let asking = self.call(&saving::SAVE, saving::ask(interface).into(), Some(&unlimited));
        Box::pin(async move {
            let answer = saving::read(asking.await?.bytes);
            answer.map_err(|error| CallError::Wire { reason: error.to_string() }.into())
        })
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
    /// Calls over the connection of the I/O thread.
    fn caller(&self) -> Caller {
        Caller::new(self.started.connection.clone(), self.started.broker.clone())
    }

    /// Whether the plugin answers anything at all.
    async fn is_alive(&self) -> bool {
        let connection = self.started.connection.clone();
        let asking = self.started.pump.ask(async move { timeout(ANSWER, liveness::ask(connection)).await });
        matches!(asking.await, Ok(Ok(())))
    }

    /// Removes the socket of a plugin that was killed and could not do it itself.
    pub(crate) fn remove_socket(&self) {
        self.shared.remove_socket(&self.started.target.address);
    }
}
