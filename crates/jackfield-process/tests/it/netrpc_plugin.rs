//! go-plugin's older protocol: our host and Go's plugin, Go's host and our plugin.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::{
    Bytes, CallError, CallOptions, Candidate, Context, Description, Error, Handle, Instance, Load, Slot,
    Streaming, Unloaded, Value, interface,
};
use jackfield_fixtures::{Build, Profile};
use jackfield_process::netrpc::NetRpc;
use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin, Reattach, Stream};

use crate::calls::run;
use crate::events;
use crate::liveness::stop;
use crate::options::make_certificates;
use crate::own_tls;
use crate::peers::{Go, chain};

/// The interface of the peers.
#[interface(service = "proto.Greeter", version = "1.0")]
pub(crate) trait Greeter {
    async fn greet(&self) -> Result<String, Error>;
    async fn put(&self, key: String, value: Bytes) -> Result<(), Error>;
    async fn get(&self, key: String) -> Result<Bytes, Error>;
    fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
}

/// Something that no plugin has.
#[interface(service = "proto.Greeter", version = "1.0")]
trait Wider {
    async fn absent(&self) -> Result<String, Error>;
}

pub(crate) fn plugin(program: PathBuf, backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(program)
        .handshake(Handshake::new(1, "BASIC_PLUGIN", "hello"))
        .net_rpc(NetRpc::new("greeter").map_arguments("Put"))
        .backend(backend)
}

fn go_plugin(go: Go, backend: &ProcessBackend) -> ProcessPlugin {
    plugin(go.programs().join("netrpc-plugin"), backend)
}

pub(crate) fn our_plugin() -> PathBuf {
    let build = Build::fixtures().profile(Profile::own());
    jackfield_fixtures::build(&build).expect("the example builds").program("netrpc_plugin").to_owned()
}

pub(crate) async fn load(plugin: &dyn Candidate) -> (Box<dyn Instance>, Handle<dyn Greeter>) {
    load_as("greeter", plugin).await
}

async fn load_as(name: &str, plugin: &dyn Candidate) -> (Box<dyn Instance>, Handle<dyn Greeter>) {
    let load = Load::new(Context::new(name, []), Description::of::<dyn Greeter>());
    let instance = plugin.load(&load).await.unwrap();
    let slot = Arc::new(Slot::new::<dyn Greeter>(instance.lane()));
    let greeter = slot.handle::<dyn Greeter>().unwrap();
    (instance, greeter)
}

async fn round_trip(plugin: ProcessPlugin) {
    let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
    let plugin = plugin.on_print(move |stream, bytes| sender.send((stream, bytes.to_vec())).unwrap());
    let (instance, greeter) = load(&plugin).await;
    assert_eq!(greeter.greet().await.unwrap(), "Hello!");
    greeter.put("k".into(), Bytes::from_static(b"v")).await.unwrap();
    assert_eq!(greeter.get("k".into()).await.unwrap(), "v");
    assert_eq!(greeter.add(40, 2).unwrap(), 42);
    let Err(Error::Plugin(failure)) = greeter.get("missing".into()).await else { panic!() };
    assert_eq!(failure.message(), "no such key: missing");

    greeter.put("__stdout".into(), Bytes::from_static(b"out\n")).await.unwrap();
    assert_eq!(printed.recv().await, Some((Stream::Stdout, b"out\n".to_vec())));
    let large = Bytes::from(vec![7; 3_000_000]);
    greeter.put("large".into(), large.clone()).await.unwrap();
    assert_eq!(greeter.get("large".into()).await.unwrap(), large);

    assert_eq!(instance.unload(Duration::from_secs(2)).await.to_string(), "exited (exit status: 0)");
    assert!(matches!(greeter.greet().await, Err(Error::Call(_))));
}

#[test]
fn we_call_plugins_of_go() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    for go in [Go::Newest, Go::V1_4] {
        run(round_trip(go_plugin(go, &backend)));
        run(round_trip(go_plugin(go, &backend).auto_mtls()));
    }
}

#[test]
fn we_call_our_own_plugin_in_whichever_version() {
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(plugin(our_plugin(), &backend)));
    run(round_trip(plugin(our_plugin(), &backend).auto_mtls()));
    // This host speaks the newer version too, in which the plugin answers over gRPC.
    run(round_trip(plugin(our_plugin(), &backend).versions([2])));
}

fn on_runtime(program: PathBuf, backend: &ProcessBackend) -> ProcessPlugin {
    plugin(program, backend).net_rpc(NetRpc::new("greeter").map_arguments("Put").connection_on_runtime())
}

/// A blocking call there would wait for itself, one from elsewhere waits for it, and it ends with it.
#[test]
fn a_connection_may_live_on_the_loaders_runtime() {
    let backend = ProcessBackend::start().unwrap();
    let mut programs = vec![our_plugin()];
    if Go::is_here() {
        programs.push(Go::Newest.programs().join("netrpc-plugin"));
    }
    for program in programs {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (instance, greeter) = runtime.block_on(async {
            let (instance, greeter) = load(&on_runtime(program, &backend).auto_mtls()).await;
            let large = Bytes::from(vec![7; 3_000_000]);
            greeter.put("large".into(), large.clone()).await.unwrap();
            assert_eq!(greeter.get("large".into()).await.unwrap(), large);
            let in_time = CallOptions::default().deadline(Instant::now() + Duration::from_secs(60));
            assert_eq!(Handle::with(&greeter, in_time).greet().await.unwrap(), "Hello!");
            let waits_for_itself = greeter.add(40, 2).unwrap_err();
            assert!(waits_for_itself.to_string().contains("would wait for itself"), "{waits_for_itself}");
            let elsewhere = greeter.clone();
            let sum = tokio::task::spawn_blocking(move || elsewhere.add(40, 2)).await.unwrap();
            assert_eq!(sum.unwrap(), 42);
            (instance, greeter)
        });
        drop(runtime);
        assert_eq!(run(instance.closed()), without_a_runtime());
        assert_eq!(run(greeter.greet()).unwrap_err(), Error::Call(without_a_runtime()));
        let sum = std::thread::spawn(move || greeter.add(40, 2)).join().unwrap();
        assert_eq!(sum, Err(Error::Call(without_a_runtime())));
        let ended = run(instance.unload(Duration::from_secs(2)));
        assert!(matches!(ended, Unloaded::Exited { .. } | Unloaded::Killed), "{ended}");
    }
}

pub(crate) fn without_a_runtime() -> CallError {
    let reason = "the runtime on which the connection to the plugin lived has ended".to_owned();
    CallError::Closed { reason }
}

#[test]
fn a_plugin_is_unloaded_by_the_runtime_on_which_its_connection_lives() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = on_runtime(our_plugin(), &backend);
    run(async {
        let (instance, _greeter) = load(&plugin).await;
        let ended = instance.unload(Duration::from_secs(2)).await;
        assert_eq!(ended.to_string(), "exited (exit status: 0)");
    });
}

/// The runtime has to have what a connection needs.
#[test]
fn a_connection_needs_a_clock() {
    let backend = ProcessBackend::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let load = Load::new(Context::new("greeter", []), Description::of::<dyn Greeter>());
    let error = runtime.block_on(on_runtime(our_plugin(), &backend).load(&load)).unwrap_err();
    assert!(chain(&error).contains("its I/O or its clock disabled"), "{}", chain(&error));
}

/// Its own thread reads the answers.
#[test]
fn a_host_that_is_busy_does_not_take_its_plugin_for_wedged() {
    let patience = Duration::from_millis(100);
    let backend = ProcessBackend::start().unwrap();
    let plugin = on_runtime(our_plugin(), &backend).liveness(patience);
    run(async {
        let (instance, greeter) = load(&plugin).await;
        for _ in 0..3 {
            let busy = Instant::now();
            while busy.elapsed() < 3 * patience {
                std::hint::spin_loop();
            }
            assert_eq!(greeter.greet().await.unwrap(), "Hello!");
        }
        // It is asked all the same.
        stop(&*instance);
        let CallError::Closed { reason } = instance.closed().await else { panic!("it answers nothing") };
        assert!(reason.contains("it answered nothing for 100ms"), "{reason}");
    });
}

/// Any thread of a runtime of many may block, so that a connection there might wait for ever.
#[test]
fn no_connection_lives_on_a_runtime_of_many_threads() {
    let backend = ProcessBackend::start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (instance, greeter) = runtime.block_on(load(&on_runtime(our_plugin(), &backend)));
    drop(runtime);
    assert_eq!(greeter.add(40, 2).unwrap(), 42);
    run(instance.unload(Duration::from_secs(2)));
}

/// Only Go has two streams for what a plugin prints: what ours writes to its standard error is its log.
#[test]
fn both_outputs_of_go_arrive() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    for go in [Go::Newest, Go::V1_4] {
        run(async {
            let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
            let plugin = go_plugin(go, &backend)
                .on_print(move |stream, bytes| sender.send((stream, bytes.to_vec())).unwrap());
            let (_instance, greeter) = load(&plugin).await;
            for (key, stream) in [("__stderr", Stream::Stderr), ("__stdout", Stream::Stdout)] {
                greeter.put(key.into(), Bytes::from_static(b"\xffsaid")).await.unwrap();
                assert_eq!(printed.recv().await, Some((stream, b"\xffsaid".to_vec())));
            }
        });
    }
}

/// As a shell that knows the cookie sees it: the address, the older protocol, and an empty certificate.
#[test]
#[expect(clippy::disallowed_methods, reason = "a program is started as a person starts it")]
fn the_announcement_ends_with_an_empty_certificate() {
    use std::io::{BufRead as _, BufReader};
    let mut command = Command::new(our_plugin());
    command.env("BASIC_PLUGIN", "hello").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut plugin = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(plugin.stdout.take().unwrap()).read_line(&mut line).unwrap();
    plugin.kill().unwrap();
    plugin.wait().unwrap();
    let fields: Vec<_> = line.strip_suffix('\n').unwrap().split('|').collect();
    let ["1", "1", "unix", socket, "netrpc", ""] = fields[..] else { panic!("{line}") };
    // A plugin that is killed leaves it to its host.
    std::fs::remove_file(socket).unwrap();
}

#[test]
fn the_host_says_what_becomes_of_a_plugin() {
    events::install();
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, greeter) = load_as("told", &plugin(our_plugin(), &backend)).await;
        assert_eq!(greeter.greet().await.unwrap(), "Hello!");
        instance.unload(Duration::from_secs(2)).await;
    });
    // What the plugin logs comes by another way, and may be late.
    let host = [
        "starting a plugin",
        "started a plugin",
        "waiting for a plugin's address",
        "using a plugin",
        "a plugin's process ended",
    ];
    events::wait_for_order("told", &host);
    let plugin = ["the plugin listens", "message from plugin", "message from GreeterHello.Greet"];
    events::wait_for_order("told", &[&host[..3], &plugin, &host[4..]].concat());
}

/// TLS lies around yamux, whoever brings it.
#[test]
fn either_side_may_bring_its_own_tls() {
    if !Go::is_here() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    make_certificates(home.path());
    let stranger = tempfile::tempdir().unwrap();
    make_certificates(stranger.path());
    std::fs::copy(home.path().join("plugin.pem"), stranger.path().join("plugin.pem")).unwrap();
    let backend = ProcessBackend::start().unwrap();
    for program in [Go::Newest.programs().join("netrpc-plugin"), our_plugin()] {
        let plugin = plugin(program, &backend).env("GREETER_TLS", home.path());
        run(round_trip(plugin.clone().tls(own_tls::load(home.path(), "host", "plugin"))));
        // A host with a key of its own making is refused, and so is one without TLS.
        for refused in [plugin.clone().tls(own_tls::load(stranger.path(), "host", "plugin")), plugin] {
            let load = Load::new(Context::new("greeter", []), Description::of::<dyn Greeter>());
            let error = run(refused.load(&load)).unwrap_err();
            assert!(chain(&error).contains("failed to talk to the plugin over net/rpc"), "{}", chain(&error));
        }
    }
    let output = go_host(Go::Newest, &[("GREETER_TLS", home.path().to_str().unwrap())], &["kv"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "v|no such key: missing|42|printed\n");
}

/// A host that was detached from its plugin goes, and another one goes on, by the same trait.
#[test]
fn a_second_host_goes_on_where_the_first_ended() {
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![plugin(our_plugin(), &backend), plugin(our_plugin(), &backend).auto_mtls()];
    // And over gRPC, which this plugin speaks in its second version.
    plugins.push(plugin(our_plugin(), &backend).versions([2]));
    if Go::is_here() {
        plugins.extend([go_plugin(Go::Newest, &backend), go_plugin(Go::V1_4, &backend)]);
    }
    for plugin in plugins.into_iter().map(ProcessPlugin::detached) {
        run(goes_on(&backend, &plugin));
    }
}

async fn goes_on(backend: &ProcessBackend, plugin: &ProcessPlugin) {
    let (first, greeter) = load(plugin).await;
    assert_eq!(greeter.greet().await.unwrap(), "Hello!");
    let reattach: Reattach = first.reattach().unwrap().parse().unwrap();
    drop((first, greeter));
    let attached = reattach.plugin(backend).net_rpc(NetRpc::new("greeter").map_arguments("Put"));
    for _ in 0..2 {
        let (again, greeter) = load(&attached).await;
        assert_eq!(greeter.greet().await.unwrap(), "Hello!", "{plugin:?}");
        let same: Reattach = again.reattach().unwrap().parse().unwrap();
        assert_eq!(same, reattach, "it has the same number, and goes on");
    }
    let (last, greeter) = load(&attached).await;
    let unloaded = last.unload(Duration::from_secs(2)).await;
    assert!(matches!(unloaded, Unloaded::Exited { .. }), "{plugin:?}: {unloaded}");
    assert!(matches!(greeter.greet().await, Err(Error::Call(_))));
    let load = Load::new(Context::new("greeter", []), Description::of::<dyn Greeter>());
    let error = attached.load(&load).await.unwrap_err();
    assert!(chain(&error).contains("reattachment process not found"), "{}", chain(&error));
}

#[test]
fn a_death_is_explained() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, greeter) = load(&go_plugin(Go::Newest, &backend)).await;
        let error = greeter.put("__exit".into(), Bytes::new()).await.unwrap_err();
        let Error::Call(CallError::Exited { status, .. }) = error else { panic!("{error:?}") };
        assert_eq!(status, "exit status: 3");
        assert!(matches!(instance.closed().await, CallError::Exited { .. }));
    });
}

#[test]
fn a_wedged_plugin_is_killed() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    for plugin in [go_plugin(Go::Newest, &backend), plugin(our_plugin(), &backend)] {
        run(async {
            let (instance, greeter) = load(&plugin.liveness(Duration::from_secs(2))).await;
            assert_eq!(greeter.greet().await.unwrap(), "Hello!");
            stop(&*instance);
            // One of its threads may answer still before it stops.
            let error = loop {
                if let Err(error) = greeter.greet().await {
                    break error;
                }
            };
            let Error::Call(CallError::Closed { reason }) = &error else { panic!("{error:?}") };
            assert!(reason.starts_with("the plugin was killed: it answered nothing for 2s"), "{reason}");
            assert_eq!(instance.closed().await.to_string(), error.to_string());
        });
    }
}

#[test]
fn what_is_not_there_is_named() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let load = Load::new(Context::new("greeter", []), Description::of::<dyn Wider>());
        let instance = go_plugin(Go::Newest, &backend).load(&load).await.unwrap();
        let slot = Arc::new(Slot::new::<dyn Wider>(instance.lane()));
        let error = slot.handle::<dyn Wider>().unwrap().absent().await.unwrap_err();
        assert_eq!(error, CallError::Unimplemented { method: "/proto.Greeter/Absent".into() }.into());

        let other = go_plugin(Go::Newest, &backend).net_rpc(NetRpc::new("zzz"));
        let error = other.load(&load).await.unwrap_err();
        assert!(chain(&error).contains("unknown plugin type: zzz"), "{}", chain(&error));
        // Whoever does not ask for net/rpc does not get it.
        let unasked = ProcessPlugin::new(Go::Newest.programs().join("netrpc-plugin"))
            .handshake(Handshake::new(1, "BASIC_PLUGIN", "hello"))
            .backend(&backend);
        let error = unasked.load(&load).await.unwrap_err();
        assert!(chain(&error).contains("expected protocol `grpc`, found `netrpc`"), "{}", chain(&error));
    });
}

/// What Go has no type for.
#[derive(Clone, Debug, PartialEq, Value)]
enum Figure {
    #[value(number = 1)]
    Circle(f64),
    #[value(number = 2)]
    Square(f64),
}

#[interface(service = "proto.Painter", version = "1.0")]
trait Painter {
    async fn paint(&self, figure: Figure) -> Result<(), Error>;
}

#[interface(service = "proto.Pourer", version = "1.0")]
trait Pourer {
    async fn pour(&self, drops: Streaming<i64>) -> Result<i64, Error>;
}

#[test]
fn an_interface_that_cannot_be_carried_is_refused_by_name() {
    let backend = ProcessBackend::start().unwrap();
    for (interface, what) in [
        (
            Description::of::<dyn Painter>(),
            "the enum with data `Figure`, which the method `Paint` of `proto.Painter` has",
        ),
        (
            Description::of::<dyn Pourer>(),
            "the stream `drops`, which the method `Pour` of `proto.Pourer` has",
        ),
    ] {
        let load = Load::new(Context::new("greeter", []), interface);
        let error = chain(&run(plugin(our_plugin(), &backend).load(&load)).unwrap_err());
        assert!(error.contains(&format!("net/rpc cannot carry {what}")), "{error}");
        assert!(
            error.contains("(hint: serve it over gRPC, or let it be lacking: `allow_lacking`)"),
            "{error}"
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn go_host(go: Go, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(go.programs().join("netrpc-host"))
        .arg(our_plugin())
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn hosts_of_go_call_us() {
    if !Go::is_here() {
        return;
    }
    for go in [Go::Newest, Go::V1_4] {
        for auto_mtls in ["0", "1"] {
            let said = |arguments: &[&str]| {
                let output = go_host(go, &[("AUTOMTLS", auto_mtls)], arguments);
                assert!(output.status.success(), "{output:?}");
                (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
            };
            assert_eq!(said(&["kv"]).0, "v|no such key: missing|42|printed\n");
            assert_eq!(said(&["loop", "1000"]).0, "ok 1000\n");
            // A second client in the host goes on with what the first one started, without keys: Go has none for it.
            if matches!((go, auto_mtls), (Go::Newest, "0")) {
                assert_eq!(said(&["reattach"]).0, "Hello!\n");
            }
            let (greeting, log) = said(&["greet"]);
            assert_eq!(greeting, "Hello!\n");
            // Go's host logs its events in this order, and our plugin its own in between.
            let host =
                ["starting plugin", "plugin started", "waiting for RPC address", "using plugin: version=1"];
            let plugin =
                ["the plugin listens", "message from plugin: ", "foo=bar", "message from GreeterHello.Greet"];
            for events in [&host, &plugin] {
                let mut rest = &*log;
                for event in events.iter().chain(&["plugin process exited"]) {
                    let at =
                        rest.find(event).unwrap_or_else(|| panic!("{event} is missing, or early, in {log}"));
                    rest = &rest[at..];
                }
            }
            assert!(!log.contains("failed to exit gracefully"), "{log}");
        }
    }
}
