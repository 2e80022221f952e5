//! `jackfield call`: any method of any plugin, JSON in and out.

use std::io::{BufRead as _, Read as _, Write as _};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::stream;
use jackfield::schema::MethodDescriptor;
use jackfield::{Bytes, CallOptions, DynamicHandle, Error, Failure};
use tokio::sync::mpsc;

use crate::messages::Messages;
use crate::plugin::{Arguments, Callee, Plugin, parse_pair};
use crate::told::Told;

/// What `call` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    plugin: Plugin,

    /// The method, such as `Get`, or `proto.KV/Get` where several interfaces have one of this name
    #[arg(value_name = "METHOD")]
    method: String,

    /// The request as a JSON object; several for a stream; `-` reads them from stdin, one per line
    #[arg(value_name = "JSON")]
    request: Option<String>,

    /// Prints JSON, as without this
    #[arg(long)]
    json: bool,

    /// Gives the call up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,

    /// Sends this beside the request
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,

    #[command(flatten)]
    told: Told,

    #[command(flatten)]
    arguments: Arguments,
}

const EXAMPLES: &str = "\
Examples:
  jackfield call plugins/libkv.so Put '{\"key\":\"a\",\"value\":\"aGk=\"}'
                           a shared library; bytes are in base64
  jackfield call --handshake 1/KV_PLUGIN/hello ./kv get '{\"key\":\"a\"}' -- --verbose
                           a program, of hashicorp/go-plugin or of Jackfield, with an argument of its own
  jackfield call --interface kv.proto --net-rpc kv --handshake 1/KV_PLUGIN/hello ./old-kv get '{\"key\":\"a\"}'
                           a program of go-plugin's older protocol, under the name that it has there
  jackfield call --interface speaker.proto --stdio json ./speaker.py SayHi '{\"name\":\"bob\"}'
                           a program or a script that talks over its standard input and output
  jackfield call plugins/speaker.plugin.toml SayHi '{\"name\":\"bob\"}'
                           what a manifest describes, which may name the file for `--interface` too
  seq 3 | jq -c '{numbers: .}' | jackfield call plugins/libstudio.so Total -
                           a stream of requests; a stream of responses is one JSON object per line

Messages are in protobuf's JSON format. Of a stream among other fields, the others are in the first object.
A program says by gRPC's server reflection what it serves, if it is a gRPC plugin of go-plugin or of Jackfield. For any other
`--interface` names a file that says it. Over net/rpc and standard input and output a request of one field is passed by itself,
and one of several as a struct of Go's, or as an object of JSON, whose fields are called as Go spells them: `first_name` is
`FirstName`. Streams cannot be carried there.";

/// Calls the method.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let callee = options.plugin.callee(&options.arguments, &options.told).await?;
    let result = call(&options, &callee).await;
    callee.unload().await;
    result
}

async fn call(options: &Options, callee: &Callee) -> anyhow::Result<()> {
    let (interface, method) = callee.method(&options.method)?;
    let messages = Messages::new(interface, method)?;
    let unread = Unread::default();
    let requests = requests(options, method, &messages, &unread)?;
    let handle = callee.handle(interface).await?.with(options.call_options());
    let calling = exchange(&handle, &method.name, requests, &messages);
    let result = match options.timeout {
        None => patiently(calling, &options.told).await,
        Some(limit) => match tokio::time::timeout(limit, calling).await {
            Ok(result) => result,
            Err(_) => bail!("no answer within {limit:?}"),
        },
    };
    // A line that cannot be read is why the rest went wrong.
    unread.take().map_or(result, Err)
}

/// Waits as long as it takes, and says after a while what may be amiss: a program that waits for something else than it was
/// sent looks like one that takes its time.
async fn patiently<T>(calling: impl Future<Output = T>, told: &Told) -> T {
    let mut calling = pin!(calling);
    match (tokio::time::timeout(PATIENCE, calling.as_mut()).await, told.codec()) {
        (Ok(result), _) => return result,
        (Err(_), Some(codec)) => {
            // Nobody is left to be told if it cannot be written.
            let _told = writeln!(
                std::io::stderr(),
                "no answer within {PATIENCE:?}, and none may come\n\
                 (hint: does the program talk in `{codec}`? a script that reads lines wants `--stdio json`; \
                 `--timeout SECONDS` gives the call up)"
            );
        }
        (Err(_), None) => {}
    }
    calling.await
}

/// How long a program is waited for in silence.
const PATIENCE: Duration = Duration::from_secs(5);

async fn exchange(
    handle: &DynamicHandle,
    method: &str,
    requests: jackfield::Messages,
    messages: &Messages,
) -> anyhow::Result<()> {
    let mut responses = handle.call_streaming(method, requests).await.map_err(explain)?;
    while let Some(response) = responses.next().await.map_err(explain)? {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", messages.response(response)?)?;
        out.flush()?;
    }
    Ok(())
}

impl Options {
    fn call_options(&self) -> CallOptions {
        let options = self
            .metadata
            .iter()
            .fold(CallOptions::new(), |options, (key, value)| options.metadata(key, value));
        match self.timeout {
            Some(timeout) => options.timeout(timeout),
            None => options,
        }
    }
}

/// What the plugin said, with the code that it is for programs.
pub(crate) fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::Call(error) => error.into(),
        Error::Plugin(failure) => anyhow!("{}: {failure}", failure.code().name()),
    }
}

/// The requests of a call.
fn requests(
    options: &Options,
    method: &MethodDescriptor,
    messages: &Messages,
    unread: &Unread,
) -> anyhow::Result<jackfield::Messages> {
    let text = match options.request.as_deref() {
        None | Some("-") if method.streams.requests => return Ok(lines(messages.clone(), unread.clone())),
        None => "{}".to_owned(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("stdin cannot be read")?;
            text
        }
        Some(text) => text.to_owned(),
    };
    let requests = messages.requests(&text)?;
    if !method.streams.requests && requests.len() != 1 {
        bail!("`{}` takes one request, found {}", method.name, requests.len());
    }
    Ok(jackfield::Messages::new(stream::iter(requests.into_iter().map(Ok))))
}

/// The requests on stdin, read when they are wanted. The thread that reads is left behind at the end: nothing wakes it.
fn lines(messages: Messages, unread: Unread) -> jackfield::Messages {
    let (lines, read) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let requests = line.map_err(anyhow::Error::from).and_then(|line| messages.requests(&line));
            let (items, is_over): (Vec<Result<Bytes, Error>>, _) = match requests {
                Ok(requests) => (requests.into_iter().map(Ok).collect(), false),
                Err(error) => {
                    let text = error.to_string();
                    unread.set(error);
                    (vec![Err(Failure::new(text).into())], true)
                }
            };
            if items.into_iter().any(|item| lines.blocking_send(item).is_err()) || is_over {
                return;
            }
        }
    });
    jackfield::Messages::new(stream::unfold(read, async |mut read| Some((read.recv().await?, read))))
}

/// Why a line on stdin cannot be read.
#[derive(Clone, Debug, Default)]
struct Unread(Arc<Mutex<Option<anyhow::Error>>>);

impl Unread {
    fn set(&self, error: anyhow::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<anyhow::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected a number of seconds, such as `1.5`")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
