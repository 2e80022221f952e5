//! Whatever ends a plugin, its calls end with it, and say how it ended.

use std::time::{Duration, Instant};

use jackfield_core::{CallError, Error};
use jackfield_process::{ProcessBackend, ProcessPlugin};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::calls::{get, load, run};
use crate::peers::{handshake, our_plugin};

/// How the plugin is made to end, its exit status, and what is said of it.
const ENDS: [(&str, &str, &str); 5] = [
    ("__end:abort", "signal: 6 (SIGABRT) (core dumped)", ""),
    ("__exit:7", "exit status: 7", ""),
    ("__end:fault", "signal: 11 (SIGSEGV) (core dumped)", ""),
    ("__kill", "signal: 9 (SIGKILL)", ""),
    ("__memory:300", "signal: 6 (SIGABRT) (core dumped)", "memory allocation of"),
];

#[test]
fn every_call_in_flight_ends_with_the_plugin_and_says_how_it_ended() {
    let backend = ProcessBackend::start().unwrap();
    let mut delays = Vec::new();
    for (key, status, words) in ENDS {
        for plugin in [plugin(&backend), plugin(&backend).auto_mtls().multiplex()] {
            let (delay, errors) = run(ends_by(&plugin, key));
            for error in errors {
                let Error::Call(CallError::Exited { status: found, words: said }) = error else {
                    panic!("{key}: {error:?}")
                };
                assert_eq!(
                    found.trim_end_matches(" (core dumped)"),
                    status.trim_end_matches(" (core dumped)")
                );
                assert!(said.contains(words), "{key}: {said}");
            }
            delays.push(delay);
        }
        // The host is well, and so is what it starts next.
        run(async {
            let (_instance, channel) = load(&plugin(&backend)).await;
            get(&channel, "__pid").await.unwrap();
        });
    }
    delays.sort();
    // The machine that runs the tests may pause now and then.
    assert!(delays[delays.len() / 2] < Duration::from_millis(10), "{delays:?}");
}

#[test]
fn a_panic_that_it_survived_is_not_why_it_was_killed() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (instance, channel) = load(&plugin(&backend)).await;
        let pid = get(&channel, "__pid").await.unwrap();
        let panicked = get(&channel, "__panic").await.unwrap_err();
        assert!(panicked.to_string().contains("this key is poisoned"), "{panicked}");
        let pid = Pid::from_raw(str::from_utf8(&pid).unwrap().parse().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        let CallError::Exited { status, words } = instance.closed().await else { panic!("it was killed") };
        assert_eq!((status.as_str(), words.as_str()), ("signal: 9 (SIGKILL)", ""));
    });
}

fn plugin(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)
}

/// How long after its end ten calls knew of it, and what they say.
async fn ends_by(plugin: &ProcessPlugin, key: &str) -> (Duration, Vec<Error>) {
    let (_instance, channel) = load(plugin).await;
    let pid = get(&channel, "__pid").await.unwrap();
    let pid = Pid::from_raw(str::from_utf8(&pid).unwrap().parse().unwrap()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let watch = std::thread::spawn(move || {
        poll(&mut [PollFd::new(&process, PollFlags::IN)], None).unwrap();
        Instant::now()
    });
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { get(&channel, "__sleep").await.unwrap_err() })
        })
        .collect();
    // Its answer shows that the others arrived before.
    get(&channel, "__pid").await.unwrap();
    let mut errors = Vec::new();
    if key == "__kill" {
        kill_process(pid, Signal::KILL).unwrap();
    } else {
        errors.push(get(&channel, key).await.unwrap_err());
    }
    for call in waiting {
        errors.push(call.await.unwrap());
    }
    let ended = Instant::now();
    (ended.saturating_duration_since(watch.join().unwrap()), errors)
}
