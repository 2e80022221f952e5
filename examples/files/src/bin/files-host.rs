//! A host that writes a file or reads one, in pieces of a size.
//!
//! ```sh
//! FILES_PLUGIN=./files-plugin files-host write hello 10 'Lorem ipsum dolor sit amet'
//! FILES_PLUGIN=./files-plugin files-host read hello 10
//! ```

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use files::{Files, MAX_MESSAGE, handshake};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jackfield::process::ProcessPlugin;
use jackfield::{ByteStream, Bytes, Handle, Manager};

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
    let command = std::env::var("FILES_PLUGIN").context("FILES_PLUGIN must be the plugin's command")?;
    let limit = match std::env::var("FILES_LIMIT") {
        Ok(limit) => limit.parse()?,
        Err(_) => MAX_MESSAGE,
    };
    let mut plugin = ProcessPlugin::new(command).handshake(handshake()).max_message(limit);
    if std::env::var_os("FILES_AUTOMTLS").is_some_and(|value| value == "1") {
        plugin = plugin.auto_mtls();
    }
    let manager = Manager::new();
    let files = manager.load::<dyn Files>("files", &plugin).await?;
    let answer = ask(&files, words).await;
    manager.unload("files").await?;
    answer
}

async fn ask(files: &Handle<dyn Files>, words: &[&str]) -> anyhow::Result<String> {
    match words {
        ["write", path, size, text] => {
            let size: NonZeroUsize = size.parse()?;
            let pieces: Vec<_> = text.as_bytes().chunks(size.get()).map(Bytes::copy_from_slice).collect();
            let content = ByteStream::new(stream::iter(pieces).map(Ok));
            Ok(format!("{}\n", files.write(path, content).await?))
        }
        ["read", path, size] => {
            let pieces: Vec<Bytes> = files.read(path, size.parse()?).await?.try_collect().await?;
            let pieces: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
            Ok(format!("{}\n", pieces.join("|")))
        }
        other => bail!("expected `write PATH SIZE TEXT` or `read PATH SIZE`, found {other:?}"),
    }
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
