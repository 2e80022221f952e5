//! An instance whose calls are supervised.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::schema::Descriptor;
use jackfield_core::{BoxFuture, CallError, Description, Instance, Lane, Load, LoadErrorKind, Unloaded};

use super::channel::SupervisedChannel;
use super::supervisor::Tenure;

/// An instance whose calls are supervised. It is the one place where that begins: whatever is swapped into a slot came
/// from here.
#[derive(Debug)]
pub(super) struct Supervised {
    instance: Box<dyn Instance>,
    /// For which it was loaded.
    interface: Description,
    tenure: Arc<Tenure>,
}

impl Supervised {
    pub(super) fn new(instance: Box<dyn Instance>, interface: Description, tenure: Arc<Tenure>) -> Self {
        Self { instance, interface, tenure }
    }

    fn supervise(&self, lane: Lane, interface: Description) -> Lane {
        let tenure = &self.tenure;
        match (lane, &tenure.alarms) {
            // It need not be stopped, and is only counted: it must not write what another thread's call writes.
            (Lane::Bound(bound), None) => Lane::Bound(bound.counted_by(tenure.tally())),
            (lane @ Lane::Bound(_), Some(timer)) => match lane.encoded(interface) {
                Lane::Channel(channel) => {
                    let channel = SupervisedChannel::new(channel, tenure.clone()).timed_by(timer.clone());
                    Lane::Channel(Arc::new(channel))
                }
                lane => lane,
            },
            (Lane::Channel(channel), _) => {
                Lane::Channel(Arc::new(SupervisedChannel::new(channel, tenure.clone())))
            }
            (lane, _) => lane,
        }
    }
}

impl Instance for Supervised {
    fn lane(&self) -> Lane {
        self.supervise(self.instance.lane(), self.interface)
    }

    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        self.instance.interfaces()
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        Box::pin(async {
            self.instance.interface(load).await.map(|lane| self.supervise(lane, load.interface))
        })
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
