//! What can go wrong between the two ends of a brokered connection.

use std::io;
use std::time::Duration;

use crate::grpc::ConnectError;

/// A further connection between a host and its plugin could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// What the other side says of its socket makes no sense.
    #[error("expected a socket of network `unix` or `tcp`, found `{network}` with address `{address}`")]
    Address {
        /// The network it named.
        network: String,
        /// The address it gave.
        address: String,
    },
    /// The broker's end came first.
    #[error("the broker is closed, since the host and the plugin are no longer connected")]
    Closed,
    /// The other side serves the number, but cannot be reached there.
    #[error("failed to connect to number `{id}` of the broker")]
    Connect {
        /// The number.
        id: u32,
        /// What went wrong.
        source: ConnectError,
    },
    /// No socket could be made.
    #[error("failed to listen for number `{id}` of the broker")]
    Listen {
        /// The number.
        id: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The other side does not let this one in.
    #[error("the other side refused number `{id}` of the broker: {reason}")]
    Refused {
        /// The number.
        id: u32,
        /// Its words.
        reason: String,
    },
    /// The other side did not say in time that it serves the number.
    #[error(
        "expected the other side to serve number `{id}` of the broker within {} s, found nobody\n\
         (hint: serve a number within these seconds of telling it)", .patience.as_secs()
    )]
    Timeout {
        /// The number.
        id: u32,
        /// How long this side waited.
        patience: Duration,
    },
}
