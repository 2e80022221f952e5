//! What this program's subscriber sees of its plugins' logs.

use std::fmt;
use std::sync::{Condvar, Mutex, Once};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// A line that a plugin wrote.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: String,
    plugin: String,
}

/// The first line of a plugin for which `is_it` is true, which came or will come. Must have been called, or
/// [`install`], before the plugin was started.
pub(crate) fn wait_for(plugin: &str, is_it: impl Fn(&Line) -> bool) -> Line {
    install();
    let mut lines = LINES.lock().unwrap();
    loop {
        if let Some(found) = lines.iter().find(|line| line.plugin == plugin && is_it(line)) {
            return found.clone();
        }
        let (next, timeout) = ARRIVED.wait_timeout(lines, Duration::from_secs(20)).unwrap();
        lines = next;
        let of_plugin: Vec<_> = lines.iter().filter(|line| line.plugin == plugin).collect();
        assert!(!timeout.timed_out(), "no such line of `{plugin}`: {of_plugin:#?}");
    }
}

/// Waits for these messages of a plugin and of its host about it, in this order; others may come in between.
pub(crate) fn wait_for_order(plugin: &str, messages: &[&str]) {
    let last = messages.last().unwrap();
    wait_for(plugin, |line| line.message == *last);
    let lines = LINES.lock().unwrap();
    let of_plugin: Vec<_> =
        lines.iter().filter(|line| line.plugin == plugin).map(|line| &*line.message).collect();
    let mut rest = of_plugin.iter();
    for message in messages {
        assert!(rest.any(|line| line == message), "`{message}` is missing, or early, in {of_plugin:#?}");
    }
}

/// Makes the lines of this program's plugins seen, and what it says of them itself.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let plugins = Targets::new()
            .with_target("jackfield::plugin", Level::TRACE)
            .with_target("jackfield_process", Level::DEBUG);
        let subscriber = tracing_subscriber::registry().with(Collect.with_filter(plugins));
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

struct Collect;

impl<S: Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut line = Line { level, message: String::new(), fields: String::new(), plugin: String::new() };
        event.record(&mut line);
        LINES.lock().unwrap().push(line);
        ARRIVED.notify_all();
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "fields" => self.fields = value.to_owned(),
            "plugin" => self.plugin = value.to_owned(),
            _ => {}
        }
    }
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());
static ARRIVED: Condvar = Condvar::new();
