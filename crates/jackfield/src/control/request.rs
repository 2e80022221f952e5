//! What an operator may ask, and what is answered. Nothing here knows of sockets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::blocking;
use crate::events::{Event, State, chain};
use crate::manager::{Circuit, Figures, Manager, Stats};
use crate::registry::PluginId;

/// One line of an operator's.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    Choose { plugin: String, version: Option<String> },
    Disable { plugin: String },
    Enable { plugin: String },
    List {},
    Reload { plugin: String },
    RollBack { plugin: String },
    Watch {},
}

/// One line of the host's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// It was not done, and why.
    Error(String),
    /// So many events were dropped.
    Lagged(u64),
    /// It is done.
    Ok {},
    /// The plugin, or one of those, is in this state.
    Plugin(Plugin),
    /// All plugins that are not offline.
    Plugins(Vec<Plugin>),
}

/// A plugin, and what it is doing.
#[derive(Debug, Serialize)]
pub(super) struct Plugin {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// Why it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The version that serves under this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    serving: Option<String>,
    /// What was counted of it, if it is loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Counted>,
}

/// What was counted of a plugin, in bytes and nanoseconds.
#[derive(Debug, Serialize)]
struct Counted {
    calls: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    circuit: Option<&'static str>,
    errors: u64,
    failures: u64,
    in_flight: u64,
    rejected: u64,
    restarts: u64,
    waiting: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ns: Option<u64>,
}

impl Request {
    /// Reads one line.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| format!("expected a request: {error}"))
    }

    /// Does what is asked. The answer to [`Watch`](Self::Watch) are the events that follow it.
    pub(super) fn answer(self, manager: &Manager) -> Answer {
        let done = match self {
            Self::List {} => return Answer::Plugins(list(manager)),
            Self::Watch {} => Ok(()),
            Self::Choose { plugin, version } => {
                blocking::wait(manager.choose(&plugin, version.as_deref())).map_err(|error| chain(&error))
            }
            Self::Disable { plugin } => manager.disable(&plugin).map_err(|error| chain(&error)),
            Self::Enable { plugin } => manager.enable(&plugin).map_err(|error| chain(&error)),
            Self::Reload { plugin } => {
                blocking::wait(manager.load_again(&plugin)).map_err(|error| chain(&error))
            }
            Self::RollBack { plugin } => {
                blocking::wait(manager.roll_back(&plugin)).map(drop).map_err(|error| chain(&error))
            }
        };
        done.map_or_else(Answer::Error, |()| Answer::Ok {})
    }
}

impl Answer {
    /// What is told of an event, with the figures of its plugin.
    pub(super) fn of_event(event: Event, figures: &Figures) -> Self {
        match event {
            Event::Changed { plugin, state } => Self::Plugin(Plugin::new(&plugin, state, figures)),
            Event::Lagged(count) => Self::Lagged(count),
        }
    }
}

impl Plugin {
    fn new(plugin: &PluginId, state: State, figures: &Figures) -> Self {
        let (state, generation, reason) = match state {
            State::Disabled => ("disabled", None, None),
            State::Discovered => ("discovered", None, None),
            State::Draining => ("draining", None, None),
            State::Failed { reason } => ("failed", None, Some(reason)),
            State::Loading => ("loading", None, None),
            State::Offline => ("offline", None, None),
            State::Online { generation } => ("online", Some(generation), None),
            State::Verified => ("verified", None, None),
        };
        let (name, stats) = (plugin.as_str().to_owned(), figures.of(plugin).map(Counted::from));
        Self { name, state, generation, reason, serving: None, stats }
    }
}

impl From<Stats> for Counted {
    fn from(stats: Stats) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let circuit = |circuit| match circuit {
            Circuit::Closed => "closed",
            Circuit::HalfOpen => "half-open",
            Circuit::Open => "open",
        };
        Self {
            calls: stats.calls,
            circuit: stats.circuit.map(circuit),
            errors: stats.errors,
            failures: stats.failures,
            in_flight: stats.in_flight,
            rejected: stats.rejected,
            restarts: stats.restarts,
            waiting: stats.waiting,
            memory: stats.memory,
            p50_ns: stats.p50.map(nanoseconds),
            p99_ns: stats.p99.map(nanoseconds),
        }
    }
}

fn list(manager: &Manager) -> Vec<Plugin> {
    let (states, figures) = (manager.states().into_iter(), manager.figures());
    states
        .map(|(plugin, state)| {
            let serving = manager.serving(plugin.as_str()).map(|plugin| plugin.as_str().to_owned());
            Plugin { serving, ..Plugin::new(&plugin, state, &figures) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> String {
        let manager = Manager::new();
        let answer = Request::parse(line).map_or_else(Answer::Error, |request| request.answer(&manager));
        serde_json::to_string(&answer).expect("JSON")
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(answer(r#"{"command":"list"}"#), r#"{"plugins":[]}"#);
        for (line, expected) in [
            ("", "EOF"),
            (r#"{"command":"explode"}"#, "unknown variant `explode`, expected one of `choose`, `disable`"),
            (r#"{"command":"reload"}"#, "missing field `plugin`"),
            (r#"{"command":"list","all":true}"#, "unknown field `all`"),
            (r#"{"command":"reload","plugin":"kv"}"#, "no plugin `kv` is loaded"),
        ] {
            let answer = answer(line);
            assert!(answer.starts_with(r#"{"error":""#) && answer.contains(expected), "{line}: {answer}");
        }
    }
}
