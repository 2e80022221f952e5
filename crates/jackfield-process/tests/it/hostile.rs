//! A plugin that misbehaves is refused with the right error, in bounded time, and leaves nothing behind.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jackfield_core::{Candidate, Context, Load};
use jackfield_fixtures::{Build, Profile};
use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::calls::{get, load, run};
use crate::peers::{chain, description, handshake, our_plugin, wait_for_end};

/// How the host starts it.
#[derive(Clone, Copy)]
enum How {
    Mtls,
    Multiplexed,
    Plain,
}

use How::{Mtls, Multiplexed, Plain};

const BROKEN: &str = "ended the connection before its first answer";
const NO_HANDSHAKE: &str = "expected a handshake within 0.5 s";
const NO_LINE: &str = "expected a handshake of the form";

/// What it does, and what the host says of it: one of those between bars.
const MODES: [(&str, How, &str); 36] = [
    ("accepts-and-dies", Plain, BROKEN),
    ("bad-app-version", Plain, "expected a protocol version, found `x`"),
    (
        "bad-certificate",
        Mtls,
        "expected the plugin's certificate in base64, found 100 characters that are none",
    ),
    ("bad-core-version", Plain, "expected a core protocol version, found `x`"),
    ("bad-network", Plain, "found `carrier-pigeon` with address `/nowhere`"),
    ("bad-protocol", Plain, "expected protocol `grpc` or `netrpc`, found `soap`"),
    ("bad-tcp-address", Plain, "expected an address of network `tcp`, found `nowhere`"),
    ("binary-line", Plain, NO_LINE),
    ("binds-and-dies", Plain, "ended with exit status: 8 before the handshake"),
    ("binds-and-says-nothing", Plain, NO_HANDSHAKE),
    ("closes-stdout", Plain, "the plugin closed its standard output without a handshake"),
    ("connects-nowhere", Plain, "failed to connect to the plugin's socket"),
    ("dies-before-the-line", Plain, "ended with exit status: 4 before the handshake"),
    ("dies-in-the-line", Plain, "(the plugin ended with exit status: 5)"),
    ("empty-line", Plain, NO_LINE),
    ("endless-line", Plain, NO_LINE),
    ("floods-stderr", Plain, NO_HANDSHAKE),
    ("floods-stdout", Plain, NO_HANDSHAKE),
    ("grandchildren-hold-the-pipes", Plain, "ended with exit status: 6 before the handshake"),
    ("grows-memory", Plain, "ended with signal: 6 (SIGABRT)"),
    ("ignores-term-and-shutdown", Plain, NO_HANDSHAKE),
    ("lies-about-its-certificate", Mtls, "failed to agree on TLS with the plugin"),
    (
        "malformed-certificate",
        Mtls,
        "expected the plugin's certificate, found 75 bytes that cannot be read as one",
    ),
    ("netrpc-by-default", Plain, "expected protocol `grpc`, found `netrpc`"),
    ("never-accepts", Plain, NO_HANDSHAKE),
    ("no-such-mode", Plain, "ended with exit status: 64 before the handshake"),
    ("old-core-version", Plain, "expected core protocol version `1`, found `0`"),
    ("other-version", Plain, "expected protocol version `1`, found `99`"),
    ("promises-multiplexing", Multiplexed, NO_HANDSHAKE),
    ("segfaults", Plain, "ended with signal: 11 (SIGSEGV)"),
    ("silent", Plain, NO_HANDSHAKE),
    ("speaks-http1", Plain, BROKEN),
    ("speaks-nonsense", Plain, BROKEN),
    ("stops-itself", Plain, NO_HANDSHAKE),
    ("tcp-of-nobody", Plain, "failed to connect to the plugin's socket"),
    ("three-fields", Plain, "found `1|1|unix`"),
];

#[test]
fn every_misbehaviour_has_its_error_and_leaves_nothing() {
    let backend = ProcessBackend::start().unwrap();
    let well = ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend);
    let (_instance, channel) = run(load(&well));
    let sockets = run(get(&channel, "__env:PLUGIN_UNIX_SOCKET_DIR")).unwrap();
    // Each plugin has a directory of its own beside it.
    let all = Path::new(str::from_utf8(&sockets).unwrap()).parent().unwrap();
    let left = || std::fs::read_dir(all).unwrap().count() - 1;
    let mut wrong = Vec::new();
    for (index, (mode, how, expected)) in MODES.into_iter().enumerate() {
        let patience = Duration::from_millis(if expected == NO_HANDSHAKE { 500 } else { 30_000 });
        let token = format!("{}-{index}", std::process::id());
        let plugin = ProcessPlugin::new(hostile())
            .args([mode])
            .env(TOKEN, &token)
            .handshake(Handshake::new(1, "HOSTILE", "plugin"))
            .start_timeout(patience)
            .backend(&backend);
        let plugin = match how {
            Mtls => plugin.auto_mtls(),
            Multiplexed => plugin.multiplex(),
            Plain => plugin,
        };
        let begun = Instant::now();
        let error = run(plugin.load(&Load::new(Context::new("hostile", []), description()))).unwrap_err();
        let text = chain(&error);
        if !expected.split(" | ").any(|expected| text.contains(expected)) {
            wrong.push(format!("{mode}: {text}"));
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{mode}: {:?}", begun.elapsed());
        // Seen where something below fails.
        eprintln!("{mode}: refused after {:?}", begun.elapsed());
        carriers(&token).iter().for_each(wait_for_end);
        assert!(carriers(&token).is_empty(), "{mode}");
        if left() != 0 {
            wrong.push(format!("{mode}: {} directories are left", left()));
        }
        // The host is well, and so is what else it runs.
        run(get(&channel, "__pid")).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_plugin_has_no_more_memory_than_its_limit() {
    let backend = ProcessBackend::start().unwrap();
    let hoards = || {
        let plugin = ProcessPlugin::new(hostile()).args(["hoards-memory"]).backend(&backend);
        plugin.handshake(Handshake::new(1, "HOSTILE", "plugin"))
    };
    let refusal = |plugin: ProcessPlugin| {
        chain(&run(plugin.load(&Load::new(Context::new("hostile", []), description()))).unwrap_err())
    };
    let text = refusal(hoards().memory_limit(64 << 20));
    let is_told =
        text.contains("signal: 6 (SIGABRT)") && text.contains("memory allocation of 1048576 bytes failed");
    // In a cgroup there counts what is no data, too.
    assert!(is_told || text.contains("(memory limit)"), "{text}");
    let text = refusal(hoards());
    assert!(text.contains("exit status: 7"), "without a limit it has all that it wants: {text}");

    // One that needs less does not notice.
    let well = ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend);
    let (_instance, channel) = run(load(&well.memory_limit(256 << 20)));
    run(get(&channel, "__pid")).unwrap();
}

/// Whoever has the token in the environment, which grandchildren inherit.
fn carriers(token: &str) -> Vec<OwnedFd> {
    let entry = format!("{TOKEN}={token}");
    let carries = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|process| process.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(carries).filter_map(|pid| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()).collect()
}

fn hostile() -> PathBuf {
    let build = Build::fixtures().profile(Profile::own());
    jackfield_fixtures::build(&build).unwrap().program("hostile-plugin").to_owned()
}

const TOKEN: &str = "JACKFIELD_TEST_TOKEN";
