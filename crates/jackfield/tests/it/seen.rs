//! What this host's subscriber sees of its plugins' logs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry, reload};

/// An event of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) metadata: &'static Metadata<'static>,
    /// Each field with its type.
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Seen {
    /// A field, with its type.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// The first event of a plugin for which `is_it` is true, which happened or will happen.
pub(crate) fn wait_for(plugin: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
    install();
    let name = format!("str {plugin}");
    let mut events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let found = events.iter().find(|event| event.field("plugin") == name && is_it(event));
        if let Some(found) = found {
            return found.clone();
        }
        let (next, timeout) =
            ARRIVED.wait_timeout(events, Duration::from_secs(20)).unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "no such event of `{plugin}`: {next:#?}");
        events = next;
    }
}

/// Makes the events of this program seen.
pub(crate) fn install() {
    LEVEL.get_or_init(|| {
        let (filter, handle) = reload::Layer::new(LevelFilter::TRACE);
        let subscriber = tracing_subscriber::registry().with(Collect.with_filter(filter));
        tracing::subscriber::set_global_default(subscriber).expect("there is no other");
        handle
    });
}

/// Sets the level of the whole program.
pub(crate) fn set_level(level: Level) {
    install();
    let handle = LEVEL.get().expect("it is installed");
    handle.modify(|filter| *filter = level.into()).expect("it lives as long as the program");
}

/// How many calls of a plugin have had a span.
pub(crate) fn spans_of(plugin: &str) -> usize {
    let name = format!("str {plugin}");
    let spans = SPANS.lock().unwrap_or_else(PoisonError::into_inner);
    spans.iter().filter(|plugin| **plugin == name).count()
}

struct Collect;

impl<S: Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let seen = Seen { metadata: event.metadata(), fields: fields.0 };
        EVENTS.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        ARRIVED.notify_all();
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        if let ("call", Some(plugin)) = (attributes.metadata().name(), fields.0.remove("plugin")) {
            SPANS.lock().unwrap_or_else(PoisonError::into_inner).push(plugin);
        }
    }
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name(), format!("bool {value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name(), format!("f64 {value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name(), format!("i64 {value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), format!("str {value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), format!("u64 {value}"));
    }
}

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static EVENTS: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
/// Of each call with a span its plugin.
static SPANS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static ARRIVED: Condvar = Condvar::new();
