//! The wire's own services beside the plugin's: health, reflection, controller, stdio, broker.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::{Mutex, watch};
use tonic::{Request, Response, Status, Streaming};

use super::kept::Pieces;
use super::named::Named;
use super::program::ended;
use crate::grpc::Broker;
use crate::grpc::generated::go_plugin::grpc_broker_server::{GrpcBroker, GrpcBrokerServer};
use crate::grpc::generated::go_plugin::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::grpc::generated::go_plugin::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use crate::grpc::generated::go_plugin::{ConnInfo, Empty, StdioData, stdio_data};
use crate::grpc::generated::health::health_check_response::ServingStatus;
use crate::grpc::generated::health::health_server::{Health, HealthServer};
use crate::grpc::generated::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};

/// What all of them but reflection need.
pub(super) struct WireServices {
    /// Says that the plugin should end.
    pub(super) ending: watch::Sender<bool>,
    /// Hears of it.
    pub(super) end: watch::Receiver<bool>,
    /// What the plugin prints.
    pub(super) printed: Pieces,
    /// This side's broker.
    pub(super) broker: Broker,
}

impl WireServices {
    /// All of them.
    pub(super) fn named(self) -> Named {
        let Self { ending, end, printed, broker } = self;
        let stdio = Stdio { printed: Arc::new(Mutex::new(printed)), end: end.clone() };
        Named::default()
            .add(HealthServer::new(Healthy { end: end.clone() }))
            .add(GrpcBrokerServer::new(Rendezvous { broker, end }))
            .add(GrpcControllerServer::new(Controller { ending }))
            .add(GrpcStdioServer::new(stdio))
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Every plugin that answers is healthy.
struct Healthy {
    end: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Health for Healthy {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match status_of(&request.get_ref().service) {
            ServingStatus::Serving => Ok(Response::new(SERVING)),
            _ => Err(Status::not_found("unknown service")),
        }
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let statuses: HashMap<_, _> = SERVICES.map(|service| (service.to_owned(), SERVING)).into();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = Answers<HealthCheckResponse>;

    /// Says the status once; it does not change as long as the plugin lives.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let status = status_of(&request.get_ref().service).into();
        let first = stream::iter([Ok(HealthCheckResponse { status })]);
        let lasts = stream::pending().take_until(Box::pin(ended(self.end.clone())));
        Ok(Response::new(Box::pin(first.chain(lasts))))
    }
}

fn status_of(service: &str) -> ServingStatus {
    if SERVICES.contains(&service) { ServingStatus::Serving } else { ServingStatus::ServiceUnknown }
}

/// The names by which a host asks after the plugin as a whole.
const SERVICES: [&str; 2] = ["", "plugin"];
const SERVING: HealthCheckResponse = HealthCheckResponse { status: ServingStatus::Serving as i32 };

/// Ends the plugin when the host asks.
struct Controller {
    ending: watch::Sender<bool>,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.ending.send_replace(true);
        Ok(Response::new(Empty {}))
    }
}

/// Passes on what the plugin prints. Of two hosts that ask, one waits until the other is gone.
struct Stdio {
    printed: Arc<Mutex<Pieces>>,
    end: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    type StreamStdioStream = Answers<StdioData>;

    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        let printed = Arc::clone(&self.printed);
        let end = self.end.clone();
        let pieces = stream::unfold((printed, end), |(printed, end)| async {
            let data = next_piece(&printed, end.clone()).await?;
            let piece = StdioData { channel: stdio_data::Channel::Stdout.into(), data };
            Some((Ok(piece), (printed, end)))
        });
        Ok(Response::new(Box::pin(pieces)))
    }
}

/// What was printed before the end is passed on before the stream ends.
async fn next_piece(printed: &Mutex<Pieces>, end: watch::Receiver<bool>) -> Option<Bytes> {
    tokio::select! {
        biased;
        piece = async { printed.lock().await.next().await } => piece,
        () = ended(end) => None,
    }
}

/// The stream between the two brokers.
struct Rendezvous {
    broker: Broker,
    end: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl GrpcBroker for Rendezvous {
    type StartStreamStream = Answers<ConnInfo>;

    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        let broker = self.broker.clone();
        let heard = request.into_inner().take_while(|info| std::future::ready(info.is_ok()));
        let heard = heard.filter_map(move |info| {
            info.into_iter().for_each(|info| broker.hear(info));
            std::future::ready(None)
        });
        // At the end both halves end: a host that keeps its own open would keep the process waiting.
        let both = stream::select(self.broker.speech().map(Ok), heard);
        Ok(Response::new(Box::pin(both.take_until(Box::pin(ended(self.end.clone()))))))
    }
}
