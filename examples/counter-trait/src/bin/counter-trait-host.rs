//! A host that asks a counter one thing, and does its sums.
//!
//! ```sh
//! COUNTER_PLUGIN=./counter-trait-plugin counter-trait-host put hello 1
//! COUNTER_PLUGIN=./counter-trait-plugin counter-trait-host get hello
//! ```

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use counter_trait::{AddHelper, Counter, Peer, handshake};
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, stream};
use jackfield::process::ProcessPlugin;
use jackfield::{BoxFuture, ByteStream, Bytes, Error, Handle, Manager};

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
    let manager = Manager::new();
    let counter = manager.load::<dyn Counter>("counter", &plugin).await?;
    let peer = manager.interface::<dyn Peer>("counter").await?;
    let answer = ask(&counter, &peer, words).await;
    manager.unload("counter").await?;
    answer
}

async fn ask(
    counter: &Handle<dyn Counter>,
    peer: &Handle<dyn Peer>,
    words: &[&str],
) -> anyhow::Result<String> {
    match words {
        ["put", key, value] => {
            counter.put(Handle::new(Adder), key, value.parse()?).await?;
            Ok(String::new())
        }
        ["get", key] => Ok(format!("{}\n", counter.get(key).await?)),
        ["open", prefix, key] => Ok(format!("{}\n", peer.open(prefix).await?.get(key).await?)),
        ["blob", size] => {
            let sent = Bytes::from(vec![7; size.parse()?]);
            let received = peer.blob(sent.clone()).await?;
            ensure!(sent == received, "{} other bytes came back", received.len());
            Ok(format!("ok {size}\n"))
        }
        ["upload", count] => {
            let pieces = std::iter::repeat_n(Bytes::from_static(&[0; 1024]), count.parse()?);
            Ok(format!("{}\n", peer.upload(ByteStream::new(stream::iter(pieces).map(Ok))).await?))
        }
        ["download", count] => {
            let received = peer.download(count.parse()?).await?.collect().await?;
            Ok(format!("{}\n", received.len()))
        }
        ["echo", count] => echo(peer, count.parse()?).await,
        ["many", count] => {
            let puts = (0..count.parse()?).map(async |index: i64| {
                counter.put(Handle::new(Adder), &format!("many{index}"), index).await
            });
            try_join_all(puts).await?;
            Ok(format!("ok {count}\n"))
        }
        other => bail!(
            "expected one of `put`, `get`, `open`, `blob`, `upload`, `download`, `echo` and `many` \
                        with its operands, found {other:?}"
        ),
    }
}

async fn echo(peer: &Handle<dyn Peer>, count: usize) -> anyhow::Result<String> {
    let piece = |index: usize| Bytes::from(index.to_string());
    let sent = stream::iter((0..count).map(piece)).map(Ok);
    let mut received = peer.echo(ByteStream::new(sent)).await?;
    for index in 0..count {
        let answer = received.next().await;
        ensure!(answer == Some(Ok(piece(index))), "sent {index}, received {answer:?}");
    }
    ensure!(received.next().await.is_none(), "expected the end of the stream");
    Ok(format!("ok {count}\n"))
}

/// Does the sums for a plugin.
struct Adder;

impl AddHelper for Adder {
    fn sum(&self, a: i64, b: i64) -> BoxFuture<'_, Result<i64, Error>> {
        Box::pin(async move { Ok(a + b) })
    }
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
