//! What Go's own hosts and plugins said to each other, byte for byte: `cargo xtask capture` records it.

mod exchange;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jackfield_core::{BoxFuture, CallOptions, Channel, Code, Error, Lane, Method, Parcel, Slot, interface};
use prost::Message;

use self::exchange::{Call, Exchange, MAIN, run};
use super::generated::go_plugin::conn_info::Knock;
use super::generated::go_plugin::{ConnInfo, StdioData, stdio_data};
use super::generated::health::health_check_response::ServingStatus;
use super::generated::health::{HealthCheckRequest, HealthCheckResponse};
use super::status::{self, Refusal};
use crate::handshake::{
    Announcement, Handshake, HostOffer, Multiplexing, MultiplexingOffer, PORTS, PluginOffer,
};

const NAMES: [&str; 5] = ["kv", "callback", "callback-multiplexed", "object", "object-multiplexed"];

/// The one call of this path.
fn only<'a>(calls: &'a [Call], path: &str) -> &'a Call {
    let mut found = calls.iter().filter(|call| call.path == path);
    let call = found.next().unwrap_or_else(|| panic!("no `{path}` in {calls:#?}"));
    assert!(found.next().is_none(), "more than one `{path}`");
    call
}

/// Reads a message, which must be what we write.
fn message<M: Message + Default>(bytes: &Bytes) -> M {
    let message = M::decode(bytes.clone()).unwrap();
    assert_eq!(message.encode_to_vec(), *bytes);
    message
}

#[test]
fn the_environment_is_read_and_is_what_we_set() {
    for name in NAMES {
        let exchange = Exchange::read(name);
        let environment = &exchange.environment;
        let (offer, invalid) = PluginOffer::read(|key| environment.get(key).map(OsString::from));
        assert!(invalid.is_empty(), "{name}");
        assert_eq!((offer.versions, &offer.ports), (vec![1], &PORTS));
        let (multiplexing, wanted) = match exchange.is_multiplexed() {
            true => (Multiplexing::On, MultiplexingOffer::Wanted),
            false => (Multiplexing::Off, MultiplexingOffer::Silent),
        };
        assert_eq!(offer.multiplexing, wanted, "{name}");

        let ours = HostOffer {
            handshake: &Handshake::new(1, "COOKIE", "of the application"),
            versions: &[1],
            certificate: None,
            socket_directory: None,
            socket_group: None,
            ports: &PORTS,
            multiplexing,
        };
        let ours = ours.variables().into_iter().filter(|(key, _)| key != "COOKIE");
        let ours = ours.map(|(key, value)| (key.into_string().unwrap(), value.into_string().unwrap()));
        assert_eq!(ours.collect::<BTreeMap<_, _>>(), *environment, "{name}");
    }
}

#[test]
fn the_line_is_read_and_is_what_we_write() {
    for name in NAMES {
        let Exchange { line, environment, .. } = Exchange::read(name);
        let announcement: Announcement = line.parse().unwrap();
        assert_eq!(announcement.to_string(), line);
        assert_eq!(announcement.version, 1);
        assert_eq!(announcement.multiplexing.is_some(), environment.contains_key("PLUGIN_MULTIPLEX_GRPC"));
    }
}

/// The interface of the recorded plugin.
#[interface(service = "proto.KV", version = "1.0")]
trait Kv {
    async fn put(&self, key: &str, value: Bytes) -> Result<(), Error>;
    async fn get(&self, key: &str) -> Result<Bytes, Error>;
}

/// Answers as it was recorded, and keeps what it is asked.
#[derive(Debug)]
struct Record {
    asked: Mutex<Vec<(&'static str, Bytes)>>,
    answers: Mutex<VecDeque<Result<Parcel, Error>>>,
}

impl Channel for Record {
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let answer = self.call_blocking(method, request, options);
        Box::pin(async move { answer })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        _: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        self.asked.lock().unwrap().push((method.path, request.bytes));
        self.answers.lock().unwrap().pop_front().unwrap()
    }
}

/// The error of a call, as a host of ours makes it of the status.
fn answer(call: &Call) -> Result<Parcel, Error> {
    match &call.end {
        Ok(()) => Ok(call.responses[0].clone().into()),
        Err(status) => match status::read(status.clone(), &call.path) {
            Refusal::Answered(error) => Err(error),
            Refusal::Broken(words) => panic!("{words}"),
        },
    }
}

#[test]
fn a_trait_says_what_go_said_and_understands_the_answers() {
    let calls = Exchange::read("kv").calls().remove(&MAIN).unwrap();
    let of_kv = || calls.iter().filter(|call| call.path.starts_with("/proto.KV/"));
    let answers = of_kv().map(answer).collect();
    let record = Arc::new(Record { asked: Mutex::default(), answers: Mutex::new(answers) });
    let lane = Lane::Channel(Arc::clone(&record) as Arc<dyn Channel>);
    let kv = Arc::new(Slot::new::<dyn Kv>(lane)).handle::<dyn Kv>().unwrap();
    run(async {
        kv.put("hello", Bytes::from_static(b"world")).await.unwrap();
        assert_eq!(kv.get("hello").await.unwrap(), "world\n\nWritten from plugin-go-grpc");
        let Err(Error::Plugin(failure)) = kv.get("missing").await else { panic!() };
        assert_eq!(failure.code(), Code::UNKNOWN);
        assert_eq!(failure.message(), "open kv_missing: no such file or directory");
        kv.put("__stdout", Bytes::from_static(b"hello-stdout\n")).await.unwrap();
        kv.put("__stderr", Bytes::from_static(b"hello-stderr\n")).await.unwrap();
    });
    let said: Vec<_> = of_kv().map(|call| (call.path.as_str(), call.requests[0].clone())).collect();
    assert_eq!(*record.asked.lock().unwrap(), said);
}

#[test]
fn health_stdio_and_the_controller_are_understood() {
    let calls = Exchange::read("kv").calls().remove(&MAIN).unwrap();
    let check = only(&calls, "/grpc.health.v1.Health/Check");
    let request: HealthCheckRequest = message(&check.requests[0]);
    assert_eq!(request.service, "plugin");
    let response: HealthCheckResponse = message(&check.responses[0]);
    assert_eq!(response.status(), ServingStatus::Serving);

    let stdio = only(&calls, "/plugin.GRPCStdio/StreamStdio");
    assert_eq!(stdio.requests, [Bytes::new()]);
    let pieces = stdio.responses.iter().map(message::<StdioData>);
    let printed: Vec<_> = pieces.map(|piece| (piece.channel(), piece.data)).collect();
    let [out, err] = ["hello-stdout\n", "hello-stderr\n"].map(Bytes::from);
    assert_eq!(printed, [(stdio_data::Channel::Stdout, out), (stdio_data::Channel::Stderr, err)]);

    assert_eq!(only(&calls, "/plugin.GRPCController/Shutdown").requests, [Bytes::new()]);
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(uint32, tag = "1")]
    add_server: u32,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(int64, tag = "3")]
    value: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sum {
    #[prost(int64, tag = "1")]
    first: i64,
    #[prost(int64, tag = "2")]
    second: i64,
}

/// What the two brokers said, the host's words first.
fn brokers(calls: &[Call]) -> [Vec<ConnInfo>; 2] {
    let call = only(calls, "/plugin.GRPCBroker/StartStream");
    [&call.requests, &call.responses].map(|messages| messages.iter().map(message).collect())
}

#[test]
fn the_brokers_name_sockets() {
    for (name, path, speaker) in [("callback", "/proto.Counter/Put", 0), ("object", "/proto.Peer/Open", 1)] {
        let calls = Exchange::read(name).calls().remove(&MAIN).unwrap();
        let said = brokers(&calls);
        let [info] = &said[speaker][..] else { panic!("{name}: {said:?}") };
        assert_eq!((info.service_id, info.network.as_str(), &info.knock), (1, "unix", &None));
        assert!(info.address.starts_with("/tmp/plugin"), "{info:?}");
        assert!(said[1 - speaker].is_empty(), "{name}: {said:?}");
        assert!(only(&calls, path).end.is_ok());
    }
    let calls = Exchange::read("callback").calls().remove(&MAIN).unwrap();
    let put: PutRequest = message(&only(&calls, "/proto.Counter/Put").requests[0]);
    assert_eq!(put, PutRequest { add_server: 1, key: "c".to_owned(), value: 1 });
}

#[test]
fn over_one_socket_the_brokers_knock_and_the_other_side_opens() {
    let knock = |ack| {
        let knock = Knock { knock: true, ack, error: String::new() };
        vec![ConnInfo { service_id: 1, knock: Some(knock), ..ConnInfo::default() }]
    };
    // The plugin dials what the host serves, on a stream that the plugin opens.
    let mut calls = Exchange::read("callback-multiplexed").calls();
    assert_eq!(brokers(&calls.remove(&MAIN).unwrap()), [knock(true), knock(false)]);
    let (stream, calls) = calls.pop_first().unwrap();
    assert_eq!(stream % 2, 0);
    let sum = only(&calls, "/proto.AddHelper/Sum");
    assert_eq!(message::<Sum>(&sum.requests[0]), Sum { first: 0, second: 1 });
    assert_eq!(message::<Sum>(&sum.responses[0]), Sum { first: 1, second: 0 });

    // The host dials what the plugin serves.
    let mut calls = Exchange::read("object-multiplexed").calls();
    assert_eq!(brokers(&calls.remove(&MAIN).unwrap()), [knock(false), knock(true)]);
    let (stream, calls) = calls.pop_first().unwrap();
    assert_eq!(stream % 2, 1);
    let got = only(&calls, "/proto.Counter/Get");
    assert_eq!(message::<Sum>(&got.responses[0]).first, 4);
}
