//! What a plugin prints reaches the host to the byte, and what it reads is the host's.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield_core::Context;
use jackfield_fixtures::{available, python};
use jackfield_process::{ProcessBackend, ProcessPlugin, Program, Runner, Stream};
use tracing::Level;

use crate::calls::{get, load, load_with, put, run};
use crate::events;
use crate::peers::{Go, handshake, our_plugin};

fn ours(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)
}

#[test]
fn ten_megabytes_arrive_to_the_byte() {
    let backend = ProcessBackend::start().unwrap();
    let (out, err) = (("__stdout", Stream::Stdout), ("__stderr", Stream::Stderr));
    let mut plugins = vec![(ours(&backend), out)];
    if Go::is_here() {
        // What ours writes to its standard error is its log.
        for channel in [out, err] {
            let newest = Go::Newest.plugin(&backend).auto_mtls();
            plugins.extend([(newest, channel), (Go::V1_4.plugin(&backend), channel)]);
        }
    }
    let piece: Vec<u8> = (0..2_500_000_u32).map(|index| (index % 251) as u8).collect();
    for (plugin, (key, expected)) in plugins {
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let plugin = plugin.on_print(move |stream, bytes| {
            assert_eq!(stream, expected);
            sender.send(bytes.to_vec()).unwrap();
        });
        run(async {
            let (_instance, channel) = load(&plugin).await;
            for _ in 0..4 {
                put(&channel, key, &piece).await.unwrap();
            }
            let _flushed = put(&channel, "__stdout_flush", b"").await;
            let mut arrived = Vec::new();
            while arrived.len() < 4 * piece.len() {
                arrived.extend(printed.recv().await.unwrap());
            }
            assert!(arrived.chunks(piece.len()).all(|chunk| chunk == piece));
        });
    }
}

/// Runs a program as it is.
#[derive(Debug)]
struct AsItIs;

impl Runner for AsItIs {
    fn wrap(&self, program: Program) -> Program {
        program
    }
}

#[test]
fn what_is_printed_under_a_runner_arrives() {
    let backend = ProcessBackend::start().unwrap();
    let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
    let plugin = ours(&backend).runner(AsItIs).on_print(move |stream, bytes| {
        sender.send((stream, bytes.to_vec())).unwrap();
    });
    run(async {
        let (_instance, channel) = load(&plugin).await;
        put(&channel, "__stdout", b"out\n").await.unwrap();
        assert_eq!(printed.recv().await, Some((Stream::Stdout, b"out\n".to_vec())));
    });
}

#[test]
fn what_takes_the_output_may_panic() {
    let backend = ProcessBackend::start().unwrap();
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let plugin = ours(&backend).on_print(move |_, _| {
        *count.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        panic!("what the host does is its own affair");
    });
    run(async {
        let (_instance, channel) = load(&plugin).await;
        put(&channel, "__stdout", b"a line\n").await.unwrap();
        while *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == 0 {
            get(&channel, "__pid").await.unwrap();
        }
        get(&channel, "__pid").await.unwrap();
    });
}

#[test]
fn what_is_printed_before_the_handshake_without_a_line_feed_does_no_harm() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let plugin = ours(&backend).env("KV_BANNER", "early bird").on_print(move |_, bytes| {
            sender.send(bytes.to_vec()).unwrap();
        });
        let (_instance, channel) = load(&plugin).await;
        get(&channel, "__pid").await.unwrap();
        let mut arrived = Vec::new();
        while arrived.len() < "early bird".len() {
            arrived.extend(printed.recv().await.unwrap());
        }
        assert_eq!(arrived, b"early bird");
    });
}

/// A constructor runs before the handshake. What it prints must not get in front of that, which is all that Go's hosts read.
#[test]
fn what_a_constructor_prints_comes_behind_the_handshake() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let plugin = ours(&backend).env("KV_CONSTRUCTED", "ready to serve").on_print(move |_, bytes| {
            sender.send(bytes.to_vec()).unwrap();
        });
        let (_instance, _channel) = load(&plugin).await;
        arrives(&mut printed, "ready to serve\n").await;
    });
    if Go::is_here() {
        for careless in ["KV_CONSTRUCTED", "KV_BANNER"] {
            let mut host = command(&Go::Newest.programs().join("kv-host"));
            host.arg("ping").env("KV_PLUGIN", our_plugin()).env("KV_DIRECT", "1").env(careless, "ready");
            let output = host.stdout(Stdio::piped()).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "pong\n", "{careless}: {output:?}");
        }
    }
}

#[test]
fn lines_that_are_printed_before_the_handshake_are_passed_over() {
    let backend = ProcessBackend::start().unwrap();
    let careless =
        "echo loading; echo; echo 'not|quite|a|handshake'; printf 'also this: '; echo; exec \"$0\"";
    let plugin = ProcessPlugin::new("sh").args(["-c", careless]).args([our_plugin()]);
    run(async {
        let (_instance, channel) = load(&plugin.handshake(handshake()).backend(&backend)).await;
        put(&channel, "hello", b"world").await.unwrap();
    });
}

/// What a program prints to its own output once it has said what it is belongs to nobody, but must not stop it.
#[test]
fn what_follows_the_handshake_on_the_real_output_is_read_and_thrown_away() {
    let backend = ProcessBackend::start().unwrap();
    let (sender, mut written) = tokio::sync::mpsc::unbounded_channel();
    // Without a line feed, and with many.
    let script = r#""$0" | {
        read -r line; echo "$line"
        head -c 4000000 /dev/zero; yes | head -c 4000000; echo drained >&2
        read -r line
    }"#;
    let plugin = ProcessPlugin::new("sh").args(["-c", script]).args([our_plugin()]).handshake(handshake());
    let plugin = plugin.backend(&backend).on_stderr(move |bytes| sender.send(bytes.to_vec()).unwrap());
    run(async {
        let (_instance, channel) = load(&plugin).await;
        arrives(&mut written, "drained\n").await;
        put(&channel, "hello", b"world").await.unwrap();
    });
}

/// Waits until this was written.
pub(crate) async fn arrives(
    written: &mut tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>,
    expected: &str,
) -> String {
    let mut arrived = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&arrived).into_owned();
        if text.contains(expected) {
            return text;
        }
        let piece = tokio::time::timeout(Duration::from_secs(30), written.recv()).await;
        arrived.extend(piece.unwrap_or_else(|_| panic!("expected {expected:?}, found {text:?}")).unwrap());
    }
}

/// The log is made of it all the same: see `logs.rs`.
#[test]
fn the_standard_error_is_given_to_the_host_as_it_is() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![("ours", ours(&backend))];
    if Go::is_here() {
        plugins.push(("newest", Go::Newest.plugin(&backend)));
        plugins.push(("v1.4", Go::V1_4.plugin(&backend)));
    }
    for (name, plugin) in plugins {
        let (sender, mut written) = tokio::sync::mpsc::unbounded_channel();
        let plugin = plugin.on_stderr(move |bytes| sender.send(bytes.to_vec()).unwrap());
        let context = Context::new(format!("raw {name}"), []);
        run(async {
            let (instance, channel) = load_with(&plugin, context).await;
            if name == "ours" {
                put(&channel, "__stderr", b"[WARN] r\xc3\xa4w\r\nno line").await.unwrap();
                let found = arrives(&mut written, "no line").await;
                assert!(found.ends_with("[WARN] räw\r\nno line"), "{found:?}");
                let line = events::wait_for("raw ours", |line| line.message == "[WARN] räw");
                assert_eq!(line.level, Level::WARN);
            } else {
                // What it writes there itself is its log, a line of JSON each.
                get(&channel, "__size:1").await.unwrap();
                let found = arrives(&mut written, "\"key\":\"__size:1\"").await;
                assert!(found.starts_with('{') && found.contains("\"@message\":\"get\""), "{found}");
                events::wait_for(&format!("raw {name}"), |line| line.message == "get");
            }
            // To its last words.
            if name != "ours" {
                get(&channel, "__crash").await.unwrap_err();
                instance.closed().await;
                arrives(&mut written, "nil pointer dereference").await;
            }
        });
    }
}

#[test]
fn what_takes_the_standard_error_may_panic() {
    let backend = ProcessBackend::start().unwrap();
    let (sender, mut written) = tokio::sync::mpsc::unbounded_channel();
    let plugin = ours(&backend).on_stderr(move |bytes| {
        sender.send(bytes.to_vec()).unwrap();
        panic!("what the host does is its own affair");
    });
    run(async {
        let (_instance, channel) = load(&plugin).await;
        for word in ["one\n", "two\n"] {
            put(&channel, "__stderr", word.as_bytes()).await.unwrap();
            arrives(&mut written, word).await;
        }
        get(&channel, "__pid").await.unwrap();
    });
}

/// No test, unless the one below starts it as the host whose input the plugin reads.
#[test]
fn acts_as_a_host_with_input() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    let line = run(async {
        let (_instance, channel) = load(&ours(&backend)).await;
        get(&channel, "__line").await.unwrap()
    });
    std::fs::write(std::env::var_os(ROLE).unwrap(), line).unwrap();
}

#[test]
fn a_plugin_reads_the_hosts_input() {
    let home = tempfile::tempdir().unwrap();
    let output = home.path().join("line");
    let mut host = host_command().env(ROLE, &output).stdin(Stdio::piped()).spawn().unwrap();
    host.stdin.take().unwrap().write_all(b"from the terminal\n").unwrap();
    assert!(host.wait().unwrap().success());
    let mut line = String::new();
    std::fs::File::open(output).unwrap().read_to_string(&mut line).unwrap();
    assert_eq!(line, "from the terminal\n");
}

/// Who reads a terminal from the background is stopped: so a plugin must stay in its host's process group.
#[test]
fn a_plugin_reads_the_hosts_terminal() {
    let Some(python) = available(python()) else { return };
    let home = tempfile::tempdir().unwrap();
    let output = home.path().join("line");
    let mut command = command(python.interpreter());
    command.args(["-c", TERMINAL]).arg(std::env::current_exe().unwrap()).args(ACT);
    assert!(command.env(ROLE, &output).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(output).unwrap(), "from the terminal\n");
}

fn host_command() -> Command {
    let mut command = command(&std::env::current_exe().unwrap());
    command.args(ACT);
    command
}

#[expect(clippy::disallowed_methods, reason = "a test runs its host")]
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const ACT: [&str; 2] = ["--exact", "output::acts_as_a_host_with_input"];

/// Runs a program in a terminal of its own, into which it writes a line.
const TERMINAL: &str = "
import os, pty, signal, sys
signal.alarm(60)
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
os.write(terminal, b'from the terminal\\n')
try:
    while os.read(terminal, 1024):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

const ROLE: &str = "JACKFIELD_TEST_ACT_AS_A_HOST_WITH_INPUT";
