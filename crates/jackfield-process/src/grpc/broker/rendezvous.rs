//! The broker of one side, as its application holds it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use jackfield_core::Service;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;

use super::error::BrokerError;
use super::feed::Feed;
use super::offers::{Offers, PATIENCE};
use super::served::Served;
use crate::fate::Fate;
use crate::grpc::connect::{open, start_http, stream};
use crate::grpc::generated::go_plugin::ConnInfo;
use crate::grpc::generated::go_plugin::conn_info::Knock;
use crate::grpc::{ConnectError, Connection, Executor, GrpcChannel, Limit, Mux};
use crate::handshake::Address;
use crate::runner::Translator;
use crate::serve::{Accept, Acceptor, Connections, Dispatch, Listener, Named, Place};
use crate::tasks::Tasks;
use crate::tls::TlsConfig;

/// Makes further connections between a host and its plugin: a handle, whose clones share the numbers.
///
/// A side that wants to be called takes a number, serves it, and tells the other side the number in a call of
/// its own making; the other side dials it. Each side counts for itself, so both may use the same number.
/// The connections are encrypted as the main one is.
///
/// All of it may be awaited on any executor, and given up at any time.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

/// What a broker needs to know of its side.
pub(crate) struct Brokered {
    /// Where its connections live.
    pub(crate) tasks: Tasks,
    /// Where it listens.
    pub(crate) place: Place,
    /// What it speaks there.
    pub(crate) tls: Option<TlsConfig>,
    /// What its sockets are called on the other side.
    pub(crate) translator: Option<Translator>,
    /// What becomes of the other side.
    pub(crate) fate: Fate,
    /// The streams over the one socket, if the two multiplex.
    pub(crate) mux: Option<Arc<Mux>>,
    /// How large a message of its calls may be.
    pub(crate) limit: Limit,
}

struct Inner {
    side: Brokered,
    last_id: AtomicU32,
    feed: Feed,
    offers: Offers,
    opened: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

/// How long a number is served.
#[derive(Debug, Clone, Copy)]
enum Lasts {
    UntilDropped,
    WhileConnected,
}

impl Broker {
    pub(crate) fn new(side: Brokered) -> Self {
        let (feed, offers) = (Feed::default(), Offers::new());
        let (opened, closed) = (watch::Sender::new(false), watch::Sender::new(false));
        let last_id = AtomicU32::new(0);
        Self { inner: Arc::new(Inner { side, last_id, feed, offers, opened, closed }) }
    }

    /// A number that this side has not used yet: 1, 2 and so on.
    pub fn next_id(&self) -> u32 {
        self.inner.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Serves `routes` under number `id`, until the guard is dropped or the broker closes.
    ///
    /// # Errors
    /// If no socket can be made, or the broker is closed.
    pub async fn serve(&self, id: u32, routes: Routes) -> Result<Served, BrokerError> {
        let dispatch = Dispatch::new(Vec::new(), self.clone()).with(Named::default(), Some(routes));
        self.serve_dispatch(id, dispatch).await
    }

    /// Connects to what the other side serves under number `id`.
    ///
    /// # Errors
    /// If the other side does not serve it within five seconds, or cannot be reached there.
    pub async fn dial(&self, id: u32) -> Result<GrpcChannel, BrokerError> {
        let connection = self.connect_to(id).await?;
        Ok(GrpcChannel::new(connection, self.fate().clone()))
    }

    /// As [`dial`](Self::dial), for calls that are not made by generated clients.
    pub(crate) async fn connect_to(&self, id: u32) -> Result<Connection, BrokerError> {
        let broker = self.clone();
        let (dialed, dialing) = oneshot::channel();
        // A dial that was begun goes on if it is given up here: the other side keeps the next stream for who knocked.
        self.tasks().keep(async move {
            // Nobody may want it any more.
            let _wanted = dialed.send(broker.connect(id).await);
        });
        dialing.await.unwrap_or(Err(BrokerError::Closed))
    }

    /// Serves an object under a new number, for as long as the other side holds it: from when it connects, which must be
    /// within a minute, to when it closes its last connection.
    pub(crate) async fn serve_object(&self, object: Service) -> Result<u32, BrokerError> {
        let id = self.next_id();
        let dispatch = Dispatch::new(vec![object], self.clone());
        let broker = self.clone();
        let serving = self.tasks().start(async move { broker.listen(id, dispatch, Lasts::WhileConnected) });
        serving.await.unwrap_or(Err(BrokerError::Closed))?.keep();
        Ok(id)
    }

    /// What becomes of the other side.
    pub(crate) fn fate(&self) -> &Fate {
        &self.inner.side.fate
    }

    /// How large a message may be.
    pub(crate) fn limit(&self) -> Limit {
        self.inner.side.limit
    }

    /// Where the connections live.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.inner.side.tasks
    }

    /// As [`serve`](Self::serve), with what the plugin's own services are made of.
    pub(crate) async fn serve_dispatch(&self, id: u32, dispatch: Dispatch) -> Result<Served, BrokerError> {
        let broker = self.clone();
        let serving = self.tasks().start(async move { broker.listen(id, dispatch, Lasts::UntilDropped) });
        serving.await.unwrap_or(Err(BrokerError::Closed))
    }

    /// Takes a message of the other side.
    pub(crate) fn hear(&self, info: ConnInfo) {
        match (&self.inner.side.mux, &info.knock) {
            (Some(mux), Some(knock)) if knock.knock && !knock.ack => {
                if mux.knock(info.service_id) {
                    self.inner.feed.say(acknowledgement(info.service_id));
                }
            }
            _ => self.inner.offers.put(info),
        }
    }

    /// What this side says, on a new stream.
    pub(crate) fn speech(&self) -> impl Stream<Item = ConnInfo> + Send + use<> {
        self.inner.opened.send_replace(true);
        stream::unfold(self.inner.feed.open(), async |mut feed| Some((feed.recv().await?, feed)))
    }

    /// Ends once the other side listens to what this one says.
    pub(crate) async fn opened(&self) {
        let mut opened = self.inner.opened.subscribe();
        // This broker holds the sender itself.
        let _opened = opened.wait_for(|opened| *opened).await;
    }

    /// Ends all that it serves and all that it dialed.
    pub(crate) fn close(&self) {
        self.inner.closed.send_replace(true);
    }

    fn listen(&self, id: u32, dispatch: Dispatch, lasts: Lasts) -> Result<Served, BrokerError> {
        let side = &self.inner.side;
        if *self.inner.closed.borrow() {
            return Err(BrokerError::Closed);
        }
        match &side.mux {
            Some(mux) => {
                let (door, knocked) = mux.open_door(id);
                if knocked {
                    self.inner.feed.say(acknowledgement(id));
                }
                Ok(self.accept_from(id, door, dispatch, lasts))
            }
            None => {
                let listener = Listener::bind(&side.place);
                let listener = listener.map_err(|source| BrokerError::Listen { id, source })?;
                let address = listener.address();
                let address = match &side.translator {
                    Some(translator) => translator.host_to_plugin(address),
                    None => address,
                };
                self.inner.feed.say(describe(id, &address));
                Ok(self.accept_from(id, listener, dispatch, lasts))
            }
        }
    }

    fn accept_from(
        &self,
        id: u32,
        mut source: impl Accept + 'static,
        dispatch: Dispatch,
        lasts: Lasts,
    ) -> Served {
        let side = &self.inner.side;
        let acceptor = side.tls.as_ref().map_or(Acceptor::Plain, |tls| Arc::clone(&tls.accept).into());
        let (served, dropped) = Served::new(id);
        let closed = self.closed();
        side.tasks.keep(async move {
            let (ending, end) = watch::channel(false);
            let mut connections = Connections::new(acceptor, Arc::new(dispatch), end);
            let accepting = async {
                match lasts {
                    Lasts::UntilDropped => connections.accept_from(&mut source).await,
                    Lasts::WhileConnected => connections.accept_while_used(&mut source, UNDIALED).await,
                }
            };
            tokio::select! {
                () = accepting => {}
                () = dropped => {}
                () = closed => {}
            }
            drop(source);
            ending.send_replace(true);
            connections.finish().await;
        });
        served
    }

    async fn connect(&self, id: u32) -> Result<Connection, BrokerError> {
        let side = &self.inner.side;
        let (socket, cutter) = match &side.mux {
            Some(mux) => {
                let turn = mux.turn().await;
                self.inner.feed.say(knock(id));
                admitted(id, self.offer(id).await?)?;
                stream(turn).await
            }
            None => {
                let address = address(&self.offer(id).await?)?;
                let address = match &side.translator {
                    Some(translator) => translator.plugin_to_host(address),
                    None => address,
                };
                open(&address).await
            }
        }
        .map_err(|error| BrokerError::Connect { id, source: ConnectError::Socket(error) })?;
        let connected = start_http(socket, cutter, side.tls.as_ref(), Executor::Of(side.tasks.clone())).await;
        let connected = connected.map_err(|source| BrokerError::Connect { id, source })?;
        let closed = self.closed();
        side.tasks.keep(async move {
            tokio::select! {
                () = connected.driver => {}
                () = closed => connected.cutter.cut(),
            }
        });
        Ok(connected.connection)
    }

    /// What the other side says of number `id`.
    async fn offer(&self, id: u32) -> Result<ConnInfo, BrokerError> {
        tokio::select! {
            info = self.inner.offers.take(id) => info.ok_or(BrokerError::Timeout { id, patience: PATIENCE }),
            () = self.closed() => Err(BrokerError::Closed),
        }
    }

    /// Ends when the broker closes.
    fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closed = self.inner.closed.subscribe();
        async move {
            // Nobody can close it any more if nobody holds it.
            if closed.wait_for(|closed| *closed).await.is_err() {
                std::future::pending().await
            }
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("closed", &*self.inner.closed.borrow()).finish_non_exhaustive()
    }
}

fn describe(service_id: u32, address: &Address) -> ConnInfo {
    let (network, address) = address.parts();
    ConnInfo { service_id, network: network.to_owned(), address, knock: None }
}

fn knock(service_id: u32) -> ConnInfo {
    let knock = Knock { knock: true, ..Knock::default() };
    ConnInfo { service_id, knock: Some(knock), ..ConnInfo::default() }
}

fn acknowledgement(service_id: u32) -> ConnInfo {
    let knock = Knock { knock: true, ack: true, ..Knock::default() };
    ConnInfo { service_id, knock: Some(knock), ..ConnInfo::default() }
}

fn admitted(id: u32, info: ConnInfo) -> Result<(), BrokerError> {
    match info.knock {
        Some(knock) if knock.knock && knock.ack && knock.error.is_empty() => Ok(()),
        Some(knock) => Err(BrokerError::Refused { id, reason: knock.error }),
        None => {
            Err(BrokerError::Refused { id, reason: "expected an acknowledgement, found a socket".to_owned() })
        }
    }
}

fn address(info: &ConnInfo) -> Result<Address, BrokerError> {
    Address::parse(&info.network, &info.address)
        .map_err(|_| BrokerError::Address { network: info.network.clone(), address: info.address.clone() })
}

/// How long an object waits for whom it was handed to. Over one socket a Go program dials one after the other, so that the
/// last of a hundred may have to wait for long.
const UNDIALED: Duration = Duration::from_secs(60);

/// Reads where the other side says that it listens.
#[cfg(fuzzing)]
pub(crate) fn fuzz_address(info: &ConnInfo) {
    let _address = address(info);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
