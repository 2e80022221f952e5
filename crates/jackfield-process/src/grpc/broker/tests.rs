//! Two brokers of ours, each of which hears what the other says.

use std::pin::pin;
use std::sync::atomic::AtomicU32;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::uri::PathAndQuery;
use tokio::io::duplex;
use tokio::time::{Instant, advance, timeout};
use tonic::{Request, Response, Status};

use super::*;
use crate::grpc::Target;
use crate::grpc::generated::go_plugin::Empty;
use crate::grpc::generated::go_plugin::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::serve::Named;
use crate::yamux::{self, Config, Role, Session};

/// A service that counts how often it is called.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

#[tonic::async_trait]
impl GrpcController for Counter {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(Empty {}))
    }
}

impl Counter {
    fn routes(&self) -> Routes {
        Routes::new(GrpcControllerServer::new(self.clone()))
    }

    /// Whether a call over `connection` arrives here.
    async fn answers(&self, connection: &Connection) -> bool {
        let before = self.0.load(Ordering::Relaxed);
        let path = PathAndQuery::from_static("/plugin.GRPCController/Shutdown");
        connection.unary(path, Bytes::new()).await.is_ok() && self.0.load(Ordering::Relaxed) == before + 1
    }
}

fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(
    future: F,
) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(future)
}

fn alone(mux: Option<Arc<Mux>>) -> Broker {
    let (tasks, kept) = Tasks::here();
    spawn(kept);
    let fate = Fate::of_host(tasks.clone());
    let (tls, translator, place) = (None, None, Place::default());
    Broker::new(Brokered { tasks, place, tls, translator, fate, mux, limit: Limit::default() })
}

fn connected() -> [Broker; 2] {
    introduce([alone(None), alone(None)])
}

fn multiplexed() -> [Broker; 2] {
    let (host, plugin) = duplex(1 << 16);
    let (host, driver) = yamux::session(host, Role::Client, Config::default());
    spawn(driver);
    let (plugin, driver) = yamux::session(plugin, Role::Server, Config::default());
    spawn(driver);
    introduce([host, plugin].map(|session| alone(Some(mux_of(session)))))
}

fn mux_of(session: Session) -> Arc<Mux> {
    let mux = Arc::new(Mux::default());
    mux.begin(session);
    let distributing = Arc::clone(&mux);
    spawn(async move { distributing.distribute(None).await });
    mux
}

fn introduce([host, plugin]: [Broker; 2]) -> [Broker; 2] {
    for (from, to) in [(&host, &plugin), (&plugin, &host)] {
        let (said, to) = (from.speech(), to.clone());
        spawn(said.for_each(move |info| {
            to.hear(info);
            std::future::ready(())
        }));
    }
    [host, plugin]
}

#[tokio::test(start_paused = true)]
async fn a_knock_before_the_number_is_served_is_honoured() {
    for [one, other] in [multiplexed(), turned(multiplexed())] {
        let (counter, dialing) = (Counter::default(), one.connect_to(7));
        let mut dialing = pin!(dialing);
        timeout(PATIENCE - SECOND, &mut dialing).await.unwrap_err();
        let _served = other.serve(7, counter.routes()).await.unwrap();
        assert!(counter.answers(&dialing.await.unwrap()).await);
    }
}

/// Whether it is served yet or not, and whoever else knocks elsewhere.
#[tokio::test(start_paused = true)]
async fn each_knock_at_a_number_is_a_connection_of_its_own() {
    for [one, other] in [multiplexed(), turned(multiplexed())] {
        let counter = Counter::default();
        let (neighbour, id, next) = (Counter::default(), 7, 8);
        let serving = async {
            other.serve(next, neighbour.routes()).await.unwrap().keep();
            other.serve(id, counter.routes()).await.unwrap().keep();
        };
        let (first, second, third, ()) =
            tokio::join!(one.connect_to(id), one.connect_to(id), one.connect_to(next), serving);
        let fourth = one.connect_to(id).await;
        for connection in [&first, &second, &fourth] {
            assert!(counter.answers(connection.as_ref().unwrap()).await);
        }
        assert!(neighbour.answers(&third.unwrap()).await);
    }
}

/// As a peer does that does not wait for its turn.
#[tokio::test(start_paused = true)]
async fn two_knocks_before_the_number_is_served_are_acknowledged_once() {
    let (socket, _other) = duplex(1 << 16);
    let (session, _driver) = yamux::session(socket, Role::Server, Config::default());
    let broker = alone(Some(mux_of(session)));
    let mut said = pin!(broker.speech());
    broker.hear(knock(7));
    broker.hear(knock(7));
    broker.serve(7, Routes::default()).await.unwrap().keep();
    let mut next = async || timeout(SECOND, said.next()).await;
    assert_eq!(next().await, Ok(Some(acknowledgement(7))));
    next().await.unwrap_err();
    // It is there now, so that each is.
    broker.hear(knock(7));
    broker.hear(knock(7));
    assert_eq!(next().await, Ok(Some(acknowledgement(7))));
    assert_eq!(next().await, Ok(Some(acknowledgement(7))));
}

/// In Go, too, whoever dials hears nothing of it but that the time is over.
#[tokio::test(start_paused = true)]
async fn a_knock_at_a_number_that_nobody_serves_ends_with_an_error() {
    for [one, other] in [multiplexed(), turned(multiplexed())] {
        let begun = Instant::now();
        let error = one.connect_to(9).await.unwrap_err();
        assert_eq!(begun.elapsed(), PATIENCE);
        assert!(matches!(error, BrokerError::Timeout { id: 9, patience: PATIENCE }), "{error:?}");
        assert!(error.to_string().starts_with(
            "expected the other side to serve number `9` of the broker within 5 s, found nobody\n(hint: serve"
        ));
        // The knock is forgotten, and its turn is over.
        let counter = Counter::default();
        other.serve(9, Routes::default()).await.unwrap().keep();
        other.serve(7, counter.routes()).await.unwrap().keep();
        assert!(counter.answers(&one.connect_to(7).await.unwrap()).await);
    }
}

/// What a host in Go answers to a knock for which it has no listener.
#[tokio::test(start_paused = true)]
async fn a_knock_that_is_refused_ends_with_the_others_words() {
    let (socket, _other) = duplex(1 << 16);
    let (session, _driver) = yamux::session(socket, Role::Client, Config::default());
    let broker = alone(Some(mux_of(session)));
    let mut said = pin!(broker.speech());
    let refusing = async {
        assert_eq!(said.next().await, Some(knock(9)));
        let words = "no listener for id 9".to_owned();
        let refusal = Knock { knock: true, ack: true, error: words };
        broker.hear(ConnInfo { service_id: 9, knock: Some(refusal), ..ConnInfo::default() });
    };
    let (error, ()) = tokio::join!(broker.connect_to(9), refusing);
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "the other side refused number `9` of the broker: no listener for id 9");
}

/// As a Go program's does, whose connections are closed when they were idle for long, and made again.
#[tokio::test]
async fn a_number_takes_several_connections_without_multiplexing() {
    for lasts in [Lasts::UntilDropped, Lasts::WhileConnected] {
        let (broker, counter) = (alone(None), Counter::default());
        let mut said = pin!(broker.speech());
        let dispatch =
            Dispatch::new(Vec::new(), broker.clone()).with(Named::default(), Some(counter.routes()));
        broker.listen(7, dispatch, lasts).unwrap().keep();
        let address = address(&said.next().await.unwrap()).unwrap();
        let target = Target { address, tls: None, mux: None };
        let connect = async || {
            let connected = target.connect(Executor::Of(broker.tasks().clone())).await.unwrap();
            (connected.connection, spawn(connected.driver), connected.cutter)
        };
        let answers = async |connection| {
            let answered = timeout(10 * SECOND, counter.answers(connection)).await;
            assert_eq!(answered, Ok(true), "{lasts:?}");
        };
        let [first, second] = [connect().await, connect().await];
        answers(&first.0).await;
        answers(&second.0).await;
        first.2.cut();
        first.1.await.unwrap();
        let third = connect().await;
        answers(&third.0).await;
        answers(&second.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_served_too_late_was_dialed_in_vain() {
    for [one, other] in [connected(), multiplexed(), turned(multiplexed())] {
        let (begun, counter) = (Instant::now(), Counter::default());
        let error = one.connect_to(7).await.unwrap_err();
        assert!(matches!(error, BrokerError::Timeout { id: 7, patience: PATIENCE }), "{error:?}");
        assert_eq!(begun.elapsed(), PATIENCE);
        let _served = other.serve(7, counter.routes()).await.unwrap();
        // Who dials now is in time.
        assert!(counter.answers(&one.connect_to(7).await.unwrap()).await);
    }
}

/// The other way round: what was served is known for so long.
#[tokio::test(start_paused = true)]
async fn a_number_that_is_dialed_too_late_is_forgotten_without_multiplexing() {
    for (age, is_known) in [(PATIENCE - SECOND, true), (PATIENCE + SECOND, false)] {
        let [one, other] = connected();
        let counter = Counter::default();
        let _served = other.serve(7, counter.routes()).await.unwrap();
        advance(age).await;
        assert_eq!(one.connect_to(7).await.is_ok(), is_known);
    }
}

/// The plugin's side dials the host's.
fn turned([host, plugin]: [Broker; 2]) -> [Broker; 2] {
    [plugin, host]
}

const SECOND: Duration = Duration::from_secs(1);
