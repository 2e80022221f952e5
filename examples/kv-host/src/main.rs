//! A host that puts and gets values through a plugin: go-plugin's gRPC example, in Rust.
//!
//! `KV_PLUGIN` is the plugin's command, which a shell runs: any plugin of that example will do, in any language.
//!
//! ```sh
//! KV_PLUGIN=./kv-file kv-host put hello world
//! KV_PLUGIN=./kv-file kv-host get hello
//! ```

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::{Bytes, Error, Handle, Manager};
use kv_interface::Kv;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let request = match words.as_slice() {
        ["put", key, value] => Request::Put((*key).to_owned(), Bytes::from((*value).to_owned())),
        ["get", key] => Request::Get((*key).to_owned()),
        [] | ["put" | "get", ..] => {
            writeln!(std::io::stderr(), "usage: kv-host put KEY VALUE | kv-host get KEY")?;
            return Ok(ExitCode::from(2));
        }
        [other, ..] => {
            write!(std::io::stdout(), "Please only use 'get' or 'put', given: {other:?}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let manager = Manager::new();
    let answer = ask(&load(&manager).await?, request).await;
    manager.unload("kv").await?;
    print(answer)
}

enum Request {
    Get(String),
    Put(String, Bytes),
}

async fn load(manager: &Manager) -> anyhow::Result<Handle<dyn Kv>> {
    let command = std::env::var("KV_PLUGIN").context("KV_PLUGIN must be the plugin's command")?;
    let plugin = ProcessPlugin::new("sh")
        .args(["-c", &command])
        .handshake(Handshake::new(1, "WKY_PLUGIN", "wukaiying"))
        .backend(&ProcessBackend::start()?);
    let plugin = if std::env::var_os("KV_AUTOMTLS").is_some() { plugin.auto_mtls() } else { plugin };
    Ok(manager.load("kv", &plugin).await?)
}

async fn ask(kv: &Handle<dyn Kv>, request: Request) -> Result<Option<Bytes>, Error> {
    match request {
        Request::Get(key) => kv.get(key).await.map(Some),
        Request::Put(key, value) => kv.put(key, value).await.map(|()| None),
    }
}

/// Prints what the Go host of the example prints.
fn print(answer: Result<Option<Bytes>, Error>) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    match answer {
        Ok(None) => {}
        Ok(Some(value)) => {
            out.write_all(&value)?;
            writeln!(out)?;
        }
        Err(Error::Plugin(failure)) => {
            writeln!(out, "Error rpc error: code = {} desc = {failure}", failure.code().name())?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}
