//! Messages that are large, and those that are too large.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jackfield_core::{Bytes, CallError, CallOptions, Channel, Code, Error};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{get, load, put, run};
use crate::peers::{GET, Go, PUT, first_field, handshake, message, our_plugin};

const MEGABYTE: usize = 1 << 20;

fn ours(backend: &ProcessBackend) -> ProcessPlugin {
    ProcessPlugin::new(our_plugin()).handshake(handshake()).backend(backend)
}

fn ways(plugin: &ProcessPlugin) -> [ProcessPlugin; 2] {
    [plugin.clone(), plugin.clone().auto_mtls().multiplex()]
}

async fn get_with(channel: &Arc<dyn Channel>, key: &str, limit: usize) -> Result<Bytes, Error> {
    let options = CallOptions::new().max_message(limit);
    let answer = channel.call(&GET, message([key.as_bytes()]).into(), Some(&options)).await;
    answer.map(|answer| first_field(&answer.bytes))
}

/// The size of the message in which `value` is put, or got if there is no key.
fn size_of(key: &str, value: usize) -> usize {
    match key {
        "" => message([vec![0; value].as_slice()]).len(),
        key => message([key.as_bytes(), &vec![0; value]]).len(),
    }
}

fn too_large(result: Result<impl std::fmt::Debug, Error>) -> (usize, usize) {
    let Err(Error::Call(error @ CallError::TooLarge { size, limit })) = result else { panic!("{result:?}") };
    let text = error.to_string();
    let begin =
        format!("a message of {size} bytes is over the limit of {limit} bytes\n(hint: raise `max_message`");
    assert!(text.starts_with(&begin), "{text}");
    (size, limit)
}

#[test]
fn a_hundred_megabytes_pass_both_ways() {
    let backend = ProcessBackend::start().unwrap();
    for plugin in ways(&ours(&backend)) {
        // As tight as can be: the limit is the size of the larger message.
        let limit = size_of("__null", 100 * MEGABYTE);
        run(async {
            let (_instance, channel) =
                load(&plugin.env("KV_LIMIT", limit.to_string()).max_message(limit)).await;
            put(&channel, "__null", &vec![7; 100 * MEGABYTE]).await.unwrap();
            let key = format!("__size:{}", 100 * MEGABYTE);
            assert_eq!(get(&channel, &key).await.unwrap().len(), 100 * MEGABYTE);
        });
    }
}

#[test]
fn a_hundred_megabytes_come_from_go_and_go_to_it() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    let key = format!("__size:{}", 100 * MEGABYTE);
    run(async {
        let (_instance, channel) = load(&Go::Newest.plugin(&backend)).await;
        assert_eq!(get(&channel, &key).await.unwrap().len(), 100 * MEGABYTE);
    });
    assert_eq!(go_host(&key, "").stdout.len(), 100 * MEGABYTE + 1);
}

/// A call that runs meanwhile goes on, and later ones are answered.
#[test]
fn a_message_over_the_hosts_limit_fails_alone() {
    let backend = ProcessBackend::start().unwrap();
    let mut plugins = ways(&ours(&backend)).to_vec();
    if Go::is_here() {
        plugins.extend(ways(&Go::Newest.plugin(&backend)));
    }
    for plugin in plugins {
        run(async {
            let (_instance, channel) = load(&plugin.max_message(MEGABYTE)).await;
            let mut meanwhile = Box::pin(get(&channel, "__sleep"));
            assert!((&mut meanwhile).now_or_never().is_none());
            for _ in 0..10 {
                let sent = put(&channel, "__null", &vec![7; MEGABYTE]).await;
                assert_eq!(too_large(sent), (size_of("__null", MEGABYTE), MEGABYTE));
                let received = get(&channel, &format!("__size:{MEGABYTE}")).await;
                assert_eq!(too_large(received), (size_of("", MEGABYTE), MEGABYTE));
                get(&channel, "__pid").await.unwrap();
            }
            assert!((&mut meanwhile).now_or_never().is_none());
        });
    }
}

#[test]
fn a_message_over_the_plugins_limit_fails_alone() {
    let backend = ProcessBackend::start().unwrap();
    for plugin in ways(&ours(&backend).env("KV_LIMIT", MEGABYTE.to_string())) {
        run(async {
            let (_instance, channel) = load(&plugin).await;
            let mut meanwhile = Box::pin(get(&channel, "__sleep"));
            assert!((&mut meanwhile).now_or_never().is_none());
            for size in [MEGABYTE, 30 * MEGABYTE] {
                let sent = put(&channel, "__null", &vec![7; size]).await;
                assert_eq!(too_large(sent), (size_of("__null", size), MEGABYTE));
                let received = get(&channel, &format!("__size:{size}")).await;
                assert_eq!(too_large(received), (size_of("", size), MEGABYTE));
                get(&channel, "__pid").await.unwrap();
            }
            assert!((&mut meanwhile).now_or_never().is_none());
        });
    }
}

#[test]
fn a_call_may_have_a_limit_of_its_own() {
    let backend = ProcessBackend::start().unwrap();
    run(async {
        let (_instance, channel) = load(&ours(&backend).max_message(1000)).await;
        assert_eq!(too_large(get(&channel, "__size:2000").await).1, 1000);
        assert_eq!(get_with(&channel, "__size:2000", 3000).await.unwrap().len(), 2000);
        assert_eq!(too_large(get_with(&channel, "__size:900", 500).await).1, 500);
        assert_eq!(get(&channel, "__size:900").await.unwrap().len(), 900);

        let options = CallOptions::new().max_message(2000);
        let request = message([b"__null".as_slice(), &[7; 1500]]);
        channel.call(&PUT, request.clone().into(), Some(&options)).await.unwrap();
        channel.call_blocking(&PUT, request.clone().into(), Some(&options)).unwrap();
        too_large(channel.call_blocking(&PUT, request.into(), None));
    });
}

#[test]
fn a_go_plugin_says_that_a_message_is_over_its_limit() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    run(async {
        // Go's servers accept four mebibytes, unless they say otherwise.
        let (_instance, channel) = load(&Go::Newest.plugin(&backend)).await;
        for size in [4 * MEGABYTE, 30 * MEGABYTE] {
            let Err(Error::Plugin(failure)) = put(&channel, "__null", &vec![7; size]).await else { panic!() };
            assert_eq!(failure.code(), Code::RESOURCE_EXHAUSTED);
            let text = failure.message();
            assert!(text.contains(&format!("({} vs. {})", size_of("__null", size), 4 * MEGABYTE)), "{text}");
            get(&channel, "__pid").await.unwrap();
        }
    });
}

/// Such an error breaks HTTP/2 itself, and with it all other calls. Each says why, and the plugin can be loaded anew.
#[test]
fn an_error_of_gos_that_is_too_long_is_named_by_every_call() {
    if !Go::is_here() {
        return;
    }
    let backend = ProcessBackend::start().unwrap();
    // The plugin's error repeats what it was asked.
    let fail = async |channel: &Arc<dyn Channel>, letters| {
        get(channel, &format!("__size:{}", "ä".repeat(letters))).await.unwrap_err()
    };
    for plugin in ways(&Go::Newest.plugin(&backend)) {
        run(async {
            let (instance, channel) = load(&plugin).await;
            let mut meanwhile = Box::pin(get(&channel, "__sleep"));
            assert!((&mut meanwhile).now_or_never().is_none());
            let Error::Plugin(failure) = fail(&channel, 50_000).await else { panic!() };
            assert!(failure.message().contains(&"ä".repeat(50_000)));
            assert!((&mut meanwhile).now_or_never().is_none());

            let error = fail(&channel, 100_000).await;
            let Error::Call(CallError::Closed { reason }) = &error else { panic!("{error:?}") };
            let begin =
                "the connection to the plugin had to be given up: an answer was more than HTTP/2 bears";
            assert!(reason.starts_with(begin), "{reason}");
            assert_eq!(meanwhile.await, Err(error.clone()));
            assert_eq!(get(&channel, "__pid").await, Err(error.clone()));
            assert_eq!(Error::from(instance.closed().await), error);
            // It listens still, and is asked to end.
            assert_eq!(instance.unload(Duration::from_secs(60)).await.to_string(), "exited (exit status: 0)");

            let (_instance, channel) = load(&plugin).await;
            get(&channel, "__pid").await.unwrap();
        });
    }
}

#[test]
fn a_go_host_hears_that_a_message_is_over_our_plugins_limit() {
    if !Go::is_here() {
        return;
    }
    let output = go_host(&format!("__size:{MEGABYTE}"), "1000");
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = format!(
        "Error rpc error: code = ResourceExhausted desc = a message of {} bytes is over the limit of 1000 bytes",
        size_of("", MEGABYTE)
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

/// Go's host asks our plugin, which has this limit, for a key.
#[expect(clippy::disallowed_methods, reason = "a test runs its peers")]
fn go_host(key: &str, limit: &str) -> Output {
    let mut host = Command::new(Go::Newest.programs().join("kv-host"));
    host.args(["get", key]).env("KV_PLUGIN", our_plugin()).env("KV_DIRECT", "1").env("KV_LIMIT", limit);
    host.stdin(Stdio::null()).output().unwrap()
}
