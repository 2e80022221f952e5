//! A plugin for a host with a proto of its own: it counts in files, and lets the host do the sums.

use std::process::ExitCode;

use counter::proto::add_helper_client::AddHelperClient;
use counter::proto::counter_server::{Counter, CounterServer};
use counter::proto::peer_server::{Peer, PeerServer};
use counter::proto::{
    Chunk, Empty, GetRequest, GetResponse, OpenRequest, OpenResponse, PutRequest, Size, SumRequest,
};
use counter::{DESCRIPTORS, MAX_MESSAGE, handshake};
use jackfield_plugin::{Broker, ServeConfig, Services};
use serde::{Deserialize, Serialize};
use tokio_stream::Iter;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

fn main() -> ExitCode {
    ServeConfig::new(handshake()).services(services).serve()
}

fn services(broker: &Broker) -> Services {
    let peer = PeerServer::new(Streams { broker: broker.clone() });
    let peer = peer.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
    let routes = Routes::new(CounterServer::new(Files { broker: broker.clone() })).add_service(peer);
    Services::from(routes).described_by(DESCRIPTORS)
}

/// Counters, each of which is a file.
struct Files {
    broker: Broker,
}

#[derive(Default, Deserialize, Serialize)]
struct Record {
    #[serde(rename = "Value")]
    value: i64,
}

impl Record {
    fn read(key: &str) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(format!("kv_{key}"))?)?)
    }

    fn write(&self, key: &str) -> std::io::Result<()> {
        std::fs::write(format!("kv_{key}"), serde_json::to_vec(self)?)
    }
}

#[tonic::async_trait]
impl Counter for Files {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let record = Record::read(&request.get_ref().key)?;
        Ok(Response::new(GetResponse { value: record.value }))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<Empty>, Status> {
        let PutRequest { add_server, key, value } = request.into_inner();
        let host = self.broker.dial(add_server).await;
        let host = host.map_err(|error| Status::unavailable(error.to_string()))?;
        let before = Record::read(&key).unwrap_or_default();
        let sum = AddHelperClient::new(host).sum(SumRequest { a: before.value, b: value }).await?;
        Record { value: sum.into_inner().r }.write(&key)?;
        Ok(Response::new(Empty {}))
    }
}

/// What the original example does not show: streams, and an object that the host calls.
struct Streams {
    broker: Broker,
}

#[tonic::async_trait]
impl Peer for Streams {
    async fn open(&self, request: Request<OpenRequest>) -> Result<Response<OpenResponse>, Status> {
        let id = self.broker.next_id();
        let opened = Opened { prefix: request.into_inner().key };
        let served = self.broker.serve(id, Routes::new(CounterServer::new(opened))).await;
        served.map_err(|error| Status::unavailable(error.to_string()))?.keep();
        Ok(Response::new(OpenResponse { counter_server: id }))
    }

    async fn blob(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Size>, Status> {
        let mut chunks = request.into_inner();
        let mut count = 0;
        while let Some(chunk) = chunks.message().await? {
            count += chunk.data.len() as i64;
        }
        Ok(Response::new(Size { count }))
    }

    type DownloadStream = Iter<Chunks>;

    async fn download(&self, request: Request<Size>) -> Result<Response<Self::DownloadStream>, Status> {
        let count = usize::try_from(request.get_ref().count).unwrap_or_default();
        let chunk = Chunk { data: vec![b'x'; 1024].into() };
        let chunks: Chunks = Box::new(std::iter::repeat_n(chunk, count).map(Ok));
        Ok(Response::new(tokio_stream::iter(chunks)))
    }

    type EchoStream = Streaming<Chunk>;

    async fn echo(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Self::EchoStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

type Chunks = Box<dyn Iterator<Item = Result<Chunk, Status>> + Send>;

/// A counter whose values are the lengths of its keys.
struct Opened {
    prefix: String,
}

#[tonic::async_trait]
impl Counter for Opened {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let value = (self.prefix.len() + request.get_ref().key.len()) as i64;
        Ok(Response::new(GetResponse { value }))
    }

    async fn put(&self, _: Request<PutRequest>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("this counter cannot be set"))
    }
}
