//! A connection to the control socket of a running host.

use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Lines of JSON, one request and one answer each.
pub(super) struct Connection {
    requests: OwnedWriteHalf,
    answers: Lines<BufReader<OwnedReadHalf>>,
}

impl Connection {
    pub(super) async fn open(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).await;
        let stream = stream.with_context(|| format!("no host answers at `{}`", socket.display()))?;
        let (answers, requests) = stream.into_split();
        Ok(Self { requests, answers: BufReader::new(answers).lines() })
    }

    /// What the host answers.
    pub(super) async fn ask(&mut self, request: &Value) -> anyhow::Result<Value> {
        let answer = self.try_ask(request).await?;
        answer.context("the host closed the connection before it answered")
    }

    /// What the host's plugins are doing.
    pub(super) async fn list(&mut self) -> anyhow::Result<Vec<Value>> {
        Ok(plugins(self.ask(&json!({ "command": "list" })).await?))
    }

    /// As [`list`](Self::list), or nothing if the host has ended.
    pub(super) async fn try_list(&mut self) -> anyhow::Result<Option<Vec<Value>>> {
        Ok(self.try_ask(&json!({ "command": "list" })).await?.map(plugins))
    }

    async fn try_ask(&mut self, request: &Value) -> anyhow::Result<Option<Value>> {
        match self.requests.write_all(format!("{request}\n").as_bytes()).await {
            // It may have said why, before it closed the connection.
            Err(error) if is_end(&error) => {}
            written => written.map_err(broken)?,
        }
        self.next().await
    }

    /// The next thing that the host says, unless it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing of what it says.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        match self.answers.next_line().await {
            Ok(line) => line.map(|line| answer(&line)).transpose(),
            Err(error) if is_end(&error) => Ok(None),
            Err(error) => Err(broken(error)),
        }
    }
}

/// What a line of the host's says, unless it says that something was not done.
fn answer(line: &str) -> anyhow::Result<Value> {
    let answer: Value = serde_json::from_str(line).context("expected an answer in JSON")?;
    match answer["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => Ok(answer),
    }
}

fn plugins(mut answer: Value) -> Vec<Value> {
    match answer["plugins"].take() {
        Value::Array(plugins) => plugins,
        _ => Vec::new(),
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// What becomes of the connection is no matter of our own output, of which an end may be as good as a success.
fn broken(error: io::Error) -> anyhow::Error {
    anyhow!("the connection to the host broke: {error}")
}
