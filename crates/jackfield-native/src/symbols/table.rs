//! The symbols of a plugin by name.

use std::collections::HashMap;
use std::sync::Arc;

use jackfield_abi::{HotSlot, Retired};
use jackfield_core::CallError;

use super::cell::{Cell, Live, describe};
use super::error::OpenError;
use super::generation::{Generation, Identity, Offer};
use super::names::Names;

/// The symbols of a plugin by name, and what it says of itself.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) identity: Identity,
    pub(super) generation: u64,
    cells: Names,
    registered: Vec<Box<str>>,
    closed: Option<CallError>,
}

impl Table {
    /// The table of a plugin's first generation.
    pub(super) fn first(generation: &Generation) -> Self {
        let cells = Names::new(generation.offers().map(new_cell));
        let (identity, registered) = (generation.identity.clone(), generation.registered_names());
        Self { identity, generation: 1, cells, registered, closed: None }
    }

    /// The symbol of this name.
    #[inline(always)]
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Cell>> {
        self.cells.find(name)
    }

    /// Whether the plugin's `init` registered a function under this name.
    pub(super) fn has_registered(&self, name: &str) -> bool {
        self.registered.iter().any(|registered| **registered == *name)
    }

    /// All symbols, by name.
    pub(super) fn sorted(&self) -> Vec<&Arc<Cell>> {
        let mut cells: Vec<_> = self.cells.iter().collect();
        cells.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        cells
    }

    /// Why there is nothing in it, once the plugin was unloaded.
    pub(super) fn closed(&self) -> Option<&CallError> {
        self.closed.as_ref()
    }

    /// Plans the replacement of all symbols by those of a new generation. Nothing is replaced yet.
    ///
    /// # Errors
    ///
    /// A symbol that is in use would be gone, or of another type.
    pub(super) fn plan(&self, new: &Generation) -> Result<Plan, OpenError> {
        let mut left: HashMap<&str, &Arc<Cell>> = self.cells.iter().map(|cell| (&*cell.name, cell)).collect();
        let (mut cells, mut swaps) = (Vec::new(), Vec::new());
        for offer in new.offers() {
            let old = left.remove(&*offer.name);
            if let Some(cell) = old.filter(|old| old.is(offer.kind, &offer.ty)) {
                swaps.push((cell.clone(), Live::Open(offer.open)));
                cells.push(cell.clone());
                continue;
            }
            if let Some(old) = old {
                in_use(old, new, describe(offer.kind, &offer.ty))?;
                swaps.push((old.clone(), Live::Closed(gone(old))));
            }
            cells.push(new_cell(offer));
        }
        for old in left.into_values() {
            in_use(old, new, "nothing".to_owned())?;
            swaps.push((old.clone(), Live::Closed(gone(old))));
        }
        let table = Self {
            identity: new.identity.clone(),
            generation: self.generation + 1,
            cells: Names::new(cells),
            registered: new.registered_names(),
            closed: None,
        };
        Ok(Plan { table, swaps })
    }

    /// Plans the end of all symbols.
    pub(super) fn plan_end(&self, error: &CallError) -> Plan {
        let swaps = self.cells.iter().map(|cell| (cell.clone(), Live::Closed(error.clone()))).collect();
        let table = Self {
            identity: self.identity.clone(),
            generation: self.generation,
            cells: Names::new([]),
            registered: Vec::new(),
            closed: Some(error.clone()),
        };
        Plan { table, swaps }
    }
}

/// What is about to replace a table.
#[derive(Debug)]
pub(super) struct Plan {
    table: Table,
    swaps: Vec<(Arc<Cell>, Live)>,
}

impl Plan {
    /// Replaces everything, and returns what was replaced.
    pub(super) fn carry_out(self, slot: &HotSlot<Table>) -> Vec<Retired<Live>> {
        let old = slot.swap(Arc::new(self.table));
        let replaced = self.swaps.into_iter().map(|(cell, live)| cell.hot.swap(Arc::new(live))).collect();
        drop(old);
        replaced
    }
}

fn new_cell(offer: Offer) -> Arc<Cell> {
    let Offer { name, ty, kind, open } = offer;
    Arc::new(Cell { name, ty, kind, hot: HotSlot::new(Arc::new(Live::Open(open))) })
}

/// Refuses if anybody but the table holds the symbol.
fn in_use(old: &Arc<Cell>, new: &Generation, found: String) -> Result<(), OpenError> {
    if Arc::strong_count(old) == 1 {
        return Ok(());
    }
    let (path, symbol) = (new.path.clone(), old.name.to_string());
    Err(OpenError::Symbol { path, symbol, expected: old.description(), found })
}

fn gone(cell: &Cell) -> CallError {
    CallError::Closed { reason: format!("a reload has replaced `{}`", cell.name) }
}
