//! What happens to plugins.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::footprint::children;
use crate::host::{Host, PLUGINS, Planted};
use crate::random::Random;

/// How often each thing was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done(BTreeMap<&'static str, u64>);

/// A round of it. What it breaks it mends later, or in the end.
pub(crate) struct Chaos<'a> {
    host: &'a Host,
    random: &'a mut Random,
    done: Done,
    broken: Vec<(Instant, Broken)>,
}

/// What has to be mended.
#[derive(Clone, Debug)]
enum Broken {
    Disabled(&'static str),
    File(Planted),
    Stopped(Pid),
}

impl<'a> Chaos<'a> {
    pub(crate) fn new(host: &'a Host, random: &'a mut Random) -> Self {
        Self { host, random, done: Done::default(), broken: Vec::new() }
    }

    /// Does one thing after the other for as long.
    pub(crate) async fn rage(&mut self, duration: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + duration;
        let mut pulse = tokio::time::interval(PULSE);
        while Instant::now() < end {
            pulse.tick().await;
            self.mend(Instant::now())?;
            if self.random.below(5) == 0 {
                self.act()?;
            }
        }
        Ok(())
    }

    /// Mends what is broken, and returns what was done.
    pub(crate) async fn calm(mut self) -> anyhow::Result<Done> {
        let last = self.broken.iter().map(|(when, _)| *when).max();
        self.mend(last.unwrap_or_else(Instant::now))?;
        Ok(self.done)
    }

    fn act(&mut self) -> anyhow::Result<()> {
        let file = self.random.pick(&self.host.files).clone();
        let done = match self.random.below(10) {
            0..4 => {
                file.restore()?;
                "swapped"
            }
            4 => {
                let junk: Vec<u8> = (0..4096).map(|_| self.random.next() as u8).collect();
                file.put(|hidden| fs::write(hidden, junk))?;
                self.later(Broken::File(file));
                "replaced by junk"
            }
            5 => {
                // Not by way of this process's memory, which is what is measured.
                file.put(|hidden| {
                    let whole = fs::copy(&file.original, hidden)?;
                    fs::File::options().write(true).open(hidden)?.set_len(whole / 2)
                })?;
                self.later(Broken::File(file));
                "cut in half"
            }
            6 => {
                // Another thing may have removed it before.
                let _ = fs::remove_file(&file.path);
                self.later(Broken::File(file));
                "removed"
            }
            7 => return self.signal(Signal::KILL, "killed"),
            8 => return self.signal(Signal::STOP, "stopped"),
            _ => {
                let name = *self.random.pick(&PLUGINS);
                if self.host.manager.disable(name).is_err() {
                    return Ok(());
                }
                self.later(Broken::Disabled(name));
                "disabled"
            }
        };
        self.done.count(done);
        Ok(())
    }

    fn signal(&mut self, signal: Signal, done: &'static str) -> anyhow::Result<()> {
        let children = children()?;
        if children.is_empty() {
            return Ok(());
        }
        let child = *self.random.pick(&children);
        // It may have ended meanwhile.
        if kill_process(child, signal).is_ok() {
            self.done.count(done);
            if signal == Signal::STOP {
                self.later(Broken::Stopped(child));
            }
        }
        Ok(())
    }

    fn later(&mut self, broken: Broken) {
        let delay = Duration::from_millis(100 + self.random.next() % 2_900);
        self.broken.push((Instant::now() + delay, broken));
    }

    /// Mends what is due by then.
    fn mend(&mut self, due: Instant) -> anyhow::Result<()> {
        let (now, later) = std::mem::take(&mut self.broken).into_iter().partition(|(when, _)| *when <= due);
        self.broken = later;
        let now: Vec<_> = now;
        for (_, broken) in now {
            match broken {
                // An error says that it is not there any more, and the file brings it back.
                Broken::Disabled(name) => drop(self.host.manager.enable(name)),
                Broken::File(file) => file.restore()?,
                // An error says that it has ended.
                Broken::Stopped(child) => drop(kill_process(child, Signal::CONT)),
            }
        }
        Ok(())
    }
}

impl Done {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// At one of five of these times, something happens.
const PULSE: Duration = Duration::from_millis(20);
