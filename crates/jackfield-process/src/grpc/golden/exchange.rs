//! Reads what was recorded of a host and its plugin, each direction as the other side of ours does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::join_all;
use http::HeaderMap;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::body::Body;

use crate::grpc::connect::{Cutter, start_http};
use crate::grpc::http2::Executor;
use crate::grpc::limit::Limit;
use crate::grpc::message::Frames;
use crate::yamux::{Header, Kind};

/// What was recorded of one host with one plugin.
#[derive(Default)]
pub(super) struct Exchange {
    /// The variables of the plugin's environment that belong to the wire.
    pub(super) environment: BTreeMap<String, String>,
    /// What the plugin said on its first line.
    pub(super) line: String,
    /// What the host sent.
    host: Vec<u8>,
    /// What the plugin sent.
    plugin: Vec<u8>,
}

/// A call, as both sides said it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) path: String,
    pub(super) requests: Vec<Bytes>,
    pub(super) responses: Vec<Bytes>,
    pub(super) end: Result<(), Status>,
}

impl Exchange {
    pub(super) fn read(name: &str) -> Self {
        let file = format!("{}/../../fixtures/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let mut this = Self::default();
        for line in std::fs::read_to_string(file).unwrap().lines() {
            match line.split_once(' ').unwrap() {
                ("env", variable) => {
                    let (key, value) = variable.split_once('=').unwrap();
                    this.environment.insert(key.to_owned(), value.to_owned());
                }
                ("line", line) => line.clone_into(&mut this.line),
                (">", digits) => this.host.extend(bytes(digits)),
                ("<", digits) => this.plugin.extend(bytes(digits)),
                (mark, _) => assert_eq!(mark, "#"),
            }
        }
        this
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        self.environment.contains_key("PLUGIN_MULTIPLEX_GRPC")
    }

    /// The calls of each connection that went over the socket: of the main one, and of others by the stream's number.
    pub(super) fn calls(&self) -> BTreeMap<u32, Vec<Call>> {
        let connections = if self.is_multiplexed() {
            let (mut host, mut plugin) = (streams(&self.host), streams(&self.plugin));
            let take = |(id, host)| (id, host, plugin.remove(&id).unwrap());
            std::mem::take(&mut host).into_iter().map(take).collect()
        } else {
            vec![(MAIN, self.host.clone(), self.plugin.clone())]
        };
        let decoded = connections.into_iter().map(|(id, host, plugin)| {
            // Who opened the stream is who calls.
            let (asks, answers) = if id % 2 == 1 { (host, plugin) } else { (plugin, host) };
            (id, run(calls(asks, answers)))
        });
        decoded.collect()
    }
}

/// The number of the stream that is the main connection.
pub(super) const MAIN: u32 = 1;

fn bytes(digits: &str) -> impl Iterator<Item = u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
}

/// What one side sent on each stream of the one socket.
fn streams(mut bytes: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let mut streams = BTreeMap::<_, Vec<u8>>::new();
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let header = Header::decode(*head).unwrap();
        assert_eq!(header.encode(), *head);
        let length = if header.kind == Kind::Data { header.length as usize } else { 0 };
        let (data, rest) = rest.split_at(length);
        if header.stream != 0 {
            streams.entry(header.stream).or_default().extend(data);
        }
        bytes = rest;
    }
    assert!(bytes.is_empty());
    streams
}

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Reads both directions of a connection, each as the other side of ours does.
async fn calls(asks: Vec<u8>, answers: Vec<u8>) -> Vec<Call> {
    let asked = requests(&asks).await;
    let paths: Vec<_> = asked.iter().map(|(path, _)| path.as_str()).collect();
    let answered = responses(&paths, &answers).await;
    let calls = asked.into_iter().zip(answered);
    calls.map(|((path, requests), (responses, end))| Call { path, requests, responses, end }).collect()
}

/// What the caller sent: the path and the messages of each call.
async fn requests(bytes: &[u8]) -> Vec<(String, Vec<Bytes>)> {
    let (ours, theirs) = duplex(1 << 20);
    let seen = Arc::new(Mutex::new(Vec::<(String, Vec<Bytes>)>::new()));
    let (began, beginning) = mpsc::unbounded_channel();
    let (reading, mut all_read) = mpsc::channel::<Infallible>(1);
    let collect = Arc::clone(&seen);
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (seen, reading) = (Arc::clone(&collect), reading.clone());
        assert_eq!(request.headers()["content-type"], "application/grpc");
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push((request.uri().path().to_owned(), Vec::new()));
            seen.len() - 1
        };
        began.send(()).unwrap();
        async move {
            let mut frames = Frames::new(request.into_body(), Limit::default());
            while let Ok(Some(message)) = frames.next().await {
                seen.lock().unwrap()[index].1.push(message);
            }
            drop(reading);
            Ok::<_, Infallible>(http::Response::new(Body::default()))
        }
    });
    let serving = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(ours), service);
    // It ends where the record does.
    let (_broken, ()) = tokio::join!(serving, ask_all(theirs, beginning, bytes));
    assert!(all_read.recv().await.is_none());
    std::mem::take(&mut seen.lock().unwrap())
}

/// What was answered to calls of these paths: the messages, and how the call ended.
async fn responses(paths: &[&str], bytes: &[u8]) -> Vec<(Vec<Bytes>, Result<(), Status>)> {
    let (ours, theirs) = duplex(1 << 20);
    let connected = start_http(Box::new(ours), Cutter::OfSession, None, Executor::Here).await.unwrap();
    let connection = connected.connection;
    let asking = join_all(paths.iter().map(async |path| {
        let path = path.parse().unwrap();
        let mut messages = Vec::new();
        let opened = connection.open(path, HeaderMap::new(), Body::default(), Limit::default()).await;
        let mut responses = match opened {
            Ok(responses) => responses,
            Err(status) => return (messages, Err(status)),
        };
        loop {
            match responses.next().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, Ok(())),
                Err(status) => return (messages, Err(status)),
            }
        }
    }));
    let (answered, (), ()) = tokio::join!(asking, connected.driver, answer_all(theirs, paths.len(), bytes));
    answered
}

/// Says what was recorded, and ends once all of its calls have begun.
async fn ask_all(mut socket: DuplexStream, mut began: mpsc::UnboundedReceiver<()>, bytes: &[u8]) {
    socket.write_all(bytes).await.unwrap();
    let mut frames = bytes.strip_prefix(PREFACE).unwrap();
    while let Some((head, rest)) = frames.split_first_chunk() {
        let (kind, length) = frame(*head);
        if kind == HEADERS {
            began.recv().await.unwrap();
        }
        frames = &rest[length..];
    }
    socket.shutdown().await.unwrap();
}

/// The kind of a frame, and the length of what follows.
fn frame([a, b, c, kind, ..]: [u8; 9]) -> (u8, usize) {
    (kind, u32::from_be_bytes([0, a, b, c]) as usize)
}

/// Says what was recorded once so many calls have begun.
async fn answer_all(mut socket: DuplexStream, count: usize, bytes: &[u8]) {
    let mut preface = [0; PREFACE.len()];
    socket.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, PREFACE);
    let mut begun = 0;
    while begun < count {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let (kind, length) = frame(head);
        socket.read_exact(&mut vec![0; length]).await.unwrap();
        begun += usize::from(kind == HEADERS);
    }
    socket.write_all(bytes).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
