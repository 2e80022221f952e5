//! A channel whose calls are supervised.

use std::sync::Arc;

use jackfield_core::{BoxFuture, Bytes, CallError, CallOptions, Channel, Error, Method, Parcel, Timer};
use tracing::{Instrument as _, Span};

use super::call::Call;
use super::supervisor::Tenure;
use crate::blocking;
use crate::watch::{First, first, sleep_until};

/// A channel whose calls are supervised. Those of objects that go over it are not.
#[derive(Debug)]
pub(super) struct SupervisedChannel {
    channel: Arc<dyn Channel>,
    tenure: Arc<Tenure>,
    /// Ends calls at their deadline, where the channel does not.
    timer: Option<Arc<dyn Timer>>,
}

impl SupervisedChannel {
    pub(super) fn new(channel: Arc<dyn Channel>, tenure: Arc<Tenure>) -> Self {
        Self { channel, tenure, timer: None }
    }

    /// Lets this timer end calls at their deadline.
    pub(super) fn timed_by(self, timer: Arc<dyn Timer>) -> Self {
        Self { timer: Some(timer), ..self }
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
        let (channel, timer) = (self.channel.clone(), self.timer.clone());
        let mut call = Call::new(&self.tenure, method, options.cloned());
        let asking = async move {
            let flight = call.begin().await?;
            let asked = channel.call(method, request, call.options());
            let result = match timer {
                None => asked.await,
                Some(timer) => match first(asked, sleep_until(&*timer, call.deadline())).await {
                    First::Left(result) => result,
                    First::Right(()) => {
                        Err(CallError::DeadlineExceeded { method: method.path.to_owned() }.into())
                    }
                },
            };
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

    /// No call of the host's: it is neither counted nor limited, and so is the next.
    fn saves(&self, interface: &'static str) -> BoxFuture<'static, Result<bool, Error>> {
        self.channel.saves(interface)
    }

    fn save(&self, interface: &'static str) -> BoxFuture<'static, Result<Bytes, Error>> {
        self.channel.save(interface)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::future::ready;
    use std::sync::{Mutex, PoisonError};

    use jackfield_core::Mode;
    use tracing::field::Field;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    static METHOD: Method = Method {
        name: "Get",
        path: "/proto.KV/Get",
        mode: Mode::Async,
        arguments: &[],
        result: &[],
        is_optional: false,
    };

    /// Answers everything with nothing.
    #[derive(Debug)]
    struct Empty;

    impl Channel for Empty {
        fn call(
            &self,
            _: &'static Method,
            _: Parcel,
            _: Option<&CallOptions>,
        ) -> BoxFuture<'static, Result<Parcel, Error>> {
            Box::pin(ready(Ok(Parcel::default())))
        }

        fn call_blocking(
            &self,
            _: &'static Method,
            _: Parcel,
            _: Option<&CallOptions>,
        ) -> Result<Parcel, Error> {
            Ok(Parcel::default())
        }
    }

    /// Keeps the spans of calls.
    #[derive(Clone, Default)]
    struct Spans(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Spans {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            let mut text = span.metadata().name().to_owned();
            span.record(&mut |field: &Field, value: &dyn Debug| text += &format!(" {field}={value:?}"));
            let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            spans.push(text);
            Id::from_u64(spans.len() as u64)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn each_call_has_a_span_where_somebody_listens() {
        let channel = SupervisedChannel::new(Arc::new(Empty), Tenure::for_test("kv"));
        let call = || {
            assert!(channel.call_blocking(&METHOD, Parcel::default(), None).is_ok());
            assert!(blocking::wait(channel.call(&METHOD, Parcel::default(), None)).is_ok());
        };
        let spans = Spans::default();
        tracing::subscriber::with_default(spans.clone(), call);
        call();
        let spans = spans.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*spans, ["call plugin=\"kv\" method=\"/proto.KV/Get\""; 2]);
    }
}
