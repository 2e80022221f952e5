//! Connections that live on the callers' own runtimes, so that an answer need not wake another thread first.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, Id};
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;

use crate::grpc::{Connection, Executor};
use crate::start::Started;

/// One further connection to a plugin for each runtime that calls it.
#[derive(Default)]
pub(crate) struct Lanes {
    by_runtime: Mutex<HashMap<Id, Arc<OnceCell<Option<Lane>>>>>,
}

impl Lanes {
    /// The connection of the runtime in which this is polled; made on the first call.
    ///
    /// `None` outside of a runtime, or if no further connection could be made or it has ended.
    pub(crate) async fn here(&self, started: &Started) -> Option<Connection> {
        let runtime = Handle::try_current().ok()?;
        let lane = self.cell(&runtime);
        let lane = lane.get_or_init(|| Lane::open(&runtime, started)).await.as_ref()?;
        (!lane.connection.is_closed()).then(|| lane.connection.clone())
    }

    fn cell(&self, runtime: &Handle) -> Arc<OnceCell<Option<Lane>>> {
        // Nothing panics under the lock.
        let mut lanes = self.by_runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&runtime.id()) {
            return Arc::clone(lane);
        }
        // Runtimes come and go; the lanes of those that went are closed.
        lanes.retain(|_, lane| lane.get().is_none_or(Lane::is_open));
        Arc::clone(lanes.entry(runtime.id()).or_default())
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").finish_non_exhaustive()
    }
}

/// One of them; it ends when this is dropped.
struct Lane {
    connection: Connection,
    driver: AbortHandle,
}

impl Lane {
    async fn open(runtime: &Handle, started: &Started) -> Option<Self> {
        let connected = match started.target.connect(Executor::Here).await {
            Ok(connected) => connected,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "no further connection to a plugin; calls go over the first");
                return None;
            }
        };
        let (driver, cutter, died) = (connected.driver, connected.cutter, started.child.died());
        // What the plugin answered before its death can still be read after the cut. Nothing here waits for a
        // clock, which the runtime may not have.
        let driver = runtime.spawn(async move {
            let mut driver = std::pin::pin!(driver);
            tokio::select! {
                () = &mut driver => {}
                _ = died => {
                    cutter.cut();
                    driver.await;
                }
            }
        });
        Some(Self { connection: connected.connection, driver: driver.abort_handle() })
    }

    fn is_open(lane: &Option<Self>) -> bool {
        lane.as_ref().is_some_and(|lane| !lane.connection.is_closed())
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
