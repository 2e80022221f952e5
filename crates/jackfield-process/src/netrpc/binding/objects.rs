//! The objects of calls over net/rpc: each has a stream of its own, which go-plugin's broker makes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jackfield_core::{CallError, Channel, Description, Service};

use super::channel::{Line, Pulse, RpcChannel};
use super::check::Carrier;
use super::outgoing::Arguments;
use super::service;
use crate::fate::Fate;
use crate::netrpc::plugin::{MuxBroker, NAME};
use crate::netrpc::{Bound, Gobs, Server, connect};
use crate::objects::Objects;
use crate::tasks::Tasks;

/// How the two sides of a connection find each other's objects, if they do.
#[derive(Debug, Clone)]
pub(crate) enum Exchange {
    /// Over further streams of the connection.
    Brokered(Brokerage),
    /// Not at all: there are no more than the two directions.
    #[cfg_attr(not(feature = "stdio"), expect(dead_code, reason = "only those plugins have no more"))]
    None,
}

/// One side's end of the exchange.
#[derive(Debug, Clone)]
pub(crate) struct Brokerage {
    /// What makes the streams.
    pub(crate) broker: Arc<MuxBroker>,
    /// Where the connections live.
    pub(crate) tasks: Tasks,
    /// Whose clock is that of the calls' deadlines.
    pub(crate) clock: Tasks,
    /// What becomes of the other side.
    pub(crate) fate: Fate,
}

impl Exchange {
    /// Whether objects can be carried.
    pub(super) fn carrier(&self) -> Carrier {
        match self {
            Self::Brokered(_) => Carrier::Brokered,
            Self::None => Carrier::Single,
        }
    }
}

impl Objects for Exchange {
    async fn serve(&self, object: Service) -> Result<u32, CallError> {
        match self {
            Self::Brokered(brokerage) => Ok(brokerage.serve(object)),
            Self::None => Err(no_broker()),
        }
    }

    async fn reach(&self, id: u32) -> Result<Arc<dyn Channel>, CallError> {
        match self {
            Self::Brokered(brokerage) => Ok(brokerage.reach(id).await?),
            Self::None => Err(no_broker()),
        }
    }
}

impl Brokerage {
    /// Serves an object until the other side closes its stream; one for which nobody comes is forgotten.
    pub(crate) fn serve(&self, object: Service) -> u32 {
        let id = self.broker.next_id();
        let objects = Exchange::Brokered(self.clone());
        let broker = Arc::clone(&self.broker);
        self.tasks.keep(async move {
            let served = async {
                let stream = broker.accept_object(id).await?;
                let server = service::serve(Server::new(Gobs), NAME, &[object], &objects);
                Ok::<_, io::Error>(server.serve(stream).await)
            };
            match served.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(id, %error, "the calls of an object ended"),
                Err(error) => tracing::debug!(id, %error, "nobody came for an object"),
            }
        });
        id
    }

    /// Reaches an object, for as long as what this returns is held. Any executor may wait for it.
    pub(crate) async fn reach(&self, id: u32) -> Result<Arc<dyn Channel>, CallError> {
        let this = self.clone();
        // It is called by methods that have their types with them.
        let interface = Description::any();
        let dialing =
            self.tasks.start(async move { this.dial(id, interface, HashMap::new(), Pulse::None).await });
        let unreached =
            |reason: String| CallError::Wire { reason: format!("the object {id} of the call: {reason}") };
        let dialed = dialing.await.map_err(|error| unreached(error.to_string()))?;
        dialed.map_err(|error| unreached(error.to_string()))
    }
}

impl Brokerage {
    /// Opens the stream of an object and gives what calls its interface. Must run where the connections live.
    pub(crate) async fn dial(
        &self,
        id: u32,
        interface: Description,
        arguments: HashMap<String, Arguments>,
        pulse: Pulse,
    ) -> io::Result<Arc<dyn Channel>> {
        let (client, connection) = connect(self.broker.dial(id).await?, Gobs);
        self.tasks.keep(async move { drop(connection.await) });
        let line = Line {
            interface,
            service: NAME.to_owned(),
            arguments,
            home: self.tasks.clone(),
            clock: self.clock.clone(),
            fate: self.fate.clone(),
            objects: Exchange::Brokered(self.clone()),
            pulse,
            is_asked_to_save: true,
            bound: Bound::default(),
        };
        Ok(Arc::new(RpcChannel::new(client, line)))
    }
}

fn no_broker() -> CallError {
    CallError::Wire { reason: "there are no objects over this connection, which has no broker".to_owned() }
}
