//! An instance whose calls are supervised.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::schema::Descriptor;
use jackfield_core::{BoxFuture, CallError, Instance, Lane, Load, LoadErrorKind, Unloaded};

use super::channel::SupervisedChannel;
use super::supervisor::Tenure;

/// An instance whose calls are supervised. It is the one place where that begins: whatever is swapped into a slot came
/// from here.
#[derive(Debug)]
pub(super) struct Supervised {
    instance: Box<dyn Instance>,
    tenure: Arc<Tenure>,
}

impl Supervised {
    pub(super) fn new(instance: Box<dyn Instance>, tenure: Arc<Tenure>) -> Self {
        Self { instance, tenure }
    }

    fn supervise(&self, lane: Lane) -> Lane {
        match lane {
            Lane::Channel(channel) => {
                Lane::Channel(Arc::new(SupervisedChannel::new(channel, self.tenure.clone())))
            }
            // A call into this process is only counted: it must not write what another thread's call writes.
            Lane::Bound(bound) => Lane::Bound(bound.counted_by(self.tenure.tally())),
            lane => lane,
        }
    }
}

impl Instance for Supervised {
    fn lane(&self) -> Lane {
        self.supervise(self.instance.lane())
    }

    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        self.instance.interfaces()
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        Box::pin(async { self.instance.interface(load).await.map(|lane| self.supervise(lane)) })
    }

    fn process(&self) -> Option<u32> {
        self.instance.process()
    }

    fn reattach(&self) -> Option<String> {
        self.instance.reattach()
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        self.instance.closed()
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        self.instance.unload(deadline)
    }
}
