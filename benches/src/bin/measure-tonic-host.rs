//! The bare peer's host: starts the program named by `BENCH_PLUGIN` and calls it with nothing but `tonic`.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use hyper_util::rt::TokioIo;
use jackfield_benches::generated::kv::kv_client::KvClient;
use jackfield_benches::{Client, Start, print, started, unary};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint, Uri};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let operands: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match operands.as_slice() {
        ["unary", seconds, key, concurrency] => {
            let (mut child, client) = spawn().await?;
            let result = unary(&client, seconds.parse()?, key, concurrency.parse()?).await;
            child.kill().await?;
            result?
        }
        ["start", count] => start(count.parse()?).await?,
        _ => bail!("usage: (unary SECONDS KEY CONCURRENCY | start N)"),
    };
    Ok(print(&result)?)
}

async fn start(count: usize) -> anyhow::Result<serde_json::Value> {
    let mut start = Start::default();
    for _ in 0..count {
        let began = Instant::now();
        let (mut child, client) = spawn().await?;
        let value = Client::get(&client, "16".to_owned()).await?;
        start.add(began);
        ensure!(value.len() == 16, "the plugin answers with {} bytes", value.len());
        child.kill().await?;
    }
    started(start)
}

async fn spawn() -> anyhow::Result<(Child, KvClient<Channel>)> {
    let program =
        std::env::var_os("BENCH_PLUGIN").context("BENCH_PLUGIN must hold the path of the plugin")?;
    let mut child = Command::new(program).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout = child.stdout.take().context("the output is piped")?;
    let mut path = String::new();
    BufReader::new(stdout).read_line(&mut path).await?;
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.trim_end().to_owned();
        async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    });
    let channel = Endpoint::from_static("http://bare").connect_with_connector(connector).await?;
    Ok((child, KvClient::new(channel)))
}
