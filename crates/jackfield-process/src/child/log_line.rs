//! Reads one line of a plugin's standard error as a log record. Pure.

use serde_json::{Map, Value};
use tracing::Level;

/// A log record of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// How much it matters.
    pub(super) level: Level,
    /// What it says.
    pub(super) message: String,
    /// What else it carries, as a JSON object.
    pub(super) fields: Option<String>,
}

/// Reads lines as records; remembers that a Go program began to panic, after which plain text is an error.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    panicking: bool,
}

impl LineReader {
    /// Reads a line that has lost its line feed.
    pub(super) fn read(&mut self, line: &str) -> Record {
        if line.starts_with('{')
            && let Ok(object) = serde_json::from_str(line)
        {
            return read_object(object).unwrap_or_else(|| verbatim(Level::DEBUG, line));
        }
        verbatim(self.text_level(line), line)
    }

    fn text_level(&mut self, line: &str) -> Level {
        if let Some((_, level)) = PREFIXES.iter().find(|(prefix, _)| line.starts_with(prefix)) {
            return *level;
        }
        self.panicking |= line.starts_with("panic: ") || line.starts_with("fatal error: ");
        if self.panicking { Level::ERROR } else { Level::DEBUG }
    }
}

/// `None` unless the object has a level and its own keys hold text.
fn read_object(mut object: Map<String, Value>) -> Option<Record> {
    let level = parse_level(object.remove("@level")?.as_str()?)?;
    let message = match object.remove("@message") {
        Some(message) => message.as_str()?.to_owned(),
        None => String::new(),
    };
    object.remove("@timestamp");
    let fields = (!object.is_empty()).then(|| Value::Object(object).to_string());
    Some(Record { level, message, fields })
}

fn parse_level(name: &str) -> Option<Level> {
    match name.trim().to_ascii_lowercase().as_str() {
        "trace" => Some(Level::TRACE),
        "debug" => Some(Level::DEBUG),
        "info" => Some(Level::INFO),
        "warn" => Some(Level::WARN),
        "error" => Some(Level::ERROR),
        _ => None,
    }
}

fn verbatim(level: Level, line: &str) -> Record {
    Record { level, message: line.to_owned(), fields: None }
}

const PREFIXES: [(&str, Level); 5] = [
    ("[TRACE]", Level::TRACE),
    ("[DEBUG]", Level::DEBUG),
    ("[INFO]", Level::INFO),
    ("[WARN]", Level::WARN),
    ("[ERROR]", Level::ERROR),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Record {
        LineReader::default().read(line)
    }

    /// Recorded of the Go peers of the fixtures.
    #[test]
    fn what_real_plugins_logged_is_a_record() {
        for line in include_str!("../../tests/golden/go_log.txt").lines() {
            let record = read(line);
            assert!([Level::DEBUG, Level::INFO].contains(&record.level), "{line}");
            assert!(!record.message.is_empty() && !record.message.starts_with('{'), "{line}");
        }
    }

    #[test]
    fn hclog_json_keeps_its_other_keys() {
        let line = r#"{"@level":"warn","@message":"hi","@timestamp":"2026-01-01T00:00:00.000000Z","@module":"a","n":1}"#;
        let record = read(line);
        assert_eq!((record.level, record.message.as_str()), (Level::WARN, "hi"));
        assert_eq!(record.fields.as_deref(), Some(r#"{"@module":"a","n":1}"#));
    }

    #[test]
    fn json_without_a_level_or_with_odd_types_is_shown_as_it_is() {
        for line in [r#"{"a":1}"#, r#"{"@level":7}"#, r#"{"@level":"info","@message":3}"#, "null", "[1]", "{"]
        {
            assert_eq!(read(line), verbatim(Level::DEBUG, line));
        }
    }

    proptest::proptest! {
        #[test]
        fn every_line_is_a_record(line: String) {
            read(&line);
            read(&format!("{{{line}}}"));
        }
    }

    #[test]
    fn a_prefix_gives_the_level_and_stays() {
        assert_eq!(read("[WARN] low"), verbatim(Level::WARN, "[WARN] low"));
        assert_eq!(read(" [WARN] low"), verbatim(Level::DEBUG, " [WARN] low"));
    }

    #[test]
    fn after_a_go_panic_plain_text_is_an_error() {
        let mut reader = LineReader::default();
        assert_eq!(reader.read("before").level, Level::DEBUG);
        assert_eq!(reader.read("panic: boom").level, Level::ERROR);
        assert_eq!(reader.read("goroutine 1 [running]:").level, Level::ERROR);
        assert_eq!(reader.read("[INFO] still").level, Level::INFO);
        assert_eq!(reader.read(r#"{"@level":"trace"}"#).level, Level::TRACE);
    }
}
