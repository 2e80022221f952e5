//! Shared libraries: both lanes, panics, updates, unloading.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jackfield::{Bytes, CallError, Candidate, Code, Context, Error, Handle, Manager, Unloaded};
use jackfield_fixtures::{Build, Stop, available, second_compiler};
use probe_interface::Probe;

use crate::support::{block_on, chain, copy, libraries, native};

/// Everything that a probe can do, whatever its kind.
async fn exercise(probe: &dyn Probe) {
    assert_eq!(probe.add(19, 23), Ok(42));
    assert_eq!(probe.add_async(-1, i64::MIN + 1).await, Ok(i64::MIN));
    let echo = probe.echo("grüße".to_owned(), 1.5, -8, true, vec![0, 255]);
    assert_eq!(echo, Ok("grüße 1.5 -8 true [0, 255]".to_owned()));
    assert_eq!(probe.echo(String::new(), 0.0, 0, false, Vec::new()), Ok(" 0 0 false []".to_owned()));
    assert_eq!(probe.bytes(0), Ok(Bytes::new()));
    assert_eq!(probe.bytes(1 << 20), Ok(Bytes::from(vec![7; 1 << 20])));
    assert_eq!(probe.pend(3).await, Ok(3));
    let Err(Error::Plugin(failure)) = probe.fail("no".to_owned()) else { panic!("the probe fails") };
    assert_eq!((failure.message(), failure.code()), ("no", Code::ABORTED));
}

fn message(error: Error) -> String {
    match error {
        Error::Call(CallError::Panicked { message }) => message,
        other => panic!("expected a panic, found {other:?}"),
    }
}

#[tokio::test]
async fn a_linked_plugin_a_library_and_the_encoded_lane_do_the_same() {
    let manager = Manager::new();
    let library = libraries().library("probe-one").to_owned();
    exercise(&manager.load::<dyn Probe>("static", &probe_one::PLUGIN).await.expect("linked in")).await;
    exercise(&manager.load::<dyn Probe>("native", &native().library(&library)).await.expect("loaded")).await;
    exercise(
        &manager.load::<dyn Probe>("encoded", &native().encoded().library(&library)).await.expect("loaded"),
    )
    .await;
}

#[tokio::test]
async fn what_the_hand_wrote_works_over_both() {
    use kv_by_hand::Kv;
    let manager = Manager::new();
    let library = native().library(libraries().library("kv-by-hand"));
    let candidates: [(&str, &dyn Candidate); 2] = [("static", &kv_by_hand::PLUGIN), ("native", &library)];
    for (name, candidate) in candidates {
        let kv: Handle<dyn Kv> = manager.load(name, candidate).await.expect("it loads");
        kv.put("hello".into(), "world".into()).await.expect("it stores");
        assert_eq!(kv.get("hello".into()).await, Ok(Bytes::from("world")));
        assert_eq!(kv.count(), Ok(1));
        let error = kv.get("nope".into()).await.expect_err("there is no such key");
        assert_eq!(error.to_string(), "no such key: `nope`");
    }
}

#[tokio::test]
async fn two_plugins_are_linked_into_one_host() {
    let manager = Manager::new();
    let one = manager.load::<dyn Probe>("one", &probe_one::PLUGIN).await.expect("the first");
    let two = manager.load::<dyn Probe>("two", &probe_two::PLUGIN).await.expect("the second");
    assert_eq!((one.version(), two.version()), (Ok(1), Ok(2)));
}

#[tokio::test]
async fn panics_are_errors_with_their_place() {
    let manager = Manager::new();
    let native = native().library(libraries().library("probe-one"));
    let probe = manager.load::<dyn Probe>("native", &native).await.expect("loaded");
    let text = message(probe.panic("ouch".to_owned()).expect_err("it panics"));
    assert!(text.starts_with("ouch, at ") && text.contains("probe.rs:"), "{text}");
    let text = message(probe.panic_later("later".to_owned()).await.expect_err("it panics"));
    assert!(text.starts_with("later, at "), "{text}");
    assert_eq!(probe.add(1, 2), Ok(3), "the plugin goes on");
    assert_eq!(manager.unload("native").await, Ok(Unloaded::Unmapped), "a backtrace does not pin the file");
}

#[tokio::test]
async fn a_constructor_that_refuses_or_panics_is_an_error() {
    let manager = Manager::new();
    let native = native().library(libraries().library("probe-one"));
    let refuse = Context::new("refused", [("refuse".to_owned(), "not today".to_owned())]);
    let error = manager.load_with::<dyn Probe>(refuse, &native).await.expect_err("it refuses");
    assert_eq!(
        chain(&error),
        "failed to load the plugin `refused` (step `construct`): its constructor refused: not today"
    );
    let panic = Context::new("panicked", [("panic".to_owned(), "oh no".to_owned())]);
    let error = manager.load_with::<dyn Probe>(panic, &native).await.expect_err("it panics");
    assert!(chain(&error).contains("the plugin panicked: oh no, at "), "{}", chain(&error));
    assert!(manager.names().is_empty());
}

#[tokio::test]
async fn a_library_is_updated_in_three_ways() {
    let libraries = libraries();
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(libraries.library("probe-one"), directory.path(), "probe.so");
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &native().library(&path)).await.expect("loaded");
    assert_eq!((probe.version(), Handle::generation(&probe)), (Ok(1), 1));

    // A new file name.
    let newer = copy(libraries.library("probe-two"), directory.path(), "probe-2.so");
    let reloaded = manager.reload("probe", &native().library(&newer)).await.expect("reloaded");
    assert_eq!((probe.version(), reloaded.old), (Ok(2), Unloaded::Unmapped));

    // A rename over the same path.
    let other = copy(libraries.library("probe-two"), directory.path(), "other.so");
    fs::rename(other, &path).expect("renamed");
    manager.reload("probe", &native().library(&path)).await.expect("reloaded");
    assert_eq!(probe.version(), Ok(2));

    // Truncating and overwriting the file that is loaded: it stays what it was until it is reloaded.
    fs::copy(libraries.library("probe-one"), &path).expect("overwritten in place");
    assert_eq!((probe.version(), probe.add(1, 1)), (Ok(2), Ok(2)));
    manager.reload("probe", &native().library(&path)).await.expect("reloaded");
    assert_eq!((probe.version(), Handle::generation(&probe)), (Ok(1), 4));
}

#[test]
fn no_call_fails_while_a_library_is_updated_in_three_ways() {
    let libraries = libraries();
    let versions = [libraries.library("probe-two"), libraries.library("probe-one")];
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(versions[1], directory.path(), "probe.so");
    let (manager, native) = (Manager::new(), native());
    let probe = block_on(manager.load::<dyn Probe>("probe", &native.library(&path))).expect("loaded");
    let (stop, calls) = (Stop::default(), [(); 4].map(|()| AtomicU64::new(0)));
    std::thread::scope(|scope| {
        let _stopped = stop.when_dropped();
        for calls in &calls {
            scope.spawn(|| {
                while !stop.is_told() {
                    assert_eq!(probe.add(20, 22), Ok(42));
                    assert!(matches!(probe.version(), Ok(1 | 2)));
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let reload = |path: &Path| {
            let before = calls.each_ref().map(|calls| calls.load(Ordering::Relaxed));
            let reloaded = block_on(manager.reload("probe", &native.library(path))).expect("reloaded");
            assert_eq!(reloaded.old, Unloaded::Unmapped);
            // Each thread has called the new one before the next one comes, unless a call has failed.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(20)
                && calls.iter().zip(before).any(|(calls, before)| calls.load(Ordering::Relaxed) < before + 2)
            {
                std::thread::yield_now();
            }
        };
        for round in 0..6 {
            let (newer, older) = (versions[round % 2], versions[(round + 1) % 2]);
            let expected = [2, 1][round % 2];
            // A new file name.
            reload(&copy(newer, directory.path(), &format!("probe-{round}.so")));
            assert_eq!(probe.version(), Ok(expected));
            // Truncating and overwriting a file that was loaded, with what it was and with the other.
            for content in [older, newer] {
                fs::write(&path, fs::read(content).expect("a library")).expect("overwritten in place");
                reload(&path);
            }
            // A rename over the same path.
            fs::rename(copy(older, directory.path(), "other.so"), &path).expect("renamed");
            reload(&path);
            assert_eq!(probe.version(), Ok(3 - expected));
        }
    });
    assert_eq!(Handle::generation(&probe), 1 + 6 * 4);
}

#[tokio::test]
async fn a_failed_reload_leaves_the_old_one_serving() {
    let libraries = libraries();
    let directory = tempfile::tempdir().expect("a directory");
    let path = copy(libraries.library("probe-one"), directory.path(), "probe.so");
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &native().library(&path)).await.expect("loaded");
    fs::write(&path, "no library").expect("overwritten");
    let error = manager.reload("probe", &native().library(&path)).await.expect_err("a broken file");
    assert!(chain(&error).ends_with("expected an ELF file, found a text"), "{}", chain(&error));
    assert_eq!((probe.version(), Handle::generation(&probe)), (Ok(1), 1));
}

#[tokio::test]
async fn one_library_is_unmapped_and_one_is_pinned_by_a_named_thread() {
    let native = native().library(libraries().library("probe-one"));
    let manager = Manager::new();
    manager.load::<dyn Probe>("unmapped", &native).await.expect("loaded").add(1, 2).expect("a sum");
    assert_eq!(manager.unload("unmapped").await, Ok(Unloaded::Unmapped));

    let probe = manager.load::<dyn Probe>("pinned", &native).await.expect("loaded");
    let (touched, end) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let thread = std::thread::Builder::new().name("holder".to_owned());
    let holder = thread.spawn({
        let probe = probe.clone();
        move || {
            probe.touch_thread_local().expect("touched");
            touched.0.send(()).expect("the test waits");
            let _ = end.1.recv();
        }
    });
    touched.1.recv().expect("the thread touches it");
    let Ok(Unloaded::Pinned { by }) = manager.unload("pinned").await else { panic!("a thread holds it") };
    assert!(matches!(by.as_slice(), [thread] if thread.starts_with("thread `holder` (")), "{by:?}");
    let error = probe.add(1, 2).expect_err("it is unloaded");
    assert_eq!(error.to_string(), "the plugin is closed: `pinned` was unloaded");
    drop(end.0);
    // The destructor runs in code that is still mapped.
    holder.expect("a thread").join().expect("the thread ends without a crash");
}

#[tokio::test]
async fn a_thread_that_has_ended_pins_nothing() {
    let native = native().library(libraries().library("probe-one"));
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &native).await.expect("loaded");
    std::thread::spawn(move || probe.touch_thread_local()).join().expect("no panic").expect("touched");
    assert_eq!(manager.unload("probe").await, Ok(Unloaded::Unmapped));
}

#[tokio::test]
async fn std_on_a_live_thread_neither_pins_a_library_nor_outlives_it() {
    let native = native().library(libraries().library("probe-one"));
    let manager = Manager::new();
    let (asked, end) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let probe = manager.load::<dyn Probe>("probe", &native).await.expect("loaded");
    let thread = std::thread::Builder::new().name("asked".to_owned()).spawn({
        let probe = probe.clone();
        move || {
            asked.0.send(probe.thread()).expect("the test waits");
            let _ = end.1.recv();
        }
    });
    // The plugin's own std does not know what the host calls its threads.
    assert_eq!(asked.1.recv().expect("it asks"), Ok(String::new()));
    assert_eq!(manager.unload("probe").await, Ok(Unloaded::Unmapped));
    drop(end.0);
    thread.expect("a thread").join().expect("the thread ends, and runs nothing that is gone");
}

#[tokio::test]
async fn a_library_that_was_pinned_is_forgotten_once_it_is_gone() {
    let native = native().library(libraries().library("probe-one"));
    let manager = Manager::new();
    for _ in 0..3 {
        let probe = manager.load::<dyn Probe>("probe", &native).await.expect("loaded");
        let (touched, end) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
        let thread = std::thread::Builder::new().name("holder".to_owned()).spawn(move || {
            touched.0.send(probe.touch_thread_local()).expect("the test waits");
            let _ = end.1.recv();
        });
        touched.1.recv().expect("it touches").expect("touched");
        let Ok(Unloaded::Pinned { by }) = manager.unload("probe").await else { panic!("a thread holds it") };
        assert!(by[0].starts_with("thread `holder` ("), "{by:?}");
        drop(end.0);
        thread.expect("a thread").join().expect("the thread ends without a crash");
    }
    // The loader unmaps what nobody holds any more at the next unload.
    manager.load::<dyn Probe>("probe", &native).await.expect("loaded");
    assert_eq!(manager.unload("probe").await, Ok(Unloaded::Unmapped));
}

mod ordered {
    use jackfield_core::{Error, interface};

    #[interface(service = "test.Login", version = "1.0")]
    pub(super) trait Login {
        fn login(
            &self,
            #[field(number = 1)] user: String,
            #[field(number = 2)] password: String,
        ) -> Result<String, Error>;
    }
}

mod reordered {
    use jackfield_core::{Context, Error, interface};

    #[interface(service = "test.Login", version = "1.1")]
    pub(super) trait Login {
        fn login(
            &self,
            #[field(number = 2)] password: String,
            #[field(number = 1)] user: String,
        ) -> Result<String, Error>;
    }

    pub(super) struct Checks;

    impl Checks {
        fn open(_: &Context) -> Result<Self, Error> {
            Ok(Self)
        }
    }

    impl Login for Checks {
        fn login(&self, password: String, user: String) -> Result<String, Error> {
            Ok(format!("{user} with {password}"))
        }
    }

    jackfield_plugin::export!(Checks::open as dyn Login);
}

#[tokio::test]
async fn arguments_in_another_order_do_not_cross_by_their_place() {
    let manager = Manager::new();
    let login = manager.load::<dyn ordered::Login>("login", &reordered::PLUGIN).await.expect("loaded");
    assert_eq!(
        ordered::Login::login(&login, "alice".into(), "secret".into()),
        Ok("alice with secret".to_owned())
    );
    manager.get::<dyn reordered::Login>("login").expect_err("another trait under the same name");
}

#[tokio::test]
async fn bytes_outlive_the_plugin_that_gave_them() {
    let native = native().library(libraries().library("probe-one"));
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &native).await.expect("loaded");
    let bytes = probe.bytes(4096).expect("bytes");
    let unloaded = manager.unload("probe").await.expect("it was loaded");
    assert_eq!(unloaded, Unloaded::Pinned { by: vec!["1 values that came from it".to_owned()] });
    assert_eq!(bytes, Bytes::from(vec![7; 4096]));
}

#[tokio::test]
async fn a_plugin_of_a_second_compiler_is_loaded() {
    let Some(compiler) = available(second_compiler()) else { return };
    let version = compiler.version().to_owned();
    let built =
        jackfield_fixtures::build(&Build::new(["probe-two"]).no_default_features().compiler(compiler))
            .expect("it builds");
    let manager = Manager::new();
    let native = native().library(built.library("probe-two"));
    let probe = manager
        .load::<dyn Probe>("other", &native)
        .await
        .unwrap_or_else(|error| panic!("{version}: {error:?}"));
    exercise(&probe).await;
    assert!(message(probe.panic("ouch".to_owned()).expect_err("it panics")).starts_with("ouch, at "));
    assert_eq!(manager.unload("other").await, Ok(Unloaded::Unmapped));
}

#[tokio::test]
async fn another_interface_is_refused_before_any_code_runs() {
    let native = native().library(libraries().library("kv-file"));
    let error = Manager::new().load::<dyn Probe>("kv", &native).await.expect_err("it is a store");
    assert_eq!(
        chain(&error),
        "failed to load the plugin `kv` (step `check`): expected the interface `jackfield.test.Probe`, but it implements `proto.KV`"
    );
}

#[tokio::test]
async fn an_incompatible_interface_names_method_and_field() {
    // The interface that was written by hand has a method more than the plugin.
    let native = native().library(libraries().library("kv-file"));
    let error =
        Manager::new().load::<dyn kv_by_hand::Kv>("kv", &native).await.expect_err("a method is missing");
    assert!(chain(&error).ends_with("the plugin lacks the method `Count`"), "{}", chain(&error));
}

/// The stores' interface, as a host would have it that counts its keys.
mod retyped {
    #[jackfield_core::interface(service = "proto.KV", version = "1.0")]
    pub(super) trait Kv {
        async fn get(&self, key: u64) -> Result<jackfield::Bytes, jackfield::Error>;
    }
}

#[tokio::test]
async fn a_retyped_argument_is_refused_by_method_and_field() {
    let native = native().library(libraries().library("kv-file"));
    let manager = Manager::new();
    let error = manager.load::<dyn retyped::Kv>("kv", &native).await.expect_err("its keys are texts");
    let words = "method `Get`: field `key` is `uint64` at the host, but `string` in the plugin";
    assert!(chain(&error).contains("(step `check`)") && chain(&error).ends_with(words), "{}", chain(&error));
    assert!(manager.names().is_empty());
}
