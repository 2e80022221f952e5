//! Writes a plugin's log as a host reads it: hclog's JSON, one object per line, on the standard error.

use std::fmt;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// A layer for the subscriber of a plugin's program.
///
/// It leaves out what the wire itself logs, since that would log how it sends logs.
pub fn layer<S: Subscriber>() -> impl Layer<S> {
    HostLog
}

/// Installs the layer, unless the program has a subscriber of its own.
pub(crate) fn install() {
    if !tracing::dispatcher::has_been_set() {
        // Whoever was faster wants another.
        let _other = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer()));
    }
}

struct HostLog;

impl<S: Subscriber> Layer<S> for HostLog {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_wire(metadata.target()) { Interest::never() } else { Interest::always() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        !is_wire(metadata.target())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = record(event, SystemTime::now()).to_string();
        line.push('\n');
        // A host that is gone reads no logs.
        let _unread = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn is_wire(target: &str) -> bool {
    WIRE.iter().any(|library| {
        target.strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn record(event: &Event<'_>, now: SystemTime) -> Value {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let Fields(mut object) = fields;
    let message = object.remove("message").unwrap_or_else(|| Value::from(""));
    object.insert("@message".into(), message);
    object.insert("@level".into(), event.metadata().level().as_str().to_lowercase().into());
    object.insert("@module".into(), event.metadata().target().into());
    object.insert("@timestamp".into(), timestamp(now).into());
    Value::Object(object)
}

/// The fields of an event as JSON.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
}

/// `YYYY-MM-DDThh:mm:ss.ffffffZ`; a Go host takes no other form.
fn timestamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The date, so many days after 1970-01-01. Years are counted from March, so that a leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

const WIRE: [&str; 8] = ["h2", "hyper", "hyper_util", "mio", "rustls", "tokio_util", "tonic", "tower"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timestamps_have_the_one_form_that_go_reads() {
        let at = |seconds, micros: u32| timestamp(UNIX_EPOCH + Duration::new(seconds, micros * 1000));
        assert_eq!(at(0, 7), "1970-01-01T00:00:00.000007Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000000Z");
        assert_eq!(at(1_795_651_199, 999_999), "2026-11-25T23:59:59.999999Z");
    }

    struct Lines(std::sync::mpsc::Sender<String>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.send(record(event, UNIX_EPOCH).to_string()).unwrap();
        }
    }

    #[test]
    fn an_event_becomes_what_hclog_writes() {
        let (sender, lines) = std::sync::mpsc::channel();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Lines(sender)), || {
            tracing::warn!(target: "kv", left = 3, who = "me", "low");
        });
        let expected = r#"{"@level":"warn","@message":"low","@module":"kv","@timestamp":"1970-01-01T00:00:00.000000Z","left":3,"who":"me"}"#;
        assert_eq!(lines.recv().unwrap(), expected);
    }

    #[test]
    fn the_wire_does_not_log_itself() {
        assert!(is_wire("h2") && is_wire("hyper::client"));
        assert!(!is_wire("h2o") && !is_wire("my_plugin"));
    }
}
