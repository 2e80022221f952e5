//! What keeps a program from becoming a plugin: each is an error of its own, by its kind and its text.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jackfield_process::{
    ChecksumError, ConnectError, Handshake, HandshakeError, ProcessPlugin, SpawnError, StartError,
};

use crate::calls::run;
use crate::peers::{chain, handshake, our_plugin};

/// A program, whether an error is of its kind, and what stands in the text.
type Case = (ProcessPlugin, fn(&StartError) -> bool, &'static str);

#[test]
fn each_failure_is_a_kind_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    for (plugin, is_its_kind, text) in cases(home.path()) {
        let error = run(plugin.start("refused")).unwrap_err();
        assert!(is_its_kind(&error), "{text}: {error:?}");
        assert!(chain(&error).contains(text), "expected {text:?} in {:?}", chain(&error));
    }
}

fn cases(home: &Path) -> Vec<Case> {
    use HandshakeError as Line;
    use StartError::{Checksum, Connect, ExitedEarly, Handshake as Refused, Library, NoLine, Spawn, Timeout};
    let ours = || ProcessPlugin::new(our_plugin()).handshake(handshake());
    let echo = |line: &str| ProcessPlugin::new("echo").args([line]);
    let certificate = format!("1|1|unix|/s|grpc|{}", "!".repeat(60));
    vec![
        (
            ProcessPlugin::new("/nowhere"),
            |e| matches!(e, Spawn { source: SpawnError::Missing { .. }, .. }),
            "failed to start `/nowhere`: there is no such file",
        ),
        (
            ProcessPlugin::new("nobody-has-this"),
            |e| matches!(e, Spawn { source: SpawnError::Missing { .. }, .. }),
            "there is no such file\n(hint: without a slash it is looked up in `PATH`)",
        ),
        (
            ours().current_dir("/nowhere"),
            |e| matches!(e, Spawn { source: SpawnError::Directory { .. }, .. }),
            "there is no directory `/nowhere`, in which it starts",
        ),
        (
            changed(home, "permission", 0o644, |_| {}),
            |e| matches!(e, Spawn { source: SpawnError::Permission, .. }),
            "expected a file that this user may execute, found one that it must not\n(hint: `chmod +x`",
        ),
        (
            changed(home, "machine", 0o755, |bytes| bytes[18..20].copy_from_slice(&[243, 0])),
            |e| matches!(e, Spawn { source: SpawnError::Machine { .. }, .. }),
            FOREIGN,
        ),
        (
            changed(home, "text", 0o755, |bytes| *bytes = b"hello".to_vec()),
            |e| matches!(e, Spawn { source: SpawnError::Kind { .. }, .. }),
            "expected a program, found a text\n(hint: a script begins with `#!`",
        ),
        (
            changed(home, "script", 0o755, |bytes| *bytes = b"#!/nowhere/python3 -u\n".to_vec()),
            |e| matches!(e, Spawn { source: SpawnError::Interpreter { .. }, .. }),
            "it needs `/nowhere/python3` to run it, which is not there\n(hint: it stands behind `#!`",
        ),
        (
            changed(home, "windows", 0o755, |bytes| *bytes = b"#!/bin/sh\r\n".to_vec()),
            |e| matches!(e, Spawn { source: SpawnError::Interpreter { .. }, .. }),
            "it needs `/bin/sh\\r` to run it",
        ),
        (
            changed(home, "loader", 0o755, |bytes| replace(bytes, b"/ld-linux", b"/no-linux")),
            |e| matches!(e, Spawn { source: SpawnError::Interpreter { .. }, .. }),
            "to run it, which is not there\n(hint: it was built for another C library)",
        ),
        (
            changed(home, "library", 0o755, |bytes| replace(bytes, b"libc.so.6\0", b"libq.so.6\0")),
            |e| matches!(e, Library { library, .. } if library == "libq.so.6"),
            "the plugin needs the shared library `libq.so.6`, which is not found\n(hint: `ldd` lists",
        ),
        (
            ours().handshake(Handshake::new(1, "OTHER", "cookie")),
            |e| matches!(e, ExitedEarly { .. }),
            "exit status: 1 before the handshake\n(its standard error ends with)\nthis program is a plugin",
        ),
        (echo("junk"), |e| matches!(e, Refused { source: Line::Unrecognised { .. }, .. }), "found `junk`"),
        (
            ProcessPlugin::new("printf").args(["1|1|unix"]),
            |e| matches!(e, Refused { source: Line::Unrecognised { .. }, .. }),
            "found `1|1|unix`",
        ),
        (ProcessPlugin::new("sh").args(["-c", "exec >&-; sleep 100"]), |e| matches!(e, NoLine), "without a"),
        (
            echo("0|1|unix|/s|grpc"),
            |e| matches!(e, Refused { source: Line::IncompatibleCore { found: 0 }, .. }),
            "expected core protocol version `1`, found `0`\n(hint: the plugin must be built anew",
        ),
        (
            echo("1|9|unix|/s|grpc").versions([2, 3]),
            |e| matches!(e, Refused { source: Line::IncompatibleVersion { found: 9, .. }, .. }),
            "expected protocol version `1` or `2` or `3`, found `9`",
        ),
        (
            echo("1|1|unix|/s|netrpc"),
            |e| matches!(e, Refused { source: Line::UnsupportedProtocol { .. }, .. }),
            "expected protocol `grpc`, found `netrpc`",
        ),
        (
            echo("1|1|pigeon|/s|grpc"),
            |e| matches!(e, Refused { source: Line::Network { .. }, .. }),
            "expected network `unix` or `tcp`, found `pigeon` with address `/s`",
        ),
        (
            echo("1|1|unix|/s|grpc|").multiplex(),
            |e| matches!(e, Refused { source: Line::NoMultiplexing, .. }),
            "expected a plugin that multiplexes its connections, found one that does not",
        ),
        (
            echo("1|1|unix|/s|grpc|").auto_mtls(),
            |e| matches!(e, Refused { source: Line::MissingCertificate, .. }),
            "expected a certificate, since AutoMTLS is on, but the plugin sent none",
        ),
        (
            echo(&certificate).auto_mtls(),
            |e| matches!(e, Refused { source: Line::Certificate { length: 60 }, .. }),
            "expected the plugin's certificate in base64, found 60 characters that are none",
        ),
        (
            echo(&format!("1|1|unix|/s|grpc|{}", "A".repeat(60))),
            |e| matches!(e, Refused { source: Line::UnwantedCertificate, .. }),
            "expected no certificate, since AutoMTLS is off, but the plugin sent one",
        ),
        (
            echo("1|1|unix|/s|grpc||perhaps").multiplex(),
            |e| matches!(e, Refused { source: Line::NoMultiplexing, .. }),
            "expected a plugin that multiplexes its connections, found one that does not",
        ),
        (
            ProcessPlugin::new("sleep").args(["100"]).start_timeout(Duration::from_millis(50)),
            |e| matches!(e, Timeout(_)),
            "expected a handshake within 0.05 s, found none",
        ),
        (
            ProcessPlugin::new("sh").args(["-c", "echo last words >&2; exit 3"]),
            |e| matches!(e, ExitedEarly { .. }),
            "exit status: 3 before the handshake\n(its standard error ends with)\nlast words",
        ),
        (
            ours().sha256([7; 32]),
            |e| matches!(e, Checksum(ChecksumError::Mismatch { .. })),
            "expected a program with the SHA-256 digest `0707",
        ),
        (
            ProcessPlugin::new("/nowhere").sha256([7; 32]),
            |e| matches!(e, Checksum(ChecksumError::Unreadable { .. })),
            "failed to read `/nowhere`",
        ),
        (
            ProcessPlugin::new("sh").args(["-c", "echo '1|1|unix|/nowhere|grpc'; sleep 100"]),
            |e| matches!(e, Connect(ConnectError::Socket(_))),
            "failed to connect to the plugin's socket: No such file",
        ),
    ]
}

/// Our plugin, with something about its file changed.
fn changed(home: &Path, name: &str, mode: u32, change: impl FnOnce(&mut Vec<u8>)) -> ProcessPlugin {
    let program: PathBuf = home.join(name);
    let mut bytes = std::fs::read(our_plugin()).unwrap();
    change(&mut bytes);
    std::fs::write(&program, bytes).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
    ProcessPlugin::new(program).handshake(handshake())
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
}

/// What is said of a program for another machine.
const FOREIGN: &str = if cfg!(target_arch = "x86_64") {
    "it is for riscv64, but this machine is x86_64"
} else {
    "it is for riscv64, but this machine is aarch64"
};
