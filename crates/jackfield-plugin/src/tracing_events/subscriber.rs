//! The subscriber of a library's own `tracing`.

use jackfield_core::__private::{send_log, wants_log};
use jackfield_core::log::{Level, Record, Span};
use tracing_core::span::{Attributes, Current, Id, Record as Values};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Metadata, Subscriber};

use super::fields::Fields;
use super::spans::{self, Spans};

/// Sends every event to the host.
#[derive(Debug)]
pub(super) struct HostLog {
    spans: Spans,
}

impl HostLog {
    pub(super) fn new() -> Self {
        Self { spans: Spans::new() }
    }

    /// Forgets all spans.
    pub(super) fn clear(&self) {
        self.spans.clear();
    }
}

impl Subscriber for HostLog {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The host is asked every time, so that a change of its level is felt at once.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        wants_log(level(*metadata.level()))
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let explicit = attributes.parent().map(Id::into_u64);
        let parent = explicit.or_else(|| attributes.is_contextual().then(spans::current).flatten());
        Id::from_u64(self.spans.open(attributes.metadata(), fields, parent))
    }

    fn record(&self, span: &Id, values: &Values<'_>) {
        self.spans.change(span.into_u64(), |fields| values.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let explicit = event.parent().map(Id::into_u64);
        let around = explicit.or_else(|| event.is_contextual().then(spans::current).flatten());
        let around = self.spans.scope(around);
        let metadata = event.metadata();
        let span_fields = around.iter().map(|span| span.fields.lend()).collect::<Vec<_>>();
        let spans = around.iter().zip(&span_fields);
        let spans = spans.map(|(span, fields)| Span::new(span.metadata.name(), fields)).collect::<Vec<_>>();
        let record = Record::new(level(*metadata.level()), metadata.target(), &fields.message);
        let place = record.place(metadata.module_path(), metadata.file(), metadata.line());
        send_log(&place.fields(&fields.lend()).spans(&spans));
    }

    fn enter(&self, span: &Id) {
        spans::enter(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        spans::exit(span.into_u64());
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.spans.share(span.into_u64());
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        self.spans.release(span.into_u64())
    }

    fn current_span(&self) -> Current {
        let current = spans::current().and_then(|id| Some((id, self.spans.metadata(id)?)));
        current.map_or_else(Current::none, |(id, metadata)| Current::new(Id::from_u64(id), metadata))
    }
}

fn level(level: tracing_core::Level) -> Level {
    match level {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}
