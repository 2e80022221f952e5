//! Events of a plugin's log, as `tracing` events of the host.
//!
//! A host's subscriber sees what the plugin logged: its target and level, by which it can filter, its message, its
//! file and line, and its fields with their names and types. Two fields are added: `plugin`, the plugin's name, and
//! `spans`, where the event happened in some.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use tracing_core::field::{FieldSet, Value as TracingValue, display};
use tracing_core::metadata::LevelFilter;
use tracing_core::subscriber::Interest;
use tracing_core::{Callsite, Event, Kind, Metadata, callsite, dispatcher, identify_callsite};

pub use jackfield_abi::log::{Field, Level, Record, Span, Value};

/// The least important level that anybody in this program wants to hear of, or `None` if nobody wants anything.
pub fn max_level() -> Option<Level> {
    let level = LevelFilter::current().into_level()?;
    LEVELS.into_iter().find(|(_, other)| *other == level).map(|(level, _)| level)
}

/// Emits an event in the name of a plugin.
pub fn emit(plugin: &str, record: &Record<'_>) {
    if level_of(record) > LevelFilter::current() {
        return;
    }
    match CallsiteKey::of(record).and_then(find) {
        Some(callsite) => callsite.emit(plugin, record),
        None => overflow(record).emit_as_text(plugin, record),
    }
}

/// What `tracing` knows an event by: there is one for each place that logs, as if the plugin were part of this program.
struct PluginCallsite {
    /// It points back to the callsite, so it comes after it.
    metadata: OnceLock<Metadata<'static>>,
    interest: AtomicU8,
}

impl PluginCallsite {
    /// Makes one, for ever: `tracing` keeps it.
    fn leak(key: &CallsiteKey) -> &'static Self {
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let this: &'static Self =
            Box::leak(Box::new(Self { metadata: OnceLock::new(), interest: AtomicU8::new(SOMETIMES) }));
        let names =
            OWN_FIELDS.into_iter().chain(key.fields.iter().map(|name| leak(name))).collect::<Vec<_>>();
        let fields = FieldSet::new(Box::leak(names.into_boxed_slice()), identify_callsite!(this));
        let (file, module) = (key.file.as_deref().map(leak), key.module.as_deref().map(leak));
        let level = LEVELS[key.level as usize - 1].1;
        let metadata = Metadata::new(
            "plugin event",
            leak(&key.target),
            level,
            file,
            key.line,
            module,
            fields,
            Kind::EVENT,
        );
        this.metadata.get_or_init(|| metadata);
        callsite::register(this);
        this
    }

    fn emit(&'static self, plugin: &str, record: &Record<'_>) {
        let values = record.field_list().iter().map(Field::value).collect::<Vec<_>>();
        self.dispatch(plugin, record, values.iter().map(as_tracing));
    }

    /// Emits an event for which there is no callsite of its own: what is not in the metadata becomes a text.
    fn emit_as_text(&'static self, plugin: &str, record: &Record<'_>) {
        let fields = list(record.field_list());
        let target = record.target();
        self.dispatch(plugin, record, [&target as &dyn TracingValue, &fields].into_iter());
    }

    fn dispatch<'a>(
        &'static self,
        plugin: &str,
        record: &Record<'_>,
        values: impl Iterator<Item = &'a dyn TracingValue>,
    ) {
        let interest = self.interest.load(Ordering::Relaxed);
        if interest == NEVER {
            return;
        }
        let (message, spans) = (display(record.message()), scope(record.span_list()));
        let mut all: Vec<Option<&dyn TracingValue>> =
            vec![Some(&message), Some(&plugin), spans.as_ref().map(|spans| spans as _)];
        all.extend(values.map(|value| Some(value as &dyn TracingValue)));
        let metadata = self.metadata();
        dispatcher::get_default(|dispatch| {
            if interest == ALWAYS || dispatch.enabled(metadata) {
                dispatch.event(&Event::new(metadata, &metadata.fields().value_set_all(&all)));
            }
        });
    }
}

impl Callsite for PluginCallsite {
    fn set_interest(&self, interest: Interest) {
        let interest = match interest {
            interest if interest.is_always() => ALWAYS,
            interest if interest.is_never() => NEVER,
            _ => SOMETIMES,
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'static> {
        self.metadata.get().expect("`leak` sets it before it shows the callsite to anybody")
    }
}

/// What makes two events of one place.
#[derive(PartialEq, Eq, Hash)]
struct CallsiteKey {
    level: Level,
    target: String,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    fields: Vec<String>,
}

impl CallsiteKey {
    /// The key of a record, unless it has more fields than a callsite is made for.
    fn of(record: &Record<'_>) -> Option<Self> {
        let fields = record.field_list();
        (fields.len() <= MAX_FIELDS).then(|| Self {
            level: record.level(),
            target: record.target().to_owned(),
            module: record.module().map(str::to_owned),
            file: record.file().map(str::to_owned),
            line: record.line(),
            fields: fields.iter().map(|field| field.name().to_owned()).collect(),
        })
    }
}

/// The callsite of a key. There is none where a plugin has made up more than are kept.
fn find(key: CallsiteKey) -> Option<&'static PluginCallsite> {
    static KNOWN: RwLock<Option<HashMap<CallsiteKey, &'static PluginCallsite>>> = RwLock::new(None);
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(callsite) = known.as_ref().and_then(|known| known.get(&key)) {
        return Some(callsite);
    }
    drop(known);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(callsite) = known.get(&key) {
        return Some(callsite);
    }
    (known.len() < MAX_CALLSITES).then(|| *known.entry(key).or_insert_with_key(PluginCallsite::leak))
}

/// The callsite of everything for which there is none of its own.
fn overflow(record: &Record<'_>) -> &'static PluginCallsite {
    static OVERFLOW: [OnceLock<&'static PluginCallsite>; 5] = [const { OnceLock::new() }; 5];
    let level = record.level();
    OVERFLOW[level as usize - 1].get_or_init(|| {
        PluginCallsite::leak(&CallsiteKey {
            level,
            target: "jackfield::plugin".to_owned(),
            module: None,
            file: None,
            line: None,
            fields: vec!["target".to_owned(), "fields".to_owned()],
        })
    })
}

fn as_tracing<'a>(value: &'a Value<'_>) -> &'a dyn TracingValue {
    match value {
        Value::Bool(value) => value,
        Value::Float(value) => value,
        Value::Signed(value) => value,
        Value::Text(value) => value,
        Value::Unsigned(value) => value,
    }
}

/// `outer{a=1}:inner{b="x"}`, as `tracing` itself writes it.
fn scope(spans: &[Span<'_>]) -> Option<String> {
    let names = spans.iter().map(|span| match span.fields() {
        [] => span.name().to_owned(),
        fields => format!("{}{{{}}}", span.name(), list(fields)),
    });
    (!spans.is_empty()).then(|| names.collect::<Vec<_>>().join(":"))
}

fn list(fields: &[Field<'_>]) -> String {
    let mut text = String::new();
    for (index, field) in fields.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        write!(text, "{space}{}={}", field.name(), field.value()).expect("a string takes everything");
    }
    text
}

fn level_of(record: &Record<'_>) -> tracing_core::Level {
    LEVELS[record.level() as usize - 1].1
}

const LEVELS: [(Level, tracing_core::Level); 5] = [
    (Level::Error, tracing_core::Level::ERROR),
    (Level::Warn, tracing_core::Level::WARN),
    (Level::Info, tracing_core::Level::INFO),
    (Level::Debug, tracing_core::Level::DEBUG),
    (Level::Trace, tracing_core::Level::TRACE),
];

const OWN_FIELDS: [&str; 3] = ["message", "plugin", "spans"];

const SOMETIMES: u8 = 0;
const ALWAYS: u8 = 1;
const NEVER: u8 = 2;

/// How many places may log before the rest share one. Each is kept for ever, at a few hundred bytes.
const MAX_CALLSITES: usize = 4096;

/// What `tracing`'s own macros took for long.
const MAX_FIELDS: usize = 32;
