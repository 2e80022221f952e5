//! Remembers what the other side serves until somebody here dials it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::grpc::generated::go_plugin::ConnInfo;

/// The numbers that the other side serves, each with one message, for some seconds.
#[derive(Debug)]
pub(super) struct Offers {
    by_id: watch::Sender<HashMap<u32, Offer>>,
}

#[derive(Debug)]
struct Offer {
    info: ConnInfo,
    arrived: Instant,
}

impl Offers {
    pub(super) fn new() -> Self {
        Self { by_id: watch::Sender::default() }
    }

    /// Takes a message of the other side. A second one for a number of which nobody has taken the first is lost,
    /// and so is one too many: the other side may be hostile.
    pub(super) fn put(&self, info: ConnInfo) {
        self.by_id.send_modify(|offers| {
            let expired = |offer: &Offer| offer.arrived.elapsed() >= PATIENCE;
            // Looking at all of them for each would make a flood costly.
            if offers.len() == MAX_OFFERS {
                offers.retain(|_, offer| !expired(offer));
            }
            if offers.get(&info.service_id).is_some_and(expired) {
                offers.remove(&info.service_id);
            }
            if offers.len() < MAX_OFFERS {
                offers.entry(info.service_id).or_insert(Offer { info, arrived: Instant::now() });
            }
        });
    }

    /// Waits for the message with number `id`, and takes it; `None` if it does not come in time.
    pub(super) async fn take(&self, id: u32) -> Option<ConnInfo> {
        timeout(PATIENCE, self.next(id)).await.ok()
    }

    /// Ends only with a message, or never.
    async fn next(&self, id: u32) -> ConnInfo {
        let mut offers = self.by_id.subscribe();
        loop {
            let mut taken = None;
            self.by_id.send_if_modified(|offers| {
                taken = offers.remove(&id);
                false
            });
            match taken {
                Some(Offer { info, arrived }) if arrived.elapsed() < PATIENCE => return info,
                // This table holds the sender itself, so a change is all that can come.
                _ => drop(offers.changed().await),
            }
        }
    }
}

/// How long either side waits for the other, as in Go.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const MAX_OFFERS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn info(service_id: u32, address: &str) -> ConnInfo {
        ConnInfo { service_id, address: address.to_owned(), ..ConnInfo::default() }
    }

    #[tokio::test]
    async fn each_number_finds_its_own_message_whoever_comes_first() {
        let offers = Offers::new();
        offers.put(info(1, "early"));
        offers.put(info(1, "lost"));
        let late = async {
            tokio::task::yield_now().await;
            offers.put(info(2, "late"));
        };
        let (second, first, ()) = tokio::join!(offers.take(2), offers.take(1), late);
        assert_eq!(first.unwrap().address, "early");
        assert_eq!(second.unwrap().address, "late");
    }

    #[tokio::test]
    async fn a_flood_of_numbers_is_bounded() {
        let offers = Offers::new();
        for id in 0..2 * MAX_OFFERS as u32 {
            offers.put(info(id, ""));
        }
        assert!(offers.by_id.borrow().len() <= MAX_OFFERS);
    }
}
