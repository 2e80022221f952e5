//! A plugin that is called through what `tonic` generates, and what it says of itself.

use std::time::{Duration, Instant};

use jackfield_process::{BrokerError, GrpcChannel, ProcessBackend, ProcessPlugin};
use rustix::process::{Pid, Signal, kill_process};
use tonic::client::Grpc;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::calls::run;
use crate::peers::{Go, handshake, our_plugin};

#[derive(Clone, PartialEq, prost::Message)]
struct GetRequest {
    #[prost(string, tag = "1")]
    key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) value: jackfield_core::Bytes,
}

pub(crate) async fn get(channel: GrpcChannel, key: &str) -> Result<GetResponse, Status> {
    let mut client = Grpc::new(channel);
    client.ready().await?;
    let request = Request::new(GetRequest { key: key.to_owned() });
    let path = http::uri::PathAndQuery::from_static("/proto.KV/Get");
    let codec: ProstCodec<GetRequest, GetResponse> = ProstCodec::default();
    client.unary(request, path, codec).await.map(tonic::Response::into_inner)
}

fn plugins(backend: &ProcessBackend) -> Vec<ProcessPlugin> {
    let ours = ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend);
    let mut plugins = vec![ours.clone(), ours.auto_mtls().multiplex()];
    if Go::is_here() {
        plugins.extend([Go::Newest.plugin(backend), Go::Newest.plugin(backend).multiplex()]);
    }
    plugins
}

#[test]
fn a_raw_plugin_answers_generated_clients_until_it_stops() {
    let backend = ProcessBackend::start().unwrap();
    for plugin in plugins(&backend) {
        run(async {
            let running = plugin.start("kv").await.unwrap();
            for _ in 0..2 {
                running.ping(Duration::from_secs(5)).await.unwrap();
            }
            let pid = get(running.channel(), "__pid").await.unwrap().value;
            assert_eq!(str::from_utf8(&pid).unwrap(), running.pid().unwrap().to_string());
            let (channel, broker) = (running.channel(), running.broker());
            assert_eq!(running.stop(Duration::from_secs(2)).await.to_string(), "exited (exit status: 0)");
            assert_eq!(get(channel, "__pid").await.unwrap_err().code(), Code::Unavailable);
            assert!(matches!(broker.dial(1).await, Err(BrokerError::Closed)));
        });
    }
}

#[test]
fn a_raw_call_says_how_the_plugin_ended_and_when() {
    let backend = ProcessBackend::start().unwrap();
    for plugin in plugins(&backend) {
        run(async {
            let running = plugin.start("kv").await.unwrap();
            let pid = Pid::from_raw(running.pid().unwrap() as i32).unwrap();
            let kill = async {
                get(running.channel(), "__pid").await.unwrap();
                kill_process(pid, Signal::KILL).unwrap();
                Instant::now()
            };
            let (ended, killed) = tokio::join!(get(running.channel(), "__sleep"), kill);
            let status = ended.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable);
            assert!(status.message().contains("signal: 9 (SIGKILL)"), "{status}");
            assert!(killed.elapsed() < Duration::from_secs(1));
            assert!(running.closed().await.to_string().contains("signal: 9 (SIGKILL)"));
            running.ping(Duration::from_secs(1)).await.unwrap_err();
        });
    }
}

#[test]
fn a_number_that_nobody_serves_is_given_up_after_five_seconds() {
    let backend = ProcessBackend::start().unwrap();
    let plugins = plugins(&backend);
    run(async {
        let dials = plugins.iter().map(async |plugin| {
            let running = plugin.start("kv").await.unwrap();
            let error = running.broker().dial(4711).await.unwrap_err();
            assert!(matches!(error, BrokerError::Timeout { id: 4711, .. }), "{error:?}");
            running.ping(Duration::from_secs(5)).await.unwrap();
        });
        futures_util::future::join_all(dials).await;
    });
}
