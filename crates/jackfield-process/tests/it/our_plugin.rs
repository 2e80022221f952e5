//! Our plugin, by our host and by Go's.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use jackfield_core::{
    CallError, Candidate, Code, Context, Description, Error, Field, Instance, Kind, Load, Method, Mode,
    Shape, Unloaded,
};
use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::calls::{get, load, put, run};
use crate::endless::Endless;
use crate::netrpc_plugin;
use crate::peers::{Go, first_field, handshake, message, our_plugin, wait_for_end};

static ECHO: Method = Method {
    name: "Echo",
    path: "/proto.KV/Echo",
    mode: Mode::Blocking,
    arguments: &[Field::new("value", 1, Shape::Singular(Kind::Bytes))],
    result: &[Field::new("value", 1, Shape::Singular(Kind::Bytes))],
    is_optional: false,
};

static ABSENT: Method = Method { name: "Absent", path: "/proto.KV/Absent", ..ECHO };

fn plugin(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)
}

async fn round_trip(plugin: ProcessPlugin) {
    let home = tempfile::tempdir().unwrap();
    let (instance, channel) = load(&plugin.current_dir(home.path())).await;
    put(&channel, "hello", b"world").await.unwrap();
    assert_eq!(get(&channel, "hello").await.unwrap(), "world");
    assert_eq!(get(&channel, "__size:20000000").await.unwrap().len(), 20_000_000);
    put(&channel, "__null", &vec![7; 20_000_000]).await.unwrap();

    let Err(Error::Plugin(failure)) = get(&channel, "missing").await else { panic!() };
    assert_eq!(failure.code(), Code::NOT_FOUND);
    assert_eq!(instance.unload(Duration::from_secs(2)).await.to_string(), "exited (exit status: 0)");
    assert!(matches!(get(&channel, "hello").await, Err(Error::Call(_))));
}

#[test]
fn our_host_calls_it() {
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(plugin(&backend)));
}

#[test]
fn our_host_calls_it_under_auto_mtls() {
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(plugin(&backend).auto_mtls()));
}

#[test]
fn blocking_methods_answer_too() {
    let backend = ProcessBackend::start().unwrap();
    let (_instance, channel) = run(load(&plugin(&backend)));
    let answer = channel.call_blocking(&ECHO, message([b"twice".as_slice()]).into(), None).unwrap();
    assert_eq!(first_field(&answer.bytes), "twice");
}

#[test]
fn a_method_that_is_not_there_is_named() {
    let backend = ProcessBackend::start().unwrap();
    let (_instance, channel) = run(load(&plugin(&backend)));
    let error = channel.call_blocking(&ABSENT, message([]).into(), None).unwrap_err();
    assert_eq!(error, CallError::Unimplemented { method: "/proto.KV/Absent".into() }.into());
}

#[test]
fn a_panic_is_a_value_and_the_plugin_goes_on() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&plugin(&backend)).await;
        let result = get(&channel, "__panic").await;
        let Err(Error::Call(CallError::Panicked { message })) = result else { panic!("{result:?}") };
        assert!(message.contains("this key is poisoned"), "{message}");
        get(&channel, "__pid").await.unwrap();
    });
}

#[test]
fn what_it_prints_arrives() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let plugin = plugin(&backend).on_print(move |stream, bytes| {
            sender.send((stream, bytes.to_vec())).unwrap();
        });
        let (_instance, channel) = load(&plugin).await;
        put(&channel, "__stdout", b"out\n").await.unwrap();
        assert_eq!(printed.recv().await, Some((jackfield_process::Stream::Stdout, b"out\n".to_vec())));
    });
}

#[test]
fn it_reads_the_hosts_configuration() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let context = jackfield_core::Context::new("kv", [("greeting".to_owned(), "hällo".to_owned())]);
        let (_instance, channel) = crate::calls::load_with(&plugin(&backend), context).await;
        assert_eq!(get(&channel, "__greeting").await.unwrap(), "hällo");
    });
}

#[test]
fn each_runtime_may_have_its_own_connection() {
    let backend = ProcessBackend::start().unwrap();
    for plugin in [plugin(&backend), plugin(&backend).auto_mtls()] {
        let (instance, channel) = run(load(&plugin.connection_per_runtime()));
        for _ in 0..3 {
            // Each time a runtime that knows nothing of the last one, which is gone.
            run(async {
                assert_eq!(get(&channel, "__size:1000000").await.unwrap().len(), 1_000_000);
                let echo = message([b"twice".as_slice()]);
                assert_eq!(
                    first_field(&channel.call_blocking(&ECHO, echo.into(), None).unwrap().bytes),
                    "twice"
                );
            });
        }
        run(async {
            let crash = async {
                get(&channel, "__pid").await.unwrap();
                drop(instance);
            };
            let (result, ()) = tokio::join!(get(&channel, "__sleep"), crash);
            assert!(matches!(result, Err(Error::Call(CallError::Exited { .. }))), "{result:?}");
        });
    }
}

#[test]
fn a_plugin_that_hangs_is_killed_after_the_deadline() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load(&plugin(&backend)).await;
        let pid = get(&channel, "__pid").await.unwrap();
        let pid = Pid::from_raw(std::str::from_utf8(&pid).unwrap().parse().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let begun = Instant::now();
        assert_eq!(instance.unload(Duration::from_millis(100)).await, Unloaded::Killed);
        assert!(begun.elapsed() < Duration::from_secs(2));
    });
}

/// It hears that it should end, and goes on with its call.
#[test]
fn a_plugin_that_does_not_go_is_killed_with_its_calls_and_its_socket_is_removed() {
    let backend = ProcessBackend::start().unwrap();
    for plugin in [plugin(&backend), plugin(&backend).auto_mtls().multiplex()] {
        run(async {
            let (instance, channel) = load(&plugin).await;
            let sockets = get(&channel, "__env:PLUGIN_UNIX_SOCKET_DIR").await.unwrap();
            let sockets = Path::new(str::from_utf8(&sockets).unwrap());
            assert_eq!(std::fs::read_dir(sockets).unwrap().count(), 1);
            let process = pidfd_open(pid(&*instance), PidfdFlags::empty()).unwrap();
            let waiting = channel.clone();
            let waiting = tokio::spawn(async move { get(&waiting, "__sleep").await });
            // The other is sent now, and has arrived once this is answered.
            tokio::task::yield_now().await;
            get(&channel, "__pid").await.unwrap();
            let begun = Instant::now();
            assert_eq!(instance.unload(Duration::from_millis(300)).await, Unloaded::Killed);
            assert!((300..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
            wait_for_end(&process);
            let unloaded = CallError::Closed { reason: "the plugin was unloaded".to_owned() };
            assert_eq!(waiting.await.unwrap(), Err(unloaded.clone().into()));
            assert_eq!(get(&channel, "__pid").await, Err(unloaded.into()));
            assert!(!sockets.exists(), "{}", sockets.display());
        });
    }
}

/// A stream that the host holds open must not keep it: Go's hosts lose patience after two seconds.
#[test]
fn it_ends_at_once_when_it_is_asked() {
    let backend = ProcessBackend::start().unwrap();
    let ends_at_once = || {
        run(async {
            let (instance, channel) = load(&plugin(&backend)).await;
            get(&channel, "__pid").await.unwrap();
            let begun = Instant::now();
            let unloaded = instance.unload(Duration::from_secs(60)).await;
            assert!(matches!(unloaded, Unloaded::Exited { .. }), "{unloaded:?}");
            begun.elapsed() < Duration::from_millis(500)
        })
    };
    // On a busy machine once is enough: what waits for patience to run out does so every time.
    assert!((0..5).any(|_| ends_at_once()));
}

/// A plugin that is busy reads a call and its end together.
#[test]
fn many_calls_may_be_given_up_before_it_has_read_them() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&plugin(&backend)).await;
        // Its answers show that the thread of the connections has got so far.
        let (_other, witness) = load(&plugin(&backend)).await;
        let number = get(&channel, "__pid").await.unwrap();
        let number = std::str::from_utf8(&number).unwrap().parse().unwrap();
        let pid = Pid::from_raw(number).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let mut calls: Vec<_> = (0..100).map(|_| Box::pin(get(&channel, "__pid"))).collect();
        for call in &mut calls {
            assert!(futures_util::FutureExt::now_or_never(call).is_none());
        }
        get(&witness, "__pid").await.unwrap();
        drop(calls);
        get(&witness, "__pid").await.unwrap();
        kill_process(pid, Signal::CONT).unwrap();
        get(&channel, "__pid").await.expect("the connection is there still");
    });
}

#[test]
fn run_by_hand_it_says_what_it_is() {
    let output = program(our_plugin()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    assert!(text(&output.stderr).contains("not meant to be run by itself"));
}

/// Whether its host has one or not.
#[test]
fn a_plugin_whose_author_set_no_cookie_says_whose_mistake_that_is() {
    let words = "this plugin is misconfigured: the name or the value of its magic cookie is empty\n\
                 (hint: tell the author of the plugin)\n";
    let output = program(our_plugin()).env("KV_COOKIE", "").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()));
    assert_eq!(text(&output.stderr), words);
    for cookie in ["", "wukaiying"] {
        let started = run(ProcessPlugin::new(our_plugin())
            .env("KV_COOKIE", "")
            .handshake(Handshake::new(1, "WKY_PLUGIN", cookie))
            .start("misconfigured"));
        let error = started.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 1 before the handshake") && error.contains(words.trim_end()),
            "{error}"
        );
    }
}

/// As in Go: it starts what asks for none, such as a script.
#[test]
fn a_host_without_a_cookie_is_a_host_to_a_plugin_that_looks_for_none() {
    let backend = ProcessBackend::start().unwrap();
    for without in [Handshake::new(1, "", ""), Handshake::new(1, "WKY_PLUGIN", "")] {
        let started = run(plugin(&backend).handshake(without.clone()).start("guarded"));
        let error = started.unwrap_err().to_string();
        assert!(error.contains("this program is a plugin and is not meant to be run by itself"), "{error}");
        let script = ProcessPlugin::new("sh").args(["-c", "WKY_PLUGIN=wukaiying exec \"$0\""]);
        let script = script.args([our_plugin()]).handshake(without).backend(&backend);
        run(async {
            let (_instance, channel) = load(&script).await;
            get(&channel, "__pid").await.unwrap();
        });
    }
}

#[test]
fn it_ends_with_a_host_that_has_no_guard() {
    let home = tempfile::tempdir().unwrap();
    let mut host = program("sh")
        .args(["-c", "\"$0\" & wait"])
        .arg(our_plugin())
        .env("WKY_PLUGIN", "wukaiying")
        .env("TMPDIR", home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("1|1|unix|"), "{line}");
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", host.id())).unwrap();
    let plugin = Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    let plugin = pidfd_open(plugin, PidfdFlags::empty()).unwrap();

    kill_process(Pid::from_child(&host), Signal::KILL).unwrap();
    wait_for_end(&plugin);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    host.wait().unwrap();
}

#[test]
fn the_newest_go_host_calls_it() {
    if !Go::is_here() {
        return;
    }
    for auto_mtls in ["0", "1"] {
        go_host_round_trip(Go::Newest, auto_mtls);
    }
}

#[test]
fn an_old_go_host_calls_it() {
    if !Go::is_here() {
        return;
    }
    for auto_mtls in ["0", "1"] {
        go_host_round_trip(Go::V1_4, auto_mtls);
    }
}

fn go_host_round_trip(go: Go, auto_mtls: &str) {
    let home = tempfile::tempdir().unwrap();
    let host = |arguments: &[&str]| -> Output {
        program(go.programs().join("kv-host"))
            .args(arguments)
            .env("KV_PLUGIN", our_plugin())
            .env("KV_DIRECT", "1")
            .env("KV_AUTOMTLS", auto_mtls)
            .env("KV_LOG", "debug")
            .env("TMPDIR", home.path())
            .current_dir(home.path())
            .output()
            .unwrap()
    };
    let expect = |arguments: &[&str], expected: &str| {
        let output = host(arguments);
        assert!(text(&output.stdout).contains(expected), "{arguments:?}: {output:?}");
    };
    assert!(host(&["put", "hello", "world"]).status.success());
    expect(&["get", "hello"], "world");
    expect(&["get", "missing"], "NotFound");
    expect(&["ping"], "pong");
    expect(&["loop", "100"], "ok 100");
    let sockets = std::fs::read_dir(home.path())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(sockets.filter(|name| name.starts_with("plugin")).count(), 0);
    // A graceful end is one of its own accord, which a host reports as such.
    let log = text(&host(&["ping"]).stderr);
    assert!(!log.contains("failed to exit gracefully"), "{log}");
}

#[test]
fn a_go_host_reads_what_it_prints() {
    if !Go::is_here() {
        return;
    }
    let output = program(Go::Newest.programs().join("kv-host"))
        .arg("stdio")
        .env("KV_PLUGIN", our_plugin())
        .env("KV_DIRECT", "1")
        .output()
        .unwrap();
    assert!(text(&output.stdout).contains("stdout=\"hello-stdout\\n\""), "{output:?}");
}

#[test]
fn the_newest_go_host_sees_all_services() {
    if !Go::is_here() {
        return;
    }
    let output = program(Go::Newest.programs().join("kv-host"))
        .arg("reflect")
        .env("KV_PLUGIN", our_plugin())
        .env("KV_DIRECT", "1")
        .output()
        .unwrap();
    let listed = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "plugin.GRPCBroker",
        "plugin.GRPCController",
        "plugin.GRPCStdio",
        "proto.KV",
        "v1alpha ok",
        "health [Check List Watch]",
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), listed, "{output:?}");
}

#[test]
fn the_newest_go_host_asks_how_it_is() {
    if !Go::is_here() {
        return;
    }
    let mut host = program(Go::Newest.programs().join("kv-host"));
    let output = host.arg("health").env("KV_PLUGIN", our_plugin()).env("KV_DIRECT", "1").output().unwrap();
    let answers = [
        r#""": check SERVING OK, watch SERVING"#,
        r#""plugin": check SERVING OK, watch SERVING"#,
        r#""other": check UNKNOWN NotFound, watch SERVICE_UNKNOWN"#,
        // Field 1 of each is 1, which is SERVING.
        r#"list [" 0801" "plugin 0801"]"#,
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), answers, "{output:?}");
}

/// What stands behind `serve` in `main`, and what stands behind Go's.
#[test]
fn a_plugin_that_is_asked_to_end_gets_to_the_end_of_its_main() {
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![plugin(&backend)];
    if Go::is_here() {
        plugins.push(Go::Newest.plugin(&backend));
    }
    for plugin in plugins {
        let home = tempfile::tempdir().unwrap();
        let cleaned_up = home.path().join("cleaned-up");
        run(async {
            let (instance, _) = load(&plugin.env("KV_CLEANUP", &cleaned_up)).await;
            assert!(!cleaned_up.exists());
            instance.unload(Duration::from_secs(10)).await;
        });
        assert!(cleaned_up.exists());
    }
    if Go::is_here() {
        let home = tempfile::tempdir().unwrap();
        let cleaned_up = home.path().join("cleaned-up");
        let mut host = program(Go::Newest.programs().join("kv-host"));
        host.arg("ping").env("KV_PLUGIN", our_plugin()).env("KV_DIRECT", "1").env("KV_CLEANUP", &cleaned_up);
        assert!(host.status().unwrap().success());
        assert!(cleaned_up.exists());
    }
}

/// A terminal interrupts its host's plugins too; they go on, for the host will say what it wants of them.
#[test]
fn interrupts_are_ignored() {
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = vec![plugin(&backend)];
    if Go::is_here() {
        plugins.push(Go::Newest.plugin(&backend));
    }
    for plugin in plugins {
        run(async {
            let (instance, channel) = load(&plugin).await;
            for _ in 0..3 {
                kill_process(pid(&*instance), Signal::INT).unwrap();
                get(&channel, "__pid").await.unwrap();
            }
        });
    }
}

/// As a system that shuts down ends everything.
#[test]
fn a_termination_is_an_end_of_its_own_accord() {
    let backend = ProcessBackend::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let cleaned_up = home.path().join("cleaned-up");
    let status = |error: CallError| match error {
        CallError::Exited { status, .. } => status,
        other => panic!("{other}"),
    };
    run(async {
        let (instance, _) = load(&plugin(&backend).env("KV_CLEANUP", &cleaned_up)).await;
        kill_process(pid(&*instance), Signal::TERM).unwrap();
        assert_eq!(status(instance.closed().await), "exit status: 0");
        assert!(cleaned_up.exists());
        let over_net_rpc = netrpc_plugin::plugin(netrpc_plugin::our_plugin(), &backend);
        let (instance, _) = netrpc_plugin::load(&over_net_rpc).await;
        kill_process(pid(&*instance), Signal::TERM).unwrap();
        assert_eq!(status(instance.closed().await), "exit status: 0");
    });
}

/// Even one whose thread is blocked, and that hears nothing itself.
#[test]
fn a_termination_ends_a_busy_plugin_too() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load(&plugin(&backend)).await;
        let busy = tokio::spawn(async move { get(&channel, "__end:spin").await });
        let witness = std::path::PathBuf::from(format!("/proc/{}/stat", instance.process().unwrap()));
        // The 14th field is how long it has run, in hundredths of a second.
        let ran = || -> u64 {
            std::fs::read_to_string(&witness).unwrap().split(' ').nth(13).unwrap().parse().unwrap()
        };
        let before = ran();
        while ran() < before + 20 {
            tokio::task::yield_now().await;
        }
        kill_process(pid(&*instance), Signal::TERM).unwrap();
        let CallError::Exited { status, .. } = instance.closed().await else { panic!() };
        assert_eq!(status, "exit status: 143");
        assert!(busy.await.unwrap().is_err());
    });
}

/// Its host puts what it wants into its environment, and does not ask it for what it says on its line.
#[test]
fn it_says_that_it_serves_exactly_what_its_host_wants() {
    let backend = ProcessBackend::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("wanted");
    let script = "printf %s \"$JACKFIELD_INTERFACE\" >\"$WANTED\"; exec \"$0\"";
    let recording = ProcessPlugin::new("sh").args(["-c", script]).args([our_plugin()]);
    let recording =
        recording.env("WANTED", &file).env("KV_ENDLESS", "1").handshake(handshake()).backend(&backend);
    let wanted = Load::new(Context::new("endless", []), Description::of::<dyn Endless>());
    drop(run(recording.load(&wanted)).unwrap());
    let wanted = std::fs::read_to_string(&file).unwrap();
    assert!(wanted.starts_with("proto.Endless "), "{wanted}");

    assert!(line_of(&[("JACKFIELD_INTERFACE", &wanted)]).ends_with("|grpc||||conforms\n"));
    let other = format!("proto.Endless {}", "0".repeat(32));
    for environment in [[].as_slice(), &[("JACKFIELD_INTERFACE", other.as_str())]] {
        assert!(line_of(environment).ends_with("|grpc|\n"));
    }
}

/// The line of our plugin, started by hand.
fn line_of(environment: &[(&str, &str)]) -> String {
    let mut by_hand = program(our_plugin());
    by_hand.env("WKY_PLUGIN", "wukaiying").env("KV_ENDLESS", "1").envs(environment.iter().copied());
    let mut by_hand = by_hand.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(by_hand.stdout.take().unwrap()).read_line(&mut line).unwrap();
    kill_process(Pid::from_child(&by_hand), Signal::TERM).unwrap();
    assert!(by_hand.wait().unwrap().success());
    line
}

/// The path of a socket has 107 bytes at the most.
#[test]
fn a_directory_that_is_too_deep_for_sockets_is_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let deep = home.path().join("x".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let mut by_hand = program(our_plugin());
    by_hand.env("WKY_PLUGIN", "wukaiying").env("TMPDIR", &deep).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut by_hand = by_hand.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(by_hand.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("1|1|unix|/tmp/plugin"), "{line}");
    kill_process(Pid::from_child(&by_hand), Signal::TERM).unwrap();
    assert!(by_hand.wait().unwrap().success());

    // A host whose directory it is, with a plugin of ours.
    let mut host = program(std::env::current_exe().unwrap());
    host.args(["--exact", "our_plugin::our_host_calls_it"]).env("TMPDIR", &deep);
    let output = host.output().unwrap();
    assert!(output.status.success() && text(&output.stdout).contains("1 passed"), "{output:?}");
}

fn pid(instance: &dyn Instance) -> Pid {
    Pid::from_raw(instance.process().unwrap().cast_signed()).unwrap()
}

#[test]
fn one_of_several_plugins_in_a_program_is_named_by_its_argument() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&plugin(&backend).args(["other"])).await;
        get(&channel, "__pid").await.unwrap();
    });
    for (arguments, found) in [(["nope"].as_slice(), "`nope`"), (&["kv", "other"], "2 arguments")] {
        let output = program(our_plugin()).args(arguments).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()));
        let expected = format!("expected the name of a plugin, one of `kv`, `other`, found {found}\n");
        assert_eq!(text(&output.stderr), expected);
    }
}

#[test]
fn a_program_that_is_refused_has_run_once_and_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let runs = home.path().join("runs");
    let script = format!("echo $$ >>'{}'; echo '1|9|unix|/nowhere|grpc'; exec sleep 1000", runs.display());
    let refused = ProcessPlugin::new("sh").args(["-c", &script]);
    run(refused.start("refused")).unwrap_err();
    let pids = std::fs::read_to_string(runs).unwrap();
    let pid = Pid::from_raw(pids.trim().parse().expect("one number")).unwrap();
    if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
        wait_for_end(&process);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}
