//! The broker of one side, as its application holds it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tonic::service::Routes;

use super::error::BrokerError;
use super::feed::Feed;
use super::offers::{Offers, PATIENCE};
use super::served::Served;
use crate::grpc::generated::go_plugin::ConnInfo;
use crate::grpc::{Fate, GrpcChannel, Target};
use crate::handshake::Address;
use crate::serve::{Acceptor, Connections, Dispatch, Listener};
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
    /// What becomes of the other side.
    pub(crate) fate: Fate,
}

/// Where a broker puts its sockets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// In this directory; among the system's temporary files, if `None`.
    pub(crate) directory: Option<PathBuf>,
}

struct Inner {
    side: Brokered,
    last_id: AtomicU32,
    feed: Feed,
    offers: Offers,
    closed: watch::Sender<bool>,
}

impl Broker {
    pub(crate) fn new(side: Brokered) -> Self {
        let closed = watch::Sender::new(false);
        let inner =
            Inner { side, last_id: AtomicU32::new(0), feed: Feed::default(), offers: Offers::new(), closed };
        Self { inner: Arc::new(inner) }
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
        self.serve_dispatch(id, Dispatch::new(Vec::new(), routes)).await
    }

    /// Connects to what the other side serves under number `id`.
    ///
    /// # Errors
    /// If the other side does not serve it within five seconds, or cannot be reached there.
    pub async fn dial(&self, id: u32) -> Result<GrpcChannel, BrokerError> {
        let broker = self.clone();
        let dialing = self.inner.side.tasks.start(async move { broker.connect(id).await });
        dialing.await.unwrap_or(Err(BrokerError::Closed))
    }

    /// As [`serve`](Self::serve), with what the plugin's own services are made of.
    pub(crate) async fn serve_dispatch(&self, id: u32, dispatch: Dispatch) -> Result<Served, BrokerError> {
        let broker = self.clone();
        let serving = self.inner.side.tasks.start(async move { broker.listen(id, dispatch) });
        serving.await.unwrap_or(Err(BrokerError::Closed))
    }

    /// Takes a message of the other side.
    pub(crate) fn hear(&self, info: ConnInfo) {
        self.inner.offers.put(info);
    }

    /// What this side says, on a new stream.
    pub(crate) fn speech(&self) -> impl Stream<Item = ConnInfo> + Send + use<> {
        stream::unfold(self.inner.feed.open(), async |mut feed| Some((feed.recv().await?, feed)))
    }

    /// Ends all that it serves and all that it dialed.
    pub(crate) fn close(&self) {
        self.inner.closed.send_replace(true);
    }

    fn listen(&self, id: u32, dispatch: Dispatch) -> Result<Served, BrokerError> {
        let side = &self.inner.side;
        if *self.inner.closed.borrow() {
            return Err(BrokerError::Closed);
        }
        let listener = Listener::bind(side.place.directory.as_deref());
        let listener = listener.map_err(|source| BrokerError::Listen { id, source })?;
        let acceptor = side.tls.as_ref().map_or(Acceptor::Plain, |tls| Arc::clone(&tls.accept).into());
        self.inner.feed.say(describe(id, &listener.address()));
        let (served, dropped) = Served::new(id);
        let closed = self.closed();
        side.tasks.keep(async move {
            let (ending, end) = watch::channel(false);
            let mut connections = Connections::new(acceptor, Arc::new(dispatch), end);
            tokio::select! {
                () = connections.accept_from(&listener) => {}
                () = dropped => {}
                () = closed => {}
            }
            drop(listener);
            ending.send_replace(true);
            connections.finish().await;
        });
        Ok(served)
    }

    async fn connect(&self, id: u32) -> Result<GrpcChannel, BrokerError> {
        let side = &self.inner.side;
        let info = tokio::select! {
            info = self.inner.offers.take(id) => info.ok_or(BrokerError::Timeout { id, patience: PATIENCE })?,
            () = self.closed() => return Err(BrokerError::Closed),
        };
        let target = Target { address: address(&info)?, tls: side.tls.clone() };
        let connected = target.connect().await.map_err(|source| BrokerError::Connect { id, source })?;
        let closed = self.closed();
        side.tasks.keep(async move {
            tokio::select! {
                () = connected.driver => {}
                () = closed => connected.cutter.cut(),
            }
        });
        Ok(GrpcChannel::new(connected.connection, side.fate.clone()))
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

fn address(info: &ConnInfo) -> Result<Address, BrokerError> {
    Address::parse(&info.network, &info.address)
        .map_err(|_| BrokerError::Address { network: info.network.clone(), address: info.address.clone() })
}
