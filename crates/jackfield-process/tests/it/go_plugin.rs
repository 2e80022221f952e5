//! Our host, Go's plugin.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::{CallError, Candidate, Channel, Context, Error, Load, Parcel, Unloaded};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{get, load, put, run};
use crate::peers::{GET, Go, first_field, handshake, message};

async fn round_trip(plugin: ProcessPlugin) {
    let home = tempfile::tempdir().unwrap();
    let (instance, channel) = load(&plugin.current_dir(home.path())).await;
    put(&channel, "hello", b"world").await.unwrap();
    assert!(get(&channel, "hello").await.unwrap().starts_with(b"world"));

    let Err(Error::Plugin(failure)) = get(&channel, "missing").await else { panic!() };
    assert!(failure.message().contains("no such file"), "{failure}");
    assert_eq!(instance.unload(Duration::from_secs(2)).await.to_string(), "exited (exit status: 0)");
    assert!(matches!(get(&channel, "hello").await, Err(Error::Call(_))));
}

#[test]
fn calls_the_newest_plugin() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(Go::Newest.plugin(&backend)));
}

#[test]
fn calls_the_newest_plugin_under_auto_mtls() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(Go::Newest.plugin(&backend).auto_mtls()));
}

#[test]
fn calls_an_old_plugin() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(Go::V1_4.plugin(&backend)));
}

#[test]
fn calls_an_old_plugin_under_auto_mtls() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(round_trip(Go::V1_4.plugin(&backend).auto_mtls()));
}

#[test]
fn any_executor_and_any_thread_may_call() {
    if !Go::is_here() {
        return;
    }
    let (_instance, channel) = run(async {
        // A backend that nobody else holds lives as long as its plugin.
        let plugin = ProcessPlugin::new(Go::Newest.programs().join("kv-plugin")).handshake(handshake());
        load(&plugin).await
    });
    // The runtime under which it was loaded is gone.
    let request = || Parcel::from(message([b"__size:1000000".as_slice()]));
    assert_eq!(first_field(&channel.call_blocking(&GET, request(), None).unwrap().bytes).len(), 1_000_000);
    run(async {
        assert_eq!(
            first_field(&channel.call_blocking(&GET, request(), None).unwrap().bytes).len(),
            1_000_000
        );
    });
}

#[test]
fn large_messages_pass() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&Go::Newest.plugin(&backend).auto_mtls()).await;
        assert_eq!(get(&channel, "__size:20000000").await.unwrap().len(), 20_000_000);
        put(&channel, "__null", &vec![7; 4_000_000]).await.unwrap();
    });
}

#[test]
fn what_it_prints_arrives() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel();
        let plugin = Go::Newest.plugin(&backend).on_print(move |stream, bytes| {
            sender.send((stream, bytes.to_vec())).unwrap();
        });
        let (_instance, channel) = load(&plugin).await;
        put(&channel, "__stdout", b"out").await.unwrap();
        assert_eq!(printed.recv().await, Some((jackfield_process::Stream::Stdout, b"out".to_vec())));
        put(&channel, "__stderr", b"err").await.unwrap();
        assert_eq!(printed.recv().await, Some((jackfield_process::Stream::Stderr, b"err".to_vec())));
    });
}

#[test]
fn a_crash_ends_the_call_in_flight_with_its_own_words() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load(&Go::Newest.plugin(&backend)).await;
        let waiting = get(&channel, "__sleep");
        let crash = get(&channel, "__crash");
        let (waiting, crash) = tokio::join!(waiting, crash);
        for result in [waiting, crash, Err(instance.closed().await.into())] {
            let Err(Error::Call(CallError::Exited { status, words })) = result else { panic!("{result:?}") };
            assert_eq!(status, "exit status: 2");
            assert!(words.contains("nil pointer dereference at switches.go:"), "{words}");
        }
    });
}

#[test]
fn a_killed_plugin_ends_the_call_in_flight_at_once() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    // On a machine that is busy once is enough: what waits for patience to run out does so every time.
    let is_prompt = |delay: &Duration| *delay < Duration::from_millis(10);
    let mut delays = (0..10).map(|_| run(delay_of_death(&backend)));
    assert!(delays.any(|delay| is_prompt(&delay)));
}

/// How long after the death of the plugin a call that waits for it ends.
async fn delay_of_death(backend: &ProcessBackend) -> Duration {
    let (_instance, channel) = load(&Go::Newest.plugin(backend)).await;
    let pid = pid(&channel, "__pid").await;
    let killing = async {
        // The grandchild's answer shows that the other call arrived before.
        get(&channel, "__grandchild:pipes").await.unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        Instant::now()
    };
    let (result, killed) = tokio::join!(get(&channel, "__sleep"), killing);
    let delay = killed.elapsed();
    let Err(Error::Call(CallError::Exited { status, .. })) = result else { panic!("{result:?}") };
    assert_eq!(status, "signal: 9 (SIGKILL)");
    delay
}

#[test]
fn an_unload_takes_the_grandchildren_along() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load(&Go::Newest.plugin(&backend)).await;
        let grandchild = pid(&channel, "__grandchild:pipes").await;
        let handle = rustix::process::pidfd_open(grandchild, rustix::process::PidfdFlags::empty()).unwrap();
        assert!(matches!(instance.unload(Duration::from_secs(2)).await, Unloaded::Exited { .. }));
        crate::peers::wait_for_end(&handle);
    });
}

#[test]
fn a_wrong_cookie_shows_what_the_plugin_said() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let plugin = Go::Newest.plugin(&backend).handshake(jackfield_process::Handshake::new(1, "A", "b"));
        let load = Load::new(Context::new("kv", []), crate::peers::description());
        let error = plugin.load(&load).await.unwrap_err();
        let text = crate::peers::chain(&error);
        assert!(text.contains("exit status: 1 before the handshake"), "{text}");
        assert!(text.contains("not meant to be executed directly"), "{text}");
    });
}

#[test]
fn what_is_no_plugin_is_refused() {
    let backend = ProcessBackend::start().unwrap();
    let refusal = |program: &str, argument: &[&str]| {
        let plugin = ProcessPlugin::new(program).args(argument).backend(&backend);
        let load = Load::new(Context::new("kv", []), crate::peers::description());
        crate::peers::chain(&run(plugin.load(&load)).unwrap_err())
    };
    assert!(refusal("/nowhere", &[]).contains("failed to start `/nowhere`"));
    assert!(refusal("echo", &["hello"]).contains("found `hello`"));
    assert!(refusal("true", &[]).contains("exit status: 0 before the handshake"));
    assert!(refusal("sh", &["-c", "exec >&-; sleep 100"]).contains("without a handshake"));
    assert!(refusal("echo", &["1|9|unix|/nowhere|grpc"]).contains("protocol version `1`, found `9`"));
    assert!(refusal("echo", &["1|1|unix|/nowhere"]).contains("protocol `grpc`, found `netrpc`"));
    assert!(refusal("echo", &["1|1|unix|/nowhere|grpc"]).contains("failed to connect"));
}

#[test]
fn who_never_says_what_it_is_is_given_up() {
    let backend = ProcessBackend::start().unwrap();
    let programs: [&[&str]; 3] =
        [&["-c", "sleep 100"], &["-c", "while :; do echo flood >&2; done"], &["-c", "sleep 100 & sleep 100"]];
    for arguments in programs {
        let plugin = ProcessPlugin::new("sh").args(arguments).start_timeout(Duration::from_millis(100));
        let load = Load::new(Context::new("kv", []), crate::peers::description());
        let error = run(plugin.backend(&backend).load(&load)).unwrap_err();
        assert!(crate::peers::chain(&error).contains("expected a handshake within 0.1 s"));
    }
}

#[test]
fn an_endless_line_is_no_handshake() {
    let backend = ProcessBackend::start().unwrap();
    let endless = ProcessPlugin::new("sh").args(["-c", "tr '\\0' x </dev/zero"]).backend(&backend);
    let load = Load::new(Context::new("kv", []), crate::peers::description());
    let error = run(endless.load(&load)).unwrap_err();
    assert!(crate::peers::chain(&error).contains("found `xxxx"));
}

async fn pid(channel: &Arc<dyn Channel>, key: &str) -> rustix::process::Pid {
    let digits = get(channel, key).await.unwrap();
    let number = std::str::from_utf8(&digits).unwrap().parse().unwrap();
    rustix::process::Pid::from_raw(number).unwrap()
}
