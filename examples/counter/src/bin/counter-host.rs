//! A host for plugins with a proto of their own: it starts one, asks it one thing, and does its sums.
//!
//! ```sh
//! COUNTER_PLUGIN=./counter-plugin counter-host put hello 1
//! COUNTER_PLUGIN=./counter-plugin counter-host get hello
//! ```

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use counter::proto::add_helper_server::{AddHelper, AddHelperServer};
use counter::proto::counter_client::CounterClient;
use counter::proto::peer_client::PeerClient;
use counter::proto::{Chunk, GetRequest, OpenRequest, PutRequest, Size, SumRequest, SumResponse};
use counter::{MAX_MESSAGE, handshake};
use jackfield::process::{GrpcChannel, ProcessPlugin, Running};
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words).await {
        Ok(answer) => print(&answer, ExitCode::SUCCESS),
        Err(error) => print(&format!("Error {error:#}\n"), ExitCode::FAILURE),
    }
}

async fn run(words: &[&str]) -> anyhow::Result<String> {
    let command = std::env::var("COUNTER_PLUGIN").context("COUNTER_PLUGIN must be the plugin's command")?;
    let mut plugin = ProcessPlugin::new(command).handshake(handshake());
    if wants("COUNTER_AUTOMTLS") {
        plugin = plugin.auto_mtls();
    }
    if wants("COUNTER_MULTIPLEX") {
        plugin = plugin.multiplex();
    }
    let running = plugin.start("counter").await?;
    let answer = ask(&running, words).await;
    running.stop(Duration::from_secs(2)).await;
    answer
}

async fn ask(running: &Running, words: &[&str]) -> anyhow::Result<String> {
    let mut counter = CounterClient::new(running.channel());
    match words {
        ["put", key, value] => {
            put(running, key, value.parse()?).await?;
            Ok(String::new())
        }
        ["get", key] => get(&mut counter, key).await,
        ["open", prefix, key] => {
            let opened = peer(running).open(OpenRequest { key: (*prefix).to_owned() }).await?.into_inner();
            let object = running.broker().dial(opened.counter_server).await?;
            get(&mut CounterClient::new(object), key).await
        }
        ["blob", size] => blob(running, size.parse()?).await,
        ["upload", count] => {
            let chunk = Chunk { data: vec![0; 1024].into() };
            let chunks = tokio_stream::iter(std::iter::repeat_n(chunk, count.parse()?));
            Ok(format!("{}\n", peer(running).upload(chunks).await?.get_ref().count))
        }
        ["download", count] => download(running, count.parse()?).await,
        ["echo", count] => echo(running, count.parse()?).await,
        ["many", count] => many(running, count.parse()?).await,
        other => bail!(
            "expected one of `put`, `get`, `open`, `blob`, `upload`, `download`, `echo` and `many` \
                        with its operands, found {other:?}"
        ),
    }
}

fn peer(running: &Running) -> PeerClient<GrpcChannel> {
    let client = PeerClient::new(running.channel());
    client.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
}

/// Serves an adder under a number of its own, and tells the plugin the number.
async fn put(running: &Running, key: &str, value: i64) -> anyhow::Result<()> {
    let broker = running.broker();
    let served = broker.serve(broker.next_id(), Routes::new(AddHelperServer::new(Adder))).await?;
    let request = PutRequest { add_server: served.id(), key: key.to_owned(), value };
    CounterClient::new(running.channel()).put(request).await?;
    Ok(())
}

struct Adder;

#[tonic::async_trait]
impl AddHelper for Adder {
    async fn sum(&self, request: Request<SumRequest>) -> Result<Response<SumResponse>, Status> {
        let SumRequest { a, b } = request.into_inner();
        Ok(Response::new(SumResponse { r: a + b }))
    }
}

async fn get(counter: &mut CounterClient<GrpcChannel>, key: &str) -> anyhow::Result<String> {
    let response = counter.get(GetRequest { key: key.to_owned() }).await?;
    Ok(format!("{}\n", response.get_ref().value))
}

async fn blob(running: &Running, size: usize) -> anyhow::Result<String> {
    let sent = Chunk { data: vec![7; size].into() };
    let received = peer(running).blob(sent.clone()).await?.into_inner();
    ensure!(sent == received, "{} other bytes came back", received.data.len());
    Ok(format!("ok {size}\n"))
}

async fn download(running: &Running, count: i64) -> anyhow::Result<String> {
    let mut chunks = peer(running).download(Size { count }).await?.into_inner();
    let mut size = 0;
    while let Some(chunk) = chunks.message().await? {
        size += chunk.data.len();
    }
    Ok(format!("{size}\n"))
}

async fn echo(running: &Running, count: usize) -> anyhow::Result<String> {
    let chunk = |index: usize| Chunk { data: index.to_string().into() };
    let sent = tokio_stream::iter((0..count).map(chunk));
    let mut received = peer(running).echo(sent).await?.into_inner();
    for index in 0..count {
        let answer = received.message().await?;
        ensure!(answer == Some(chunk(index)), "sent {index}, received {answer:?}");
    }
    ensure!(received.message().await?.is_none(), "expected the end of the stream");
    Ok(format!("ok {count}\n"))
}

/// Puts as many keys at once, each with a serving of its own.
async fn many(running: &Running, count: usize) -> anyhow::Result<String> {
    let broker = running.broker();
    let mut puts = JoinSet::new();
    for index in 0..count {
        let (broker, channel) = (broker.clone(), running.channel());
        puts.spawn(async move {
            let served = broker.serve(broker.next_id(), Routes::new(AddHelperServer::new(Adder))).await?;
            let key = format!("many{index}");
            let request = PutRequest { add_server: served.id(), key, value: index as i64 };
            CounterClient::new(channel).put(request).await?;
            anyhow::Ok(())
        });
    }
    while let Some(put) = puts.join_next().await {
        put??;
    }
    Ok(format!("ok {count}\n"))
}

fn wants(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
