//! A host that attaches itself to a plugin that runs already.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use jackfield_core::{Candidate, Context, Lane, Load, Unloaded};
use jackfield_process::{
    Address, AttachError, Owner, ProcessBackend, ProcessPlugin, Reattach, ServeConfig, Services, Stream,
};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::calls::{self, put, run};
use crate::options::make_certificates;
use crate::own_tls;
use crate::peers::{Go, chain, description, handshake, our_plugin, wait_for_end};
use crate::raw::get;

fn detached_plugins(backend: &ProcessBackend) -> Vec<ProcessPlugin> {
    let ours = ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend);
    let mut plugins = vec![ours.clone(), ours.clone().auto_mtls(), ours.env("KV_NETWORK", "tcp")];
    if Go::is_here() {
        plugins.extend([
            Go::Newest.plugin(backend),
            Go::Newest.plugin(backend).auto_mtls(),
            Go::V1_4.plugin(backend),
        ]);
    }
    plugins.into_iter().map(ProcessPlugin::detached).collect()
}

/// No test, unless the one below starts it as the host that goes.
#[test]
fn acts_as_the_first_host() {
    let Some(index) = std::env::var_os(ROLE) else { return };
    let index: usize = index.to_str().unwrap().parse().unwrap();
    let backend = ProcessBackend::start().unwrap();
    let text = run(async {
        let running = detached_plugins(&backend)[index].start("kv").await.unwrap();
        get(running.channel(), "__pid").await.unwrap();
        running.reattach().unwrap().to_string()
    });
    std::fs::write(std::env::var_os(OUTPUT).unwrap(), text).unwrap();
}

#[test]
fn a_second_host_goes_on_where_the_first_ended() {
    let backend = ProcessBackend::start().unwrap();
    for (index, plugin) in detached_plugins(&backend).into_iter().enumerate() {
        let reattach = start_and_leave(index);
        let pid = Pid::from_raw(reattach.pid.unwrap() as i32).unwrap();
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        run(async {
            // It goes on when a host lets go of it.
            for _ in 0..2 {
                let running = reattach.attach(&backend, "kv").await.unwrap_or_else(|error| {
                    panic!("{plugin:?}: {}", chain(&error));
                });
                let answer = get(running.channel(), "__pid").await.unwrap().value;
                assert_eq!(str::from_utf8(&answer).unwrap(), pid.as_raw_pid().to_string());
                assert_eq!(running.reattach().as_ref(), Some(&reattach));
            }
            let running = reattach.attach(&backend, "kv").await.unwrap();
            assert!(matches!(running.stop(Duration::from_secs(2)).await, Unloaded::Exited { .. }));
            wait_for_end(&process);
            let error = reattach.attach(&backend, "kv").await.unwrap_err();
            assert!(chain(&error).contains("reattachment process not found"), "{error}");
        });
    }
}

/// What it prints comes to the host that is there.
#[test]
fn what_a_plugin_prints_comes_to_the_second_host() {
    let backend = ProcessBackend::start().unwrap();
    for index in 0..detached_plugins(&backend).len() {
        let reattach = start_and_leave(index);
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let plugin = reattach
            .plugin(&backend)
            .on_print(move |stream, bytes| sender.send((stream, bytes.to_vec())).unwrap());
        run(async {
            let load = Load::new(Context::new("kv", []), description());
            let instance = plugin.load(&load).await.unwrap();
            let Lane::Channel(channel) = instance.lane() else { panic!() };
            put(&channel, "__stdout", b"still here\n").await.unwrap();
            assert_eq!(printed.recv().await, Some((Stream::Stdout, b"still here\n".to_vec())));
            let unloaded = instance.unload(Duration::from_secs(2)).await;
            assert!(matches!(unloaded, Unloaded::Exited { .. }), "{unloaded}");
        });
    }
}

#[test]
fn a_host_brings_its_own_keys_again() {
    let home = tempfile::tempdir().unwrap();
    make_certificates(home.path());
    let backend = ProcessBackend::start().unwrap();
    let plugin = ProcessPlugin::new(our_plugin()).handshake(handshake()).env("KV_TLS", home.path());
    let tls = || own_tls::load(home.path(), "host", "plugin");
    run(async {
        let plugin = plugin.tls(tls()).detached().backend(&backend);
        let load = Load::new(Context::new("kv", []), description());
        let first = plugin.load(&load).await.unwrap();
        let reattach: Reattach = first.reattach().unwrap().parse().unwrap();
        drop(first);
        assert!(reattach.plugin(&backend).load(&load).await.is_err(), "it answers nobody without keys");
        let again = reattach.plugin(&backend).tls(tls()).load(&load).await.unwrap();
        let Lane::Channel(channel) = again.lane() else { panic!() };
        assert_eq!(calls::get(&channel, "__pid").await.unwrap(), reattach.pid.unwrap().to_string());
        let unloaded = again.unload(Duration::from_secs(2)).await;
        assert!(matches!(unloaded, Unloaded::Exited { .. }), "{unloaded}");
    });
}

#[test]
fn a_plugin_that_does_not_end_is_killed_and_its_calls_end() {
    let backend = ProcessBackend::start().unwrap();
    let reattach = start_and_leave(0);
    let pid = Pid::from_raw(reattach.pid.unwrap() as i32).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    run(async {
        let running = reattach.attach(&backend, "kv").await.unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let channel = running.channel();
        let (call, stopped) = tokio::join!(get(channel, "__sleep"), running.stop(Duration::from_millis(50)));
        assert_eq!(stopped, Unloaded::Killed);
        assert_eq!(call.unwrap_err().code(), tonic::Code::Unavailable);
    });
    wait_for_end(&process);
    if let Address::Unix(path) = reattach.address {
        let _removed = std::fs::remove_file(path);
    }
}

#[test]
fn nobody_else_is_ever_killed() {
    let backend = ProcessBackend::start().unwrap();
    let mut stranger = program("sleep").arg("1000").spawn().unwrap();
    let plugin = ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend);
    run(async {
        for plugin in [plugin.clone(), plugin.env("KV_NETWORK", "tcp")] {
            let running = plugin.start("kv").await.unwrap();
            let mut reattach = running.reattach().unwrap();
            reattach.pid = Some(stranger.id());
            let error = reattach.attach(&backend, "kv").await.unwrap_err();
            assert!(matches!(error, AttachError::Stranger { .. }), "{error:?}");
            assert!(
                error.to_string().starts_with("reattachment process not found: expected process"),
                "{error}"
            );
            // Without a number nobody can be killed, but the plugin can be asked.
            reattach.pid = None;
            let again = reattach.attach(&backend, "kv").await.unwrap();
            assert!(matches!(again.stop(Duration::from_secs(2)).await, Unloaded::Exited { .. }));
            assert!(running.closed().await.to_string().contains("exit status: 0"));
        }
    });
    assert_eq!(stranger.try_wait().unwrap(), None);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_plugin_under_test_is_called_and_left() {
    let plugin = ServeConfig::new(handshake()).services(|_| Services::default()).serve_for_test().unwrap();
    assert_eq!(plugin.reattach().owner, Owner::Somebody);
    // As a tool prints it, and another reads it.
    let text = Reattach::write_all([("kv", plugin.reattach())]);
    let reattach = Reattach::read_all(&text).unwrap().remove("kv").unwrap();
    let backend = ProcessBackend::start().unwrap();
    run(async {
        for _ in 0..2 {
            let running = reattach.attach(&backend, "kv").await.unwrap();
            running.ping(Duration::from_secs(5)).await.unwrap();
            assert_eq!(running.stop(Duration::from_secs(2)).await, Unloaded::Left);
        }
        let running = reattach.attach(&backend, "kv").await.unwrap();
        drop(plugin);
        running.closed().await;
        assert!(matches!(reattach.attach(&backend, "kv").await, Err(AttachError::NotFound(_))));
    });
}

/// By what our host, or our plugin, says of itself.
#[test]
fn a_go_host_attaches_itself_to_ours() {
    if !Go::is_here() {
        return;
    }
    let go_host = |arguments: &[&str], reattach: &Reattach| {
        let mut host = program(Go::Newest.programs().join("kv-host"));
        host.args(arguments).env("KV_REATTACH", reattach.to_string()).stdout(Stdio::piped());
        let output = host.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // Over a Unix socket, and over TCP.
    for index in [0, 2] {
        let reattach = start_and_leave(index);
        let pid = Pid::from_raw(reattach.pid.unwrap() as i32).unwrap();
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        assert_eq!(go_host(&["get", "__pid"], &reattach), format!("{}\n", pid.as_raw_pid()));
        // Go's host asks it to end.
        wait_for_end(&process);
        let again = go_host(&["ping"], &reattach);
        assert!(again.contains("reattachment process not found"), "{again}");
    }
    // What is under test is left alone.
    let plugin = ServeConfig::new(handshake()).services(|_| Services::default()).serve_for_test().unwrap();
    for _ in 0..2 {
        assert_eq!(go_host(&["ping"], plugin.reattach()), "pong\n");
    }
}

#[test]
fn a_second_host_knows_which_version_was_agreed_on() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = ProcessPlugin::new(our_plugin()).handshake(handshake()).env("KV_VERSIONS", "2,3");
    let plugin = plugin.versions([2, 3, 4]).detached().backend(&backend);
    run(async {
        let first = plugin.start("kv").await.unwrap();
        let reattach: Reattach = first.reattach().unwrap().to_string().parse().unwrap();
        drop(first);
        let second = reattach.attach(&backend, "kv").await.unwrap();
        assert_eq!((reattach.protocol_version, second.protocol_version()), (3, 3));
        get(second.channel(), "__pid").await.unwrap();
        assert!(matches!(second.stop(Duration::from_secs(2)).await, Unloaded::Exited { .. }));
    });
}

/// Neither without a key nor with somebody else's.
#[test]
fn under_auto_mtls_a_third_process_cannot_connect() {
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(&backend)];
    if Go::is_here() {
        plugins.push(Go::Newest.plugin(&backend));
    }
    for plugin in plugins {
        run(async {
            let running = plugin.clone().auto_mtls().start("kv").await.unwrap();
            let other = plugin.auto_mtls().start("other").await.unwrap();
            let own = running.reattach().unwrap();
            let mut stolen = other.reattach().unwrap();
            stolen.address = own.address.clone();
            stolen.pid = own.pid;
            let mut keyless = Reattach::new(1, own.address.clone());
            keyless.pid = own.pid;
            for stranger in [stolen, keyless] {
                // It may be refused at once, or at its first call.
                if let Ok(attached) = stranger.attach(&backend, "stranger").await {
                    get(attached.channel(), "__pid").await.unwrap_err();
                }
            }
            get(running.channel(), "__pid").await.unwrap();
            let attached = own.attach(&backend, "kv").await.unwrap();
            get(attached.channel(), "__pid").await.unwrap();
        });
    }
}

/// There generated clients of `tonic` make the calls.
#[test]
fn a_plugin_over_net_rpc_is_not_attached_to_as_raw_grpc() {
    let backend = ProcessBackend::start().unwrap();
    for protocol in ["netrpc", ""] {
        let text = format!(r#"{{"Protocol":"{protocol}","Addr":{{"Network":"unix","String":"/nowhere"}}}}"#);
        let error = run(text.parse::<Reattach>().unwrap().attach(&backend, "kv")).unwrap_err();
        assert_eq!(error.to_string(), "expected protocol `grpc`, found `netrpc`");
    }
}

/// Lets a host of its own start the plugin, and end.
fn start_and_leave(index: usize) -> Reattach {
    let home = tempfile::tempdir().unwrap();
    let output = home.path().join("reattach");
    let status = program(std::env::current_exe().unwrap())
        .args(["--exact", "reattach::acts_as_the_first_host"])
        .env(ROLE, index.to_string())
        .env(OUTPUT, &output)
        .status()
        .unwrap();
    assert!(status.success());
    let mut text = String::new();
    std::fs::File::open(output).unwrap().read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const ROLE: &str = "JACKFIELD_TEST_ACT_AS_THE_FIRST_HOST";
const OUTPUT: &str = "JACKFIELD_TEST_OUTPUT";
