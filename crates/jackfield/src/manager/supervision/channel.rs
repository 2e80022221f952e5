//! A channel whose calls are supervised.

use std::sync::Arc;

use jackfield_core::{BoxFuture, CallOptions, Channel, Error, Method, Parcel};
use tracing::{Instrument as _, Span};

use super::call::Call;
use super::supervisor::Tenure;
use crate::blocking;

/// A channel whose calls are supervised. Those of objects that go over it are not.
#[derive(Debug)]
pub(super) struct SupervisedChannel {
    channel: Arc<dyn Channel>,
    tenure: Arc<Tenure>,
}

impl SupervisedChannel {
    pub(super) fn new(channel: Arc<dyn Channel>, tenure: Arc<Tenure>) -> Self {
        Self { channel, tenure }
    }

    /// Where nobody listens it costs one look at a flag.
    fn span(&self, method: &Method) -> Span {
        tracing::debug_span!("call", plugin = &*self.tenure.plugin, method = method.path)
    }
}

impl Channel for SupervisedChannel {
    /// One more box than the channel's own is little beside what a call to another process takes: some 20 ns of
    /// tens of microseconds.
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let channel = self.channel.clone();
        let mut call = Call::new(&self.tenure, method, options.cloned());
        let asking = async move {
            let flight = call.begin().await?;
            let result = channel.call(method, request, call.options()).await;
            call.end(flight, result)
        };
        Box::pin(asking.instrument(self.span(method)))
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        if !self.channel.may_block() {
            // It must not wait here, and says so itself.
            return self.channel.call_blocking(method, request, options);
        }
        let _span = self.span(method).entered();
        let mut call = Call::new(&self.tenure, method, options.cloned());
        let flight = blocking::wait(call.begin())?;
        let result = self.channel.call_blocking(method, request, call.options());
        call.end(flight, result)
    }

    fn lacks(&self, method: &'static Method) -> bool {
        self.channel.lacks(method)
    }

    fn may_block(&self) -> bool {
        self.channel.may_block()
    }
}
