//! What belongs to a call besides its messages crosses to Go and comes from it: metadata, deadline, and that it is given up.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{Bytes, CallOptions, Channel, Error};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{get, load, run};
use crate::peers::{GET, Go, first_field, handshake, message, our_plugin};

#[test]
fn metadata_and_a_deadline_reach_plugins() {
    for plugin in plugins(&ProcessBackend::start().unwrap()) {
        run(async {
            let (_instance, channel) = load(&plugin).await;
            let options = CallOptions::new().metadata("request-id", "4711").metadata("request-id", "12");
            let asked = ask(&channel, &options.timeout(Duration::from_secs(60))).await;
            assert_eq!(asked.unwrap(), "4711 12, 60 s");
            assert_eq!(ask(&channel, &CallOptions::new()).await.unwrap(), ", no deadline");
        });
    }
}

#[test]
fn metadata_and_a_deadline_come_from_a_go_host() {
    if !Go::is_here() {
        return;
    }
    let answer = |options: &[(&str, &str)]| {
        let mut host = go_host("__options:request-id");
        let output = host.envs(options.iter().copied()).stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let both = [("KV_METADATA", "request-id=4711"), ("KV_TIMEOUT", "60s")];
    assert_eq!(answer(&both), "4711, 60 s\n");
    assert_eq!(answer(&[]), ", no deadline\n");
}

#[test]
fn plugins_hear_that_a_call_is_given_up() {
    for plugin in plugins(&ProcessBackend::start().unwrap()) {
        run(async {
            let (_instance, channel) = load(&plugin).await;
            let pipe = Pipe::new();
            let (calling, key) = (channel.clone(), pipe.key());
            let call = tokio::spawn(async move { get(&calling, &key).await });
            let mut said = pipe.listen().await;
            assert_eq!(said.next().await, "begun");
            call.abort();
            let why = said.next().await;
            assert!(["context canceled", "given up"].contains(&&*why), "{why}");
            get(&channel, "__pid").await.unwrap();
        });
    }
}

#[test]
fn our_plugin_hears_that_a_go_host_gives_a_call_up() {
    if !Go::is_here() {
        return;
    }
    let pipe = Pipe::new();
    let mut host = go_host(&pipe.key());
    let mut host = host.env("KV_CANCEL", "1").stdin(Stdio::piped()).spawn().unwrap();
    run(async {
        let mut said = pipe.listen().await;
        assert_eq!(said.next().await, "begun");
        drop(host.stdin.take());
        assert_eq!(said.next().await, "given up");
    });
    let output = host.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("code = Canceled"), "{text}");
}

async fn ask(channel: &Arc<dyn Channel>, options: &CallOptions) -> Result<Bytes, Error> {
    let request = message([b"__options:request-id".as_slice()]);
    channel.call(&GET, request.into(), Some(options)).await.map(|answer| first_field(&answer.bytes))
}

fn plugins(backend: &ProcessBackend) -> Vec<ProcessPlugin> {
    let mut plugins = vec![ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)];
    if Go::is_here() {
        plugins.extend([Go::Newest.plugin(backend), Go::Newest.plugin(backend).auto_mtls().multiplex()]);
    }
    plugins
}

/// Go's host, which asks our plugin for a key.
#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn go_host(key: &str) -> Command {
    let mut host = Command::new(Go::Newest.programs().join("kv-host"));
    host.args(["get", key]).env("KV_PLUGIN", our_plugin()).env("KV_DIRECT", "1").stdout(Stdio::piped());
    host
}

/// A pipe with a name, into which a plugin writes what becomes of a call.
struct Pipe {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Pipe {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        Self { path, _directory: directory }
    }

    fn key(&self) -> String {
        format!("__given_up:{}", self.path.display())
    }

    /// Ends once somebody writes.
    async fn listen(&self) -> Said {
        Said(Some(BufReader::new(blocking(&self.path, |path| File::open(path).unwrap()).await)))
    }
}

struct Said(Option<BufReader<File>>);

impl Said {
    async fn next(&mut self) -> String {
        let mut reader = self.0.take().unwrap();
        let (reader, line) = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            (reader, line)
        })
        .await
        .unwrap();
        self.0 = Some(reader);
        line.trim_end().to_owned()
    }
}

async fn blocking<T: Send + 'static>(path: &Path, act: fn(PathBuf) -> T) -> T {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || act(path)).await.unwrap()
}
