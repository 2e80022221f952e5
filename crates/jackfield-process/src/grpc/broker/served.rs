//! Holds one served number of a broker.

use tokio::sync::oneshot;

/// A number that this side serves. Dropping it lets the calls that were begun end, and takes no more.
#[derive(Debug)]
#[must_use = "dropping it ends what it serves"]
pub struct Served {
    id: u32,
    lasts: oneshot::Sender<()>,
}

impl Served {
    /// The guard, and what ends with it.
    pub(super) fn new(id: u32) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (lasts, lasting) = oneshot::channel();
        let dropped = async {
            if lasting.await.is_ok() {
                std::future::pending().await
            }
        };
        (Self { id, lasts }, dropped)
    }

    /// The number, which the other side must be told.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Serves as long as the host and the plugin are connected.
    pub fn keep(self) {
        // It ended already if nobody is there to hear it.
        let _heard = self.lasts.send(());
    }
}
