//! What is really spoken between a host and its plugin.

use std::ffi::OsStr;
use std::sync::Arc;

use anyhow::{bail, ensure};
use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::stdio::StdioPlugin;
use jackfield::{Candidate, Error, Handle, Manager};
use jackfield_core::Lane;
use probe_interface::Probe;

use super::super::tap::{Tap, Tapped};
use super::{Cell, Mechanism, probe};
use crate::backends;

/// A word crosses, and what crossed is looked at.
pub(in super::super) async fn spoken(mechanism: Mechanism) -> anyhow::Result<Cell> {
    Ok(match mechanism {
        Mechanism::Linked | Mechanism::Native => {
            let (_manager, probe) = probe(mechanism).await?;
            say_the_word(&probe)?;
            let generation = Handle::current(&probe);
            ensure!(matches!(generation.lane(), Lane::Bound(_)), "it goes by {:?}", generation.lane());
            "a call within the process, nothing is serialized".into()
        }
        Mechanism::Gob | Mechanism::Json => recognise(&over_pipes(mechanism).await?)?.into(),
        _ => recognise(&over_sockets(mechanism).await?)?.into(),
    })
}

/// What the host says on the plugin's socket.
async fn over_sockets(mechanism: Mechanism) -> anyhow::Result<Vec<u8>> {
    let tap = Arc::new(Tap::new());
    let plugin = ProcessPlugin::new(backends::build().program("probe-one")).runner(Tapped(tap.clone()));
    let backend = ProcessBackend::start()?;
    speak(&mechanism.configure(plugin, "probe-one").backend(&backend)).await?;
    Ok(tap.heard())
}

/// What the host writes to the plugin's input.
async fn over_pipes(mechanism: Mechanism) -> anyhow::Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let (heard, (wire, codec)) = (directory.path().join("heard"), mechanism.codec());
    let built = backends::build();
    let arguments = [OsStr::new("-c"), OsStr::new(TEE), heard.as_os_str()];
    let plugin = [built.program("probe-one").as_os_str(), OsStr::new(wire)];
    let backend = ProcessBackend::start()?;
    speak(&StdioPlugin::new("sh").args(arguments.into_iter().chain(plugin)).codec(codec).backend(&backend))
        .await?;
    // The shell has ended, and so has what wrote it.
    Ok(std::fs::read(heard)?)
}

async fn speak(candidate: &dyn Candidate) -> anyhow::Result<()> {
    let manager = Manager::new();
    let probe = manager.load("probe", candidate).await?;
    say_the_word(&probe)?;
    manager.unload("probe").await?;
    Ok(())
}

fn say_the_word(probe: &Handle<dyn Probe>) -> anyhow::Result<()> {
    match probe.fail(WORD.to_owned()) {
        Err(Error::Plugin(failure)) if failure.message() == WORD => Ok(()),
        other => bail!("expected it to say the word again, found {other:?}"),
    }
}

/// The layers, from the word outwards.
fn recognise(heard: &[u8]) -> anyhow::Result<String> {
    let has = |what: &[u8]| heard.windows(what.len()).any(|window| window == what);
    let (is_encrypted, is_protobuf) = (heard.starts_with(TLS), has(PROTOBUF));
    let layers = [
        (has(JSON), "JSON"),
        (is_protobuf, "protobuf"),
        (has(GOB) && !is_protobuf, "gobs"),
        (has(b"PRI * HTTP/2.0\r\n"), "HTTP/2"),
        (is_encrypted && has(ALPN_HTTP2), "HTTP/2"),
        (YAMUX.iter().any(|begin| heard.starts_with(begin)), "yamux"),
        (is_encrypted, "TLS"),
    ];
    let found: Vec<_> =
        layers.into_iter().filter_map(|(is_there, layer)| is_there.then_some(layer)).collect();
    ensure!(is_encrypted || !found.is_empty(), "what it speaks is not known: {heard:?}");
    ensure!(!is_encrypted || !has(WORD.as_bytes()), "the word can be read from outside");
    Ok(found.join(" over "))
}

const WORD: &str = "sesame";
/// The word as a value of JSON, as the field with the number 1 of a message, and with nothing but its length.
const JSON: &[u8] = b"\"sesame\"";
const PROTOBUF: &[u8] = b"\x0a\x06sesame";
const GOB: &[u8] = b"\x06sesame";
/// Keeps what it reads in a file, and passes it on to a program.
const TEE: &str = "tee \"$0\" | \"$@\"";
/// How a record of a TLS handshake begins.
const TLS: &[u8] = b"\x16\x03";
/// What the client of HTTP/2 says in the first one.
const ALPN_HTTP2: &[u8] = b"\x00\x03\x02h2";
/// How the first frame of yamux begins: its version, data or a window, and the flag of a new stream.
const YAMUX: [&[u8]; 2] = [b"\x00\x00\x00\x01", b"\x00\x01\x00\x01"];
