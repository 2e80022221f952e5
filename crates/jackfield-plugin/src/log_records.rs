//! Sends what a shared library logs with the crate `log` to its host.

use jackfield_core::__private::{send_log, wants_log};
use jackfield_core::log::{Level, Record};

/// Installs the logger in this library's own `log`, unless there is another.
pub(crate) fn install() {
    if log::set_logger(&HostLog).is_ok() {
        // The host is asked for every record, so that a change of its level is felt at once.
        log::set_max_level(log::LevelFilter::Trace);
    }
}

struct HostLog;

impl log::Log for HostLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        wants_log(level(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let sent = Record::new(level(record.level()), record.target(), &message);
        send_log(&sent.place(record.module_path(), record.file(), record.line()));
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}
