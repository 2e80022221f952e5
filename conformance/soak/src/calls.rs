//! Eight tasks that call, and what they saw.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use abacus::Abacus;
use anyhow::ensure;
use jackfield::{CallError, CallOptions, Error, Events, Handle, Manager};
use tokio::task::JoinSet;

use crate::host::{DEADLINE, Host, PLUGINS};
use crate::random::Random;

/// What the callers saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) begun: u64,
    pub(crate) answered: u64,
    /// How often there was no plugin to call.
    absent: u64,
    failed: BTreeMap<&'static str, u64>,
    /// What must not be.
    wrong: Vec<String>,
    longest: Duration,
}

/// The tasks that call.
pub(crate) struct Calls {
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

/// Lets eight tasks call whichever plugin comes.
pub(crate) fn begin(host: &Host, seed: u64) -> Calls {
    let (seen, is_over) = <(Arc<Mutex<Seen>>, Arc<AtomicBool>)>::default();
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let (manager, seen, is_over) = (host.manager.clone(), seen.clone(), is_over.clone());
        let mut random = Random::new(seed.wrapping_add(number).wrapping_mul(1_000_003));
        let mut events = manager.events();
        callers.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                call((&manager, &mut events), &mut random, &seen).await;
            }
        });
    }
    Calls { seen, is_over, callers }
}

async fn call((manager, events): (&Manager, &mut Events), random: &mut Random, seen: &Mutex<Seen>) {
    let name = *random.pick(&PLUGINS);
    let Ok(abacus): Result<Handle<dyn Abacus>, _> = manager.get(name) else {
        lock(seen).absent += 1;
        // Until something has become of a plugin.
        events.recv().await;
        return;
    };
    let (a, b) = (random.next() as i64, random.next() as i64);
    lock(seen).begun += 1;
    let began = Instant::now();
    let answer = Handle::with(&abacus, CallOptions::new().timeout(DEADLINE)).add(a, b).await;
    let took = began.elapsed();
    let mut seen = lock(seen);
    seen.longest = seen.longest.max(took);
    match answer {
        Ok(sum) if sum == a.wrapping_add(b) => seen.answered += 1,
        Ok(sum) => seen.wrong.push(format!("{name}: {a} + {b} is not {sum}")),
        Err(error) => match documented(&error) {
            Some(kind) => *seen.failed.entry(kind).or_default() += 1,
            None => seen.wrong.push(format!("{name}: {error}")),
        },
    }
}

/// What may become of a call whose plugin is swapped, killed, stopped or removed.
fn documented(error: &Error) -> Option<&'static str> {
    match error {
        Error::Call(CallError::Closed { .. }) => Some("closed"),
        Error::Call(CallError::DeadlineExceeded { .. }) => Some("deadline"),
        Error::Call(CallError::Exited { .. }) => Some("exited"),
        _ => None,
    }
}

impl Calls {
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    pub(crate) async fn end(mut self) -> anyhow::Result<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended?;
        }
        Ok(self.seen())
    }
}

impl Seen {
    /// Whether every call came to an end that it may come to.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.wrong.is_empty(), "{} calls went wrong: {:#?}", self.wrong.len(), self.wrong);
        let ended = self.answered + self.failed.values().sum::<u64>();
        ensure!(self.begun == ended, "of {} calls {ended} have ended", self.begun);
        let bound = DEADLINE + SLACK;
        ensure!(self.longest <= bound, "a call took {:?}, and may take {bound:?}", self.longest);
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls answered", self.answered)?;
        for (kind, count) in &self.failed {
            write!(f, ", {count} {kind}")?;
        }
        write!(f, ", {} found no plugin, longest {:.2?}", self.absent, self.longest)
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

const CALLERS: u64 = 8;
/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(5);
