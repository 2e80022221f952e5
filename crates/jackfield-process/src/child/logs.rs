//! Turns a plugin's standard error into `tracing` events, and keeps its last words.

use std::collections::VecDeque;

use tracing::Level;

use super::crash::CrashWatch;
use super::log_line::{LineReader, Record};
use crate::printed::Stderr;

/// Everything that is remembered of one plugin's standard error; of bounded size whatever comes in.
#[derive(Debug)]
pub(crate) struct Logs {
    plugin: String,
    raw: Stderr,
    line: Vec<u8>,
    continues: bool,
    reader: LineReader,
    crash: CrashWatch,
    tail: VecDeque<u8>,
}

impl Logs {
    /// Logs in the name of `plugin`, and gives all of it to `raw`, too.
    pub(crate) fn new(plugin: String, raw: Stderr) -> Self {
        Self {
            plugin,
            raw,
            line: Vec::new(),
            continues: false,
            reader: LineReader::default(),
            crash: CrashWatch::default(),
            tail: VecDeque::new(),
        }
    }

    /// Takes the next bytes, wherever lines begin and end in them.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.raw.take(bytes);
        self.remember(bytes);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.push_piece(piece);
        }
    }

    /// Takes the end: what stands without a line feed is a line too.
    pub(super) fn finish(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    /// What the plugin said of its crash, if it crashed.
    pub(super) fn crash(&self) -> Option<&str> {
        self.crash.words()
    }

    /// The last of what was written.
    pub(super) fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whose log it is.
    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    fn push_piece(&mut self, mut piece: &[u8]) {
        let ends = piece.ends_with(b"\n");
        if ends {
            piece = &piece[..piece.len() - 1];
        }
        while self.line.len() + piece.len() > MAX_LINE {
            let (fits, rest) = piece.split_at(MAX_LINE - self.line.len());
            self.line.extend_from_slice(fits);
            self.end_chunk();
            piece = rest;
        }
        self.line.extend_from_slice(piece);
        if ends {
            self.end_line();
        }
    }

    /// A line that is too long is logged in chunks, none of which is looked into.
    fn end_chunk(&mut self) {
        let message = String::from_utf8_lossy(&self.line).into_owned();
        self.emit(&Record { level: Level::DEBUG, message, fields: None });
        self.line.clear();
        self.continues = true;
    }

    fn end_line(&mut self) {
        if self.continues {
            self.end_chunk();
            self.continues = false;
            return;
        }
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
        self.crash.observe(&text);
        if tracing::enabled!(target: "jackfield::plugin", Level::ERROR) {
            let record = self.reader.read(&text);
            self.emit(&record);
        }
        self.line = line;
        self.line.clear();
    }

    fn remember(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(MAX_TAIL)..];
        let excess = (self.tail.len() + bytes.len()).saturating_sub(MAX_TAIL);
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    fn emit(&self, record: &Record) {
        let Record { message, fields, .. } = record;
        let (plugin, fields) = (self.plugin.as_str(), fields.as_deref());
        // A `tracing` event has its level in its type, so there is one call for each.
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(target: "jackfield::plugin", $level, plugin, fields, "{message}")
            };
        }
        match record.level {
            Level::ERROR => event!(Level::ERROR),
            Level::WARN => event!(Level::WARN),
            Level::INFO => event!(Level::INFO),
            Level::DEBUG => event!(Level::DEBUG),
            Level::TRACE => event!(Level::TRACE),
        }
    }
}

/// Go's limit for a line of a plugin's log.
const MAX_LINE: usize = 64 * 1024;
const MAX_TAIL: usize = 4 * 1024;

/// Takes what a plugin writes in pieces, and reads each line of it.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut logs = Logs::new("any".to_owned(), Stderr::default());
    bytes.chunks(1 + bytes.len() % 61).for_each(|piece| logs.push(piece));
    logs.finish();
    assert!(
        logs.tail.len() <= MAX_TAIL && logs.line.capacity() <= 2 * MAX_LINE,
        "more is kept than there is room for"
    );
    let mut reader = LineReader::default();
    String::from_utf8_lossy(bytes).lines().for_each(|line| drop(reader.read(line)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use tracing::field::{Field, Visit};
    use tracing::{Event, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    use super::*;

    /// What a host sees of an event.
    struct Shown {
        level: Level,
        fields: BTreeMap<String, String>,
    }

    /// Keeps what a host sees.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<Shown>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            struct Fields(BTreeMap<String, String>);
            impl Visit for Fields {
                fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                    self.0.insert(field.name().to_owned(), format!("{value:?}"));
                }
            }
            assert_eq!(event.metadata().target(), "jackfield::plugin");
            let mut fields = Fields(BTreeMap::new());
            event.record(&mut fields);
            self.0.lock().unwrap().push(Shown { level: *event.metadata().level(), fields: fields.0 });
        }
    }

    #[test]
    fn each_line_is_an_event() {
        let seen = Seen::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(seen.clone()), || {
            let mut logs = Logs::new("kv".into(), Stderr::default());
            logs.push(b"{\"@level\":\"warn\",\"@message\":\"low\",\"left\":3}\nplain\n");
        });
        let [json, plain] = &seen.0.lock().unwrap()[..] else { panic!() };
        assert_eq!((json.level, plain.level), (Level::WARN, Level::DEBUG));
        assert_eq!(json.fields["plugin"], "\"kv\"");
        assert_eq!(json.fields["message"], "low");
        assert_eq!(json.fields["fields"], r#""{\"left\":3}""#);
        assert_eq!(plain.fields["message"], "plain");
        assert!(!plain.fields.contains_key("fields"));
    }

    proptest! {
        #[test]
        fn nothing_a_plugin_writes_is_too_much(pieces: Vec<Vec<u8>>) {
            let mut logs = Logs::new("any".into(), Stderr::default());
            pieces.iter().for_each(|piece| logs.push(piece));
            logs.finish();
            prop_assert!(logs.tail().chars().count() <= MAX_TAIL);
        }
    }

    #[test]
    fn memory_stays_bounded_under_an_endless_line() {
        let mut logs = Logs::new("flood".into(), Stderr::default());
        for _ in 0..100 {
            logs.push(&[b'x'; 10_000]);
        }
        logs.push(b"\npanic: after the flood\n");
        assert!(logs.line.capacity() <= 2 * MAX_LINE);
        assert_eq!(logs.tail().len(), MAX_TAIL);
        assert_eq!(logs.crash(), Some("panic: after the flood"));
    }

    #[test]
    fn lines_are_joined_over_pieces_and_the_end() {
        let mut logs = Logs::new("pieces".into(), Stderr::default());
        logs.push(b"pan");
        logs.push(b"ic: bo");
        logs.push(b"om\r");
        assert_eq!(logs.crash(), None);
        logs.finish();
        assert_eq!(logs.crash(), Some("panic: boom"));
    }
}
