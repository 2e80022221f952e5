//! The spans of a library that have not been closed, and those that each thread is in.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_core::Metadata;

use super::fields::Fields;

/// The spans of a library that have not been closed.
#[derive(Debug)]
pub(super) struct Spans(Mutex<State>);

#[derive(Debug)]
struct State {
    last: u64,
    open: BTreeMap<u64, Span>,
}

/// A span. It holds a reference to its parent.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) fields: Fields,
    parent: Option<u64>,
    references: usize,
}

impl Spans {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { last: 0, open: BTreeMap::new() }))
    }

    /// Opens a span within `parent`. The result is not 0.
    pub(super) fn open(
        &self,
        metadata: &'static Metadata<'static>,
        fields: Fields,
        parent: Option<u64>,
    ) -> u64 {
        let mut state = self.lock();
        if let Some(parent) = parent.and_then(|parent| state.open.get_mut(&parent)) {
            parent.references += 1;
        }
        state.last += 1;
        let id = state.last;
        state.open.insert(id, Span { metadata, fields, parent, references: 1 });
        id
    }

    /// Changes the fields of a span by `change`, which is not called under a lock: it may run the plugin's code.
    pub(super) fn change(&self, id: u64, change: impl FnOnce(&mut Fields)) {
        let Some(mut fields) = self.lock().open.get(&id).map(|span| span.fields.clone()) else { return };
        change(&mut fields);
        if let Some(span) = self.lock().open.get_mut(&id) {
            span.fields = fields;
        }
    }

    /// Adds a reference to a span.
    pub(super) fn share(&self, id: u64) {
        if let Some(span) = self.lock().open.get_mut(&id) {
            span.references += 1;
        }
    }

    /// Takes a reference away, and says whether it was the last one.
    pub(super) fn release(&self, id: u64) -> bool {
        let mut state = self.lock();
        let mut next = Some(id);
        let mut is_closed = false;
        while let Some(id) = next.take() {
            let Some(span) = state.open.get_mut(&id) else { break };
            span.references -= 1;
            if span.references == 0 {
                is_closed = true;
                next = state.open.remove(&id).and_then(|span| span.parent);
            }
        }
        is_closed
    }

    /// What a span is, if it is open.
    pub(super) fn metadata(&self, id: u64) -> Option<&'static Metadata<'static>> {
        self.lock().open.get(&id).map(|span| span.metadata)
    }

    /// A span with all those around it, from the outermost inwards.
    pub(super) fn scope(&self, innermost: Option<u64>) -> Vec<Span> {
        let Some(innermost) = innermost else { return Vec::new() };
        let state = self.lock();
        let first = state.open.get(&innermost);
        let within = |span: &&Span| span.parent.and_then(|parent| state.open.get(&parent));
        let mut spans: Vec<_> = std::iter::successors(first, within).cloned().collect();
        spans.reverse();
        spans
    }

    /// Forgets all spans.
    pub(super) fn clear(&self) {
        self.lock().open = BTreeMap::new();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The innermost span that the calling thread is in.
pub(super) fn current() -> Option<u64> {
    let Entered { ids, depth } = ENTERED.get();
    ids[..depth].last().copied()
}

/// Enters a span on the calling thread. One that is deeper than a thread remembers is not entered.
pub(super) fn enter(id: u64) {
    let mut entered = ENTERED.get();
    if entered.depth < MAX_DEPTH {
        entered.ids[entered.depth] = id;
        entered.depth += 1;
        ENTERED.set(entered);
    }
}

/// Leaves a span on the calling thread, wherever it is among those that were entered.
pub(super) fn exit(id: u64) {
    let mut entered = ENTERED.get();
    if let Some(index) = entered.ids[..entered.depth].iter().rposition(|other| *other == id) {
        entered.ids.copy_within(index + 1..entered.depth, index);
        entered.depth -= 1;
        ENTERED.set(entered);
    }
}

#[derive(Clone, Copy)]
struct Entered {
    ids: [u64; MAX_DEPTH],
    depth: usize,
}

const MAX_DEPTH: usize = 32;

thread_local! {
    /// An array rather than a vector: a thread-local with a destructor would pin the library to the thread.
    static ENTERED: Cell<Entered> = const { Cell::new(Entered { ids: [0; MAX_DEPTH], depth: 0 }) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_left_in_any_order() {
        for id in 1..=40 {
            enter(id);
        }
        assert_eq!(current(), Some(32));
        exit(40);
        exit(31);
        assert_eq!(current(), Some(32));
        exit(32);
        assert_eq!(current(), Some(30));
    }
}
