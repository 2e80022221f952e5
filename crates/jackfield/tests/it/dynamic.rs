//! Plugins of whose interfaces the host knows nothing when it is compiled.

use jackfield::process::{ProcessBackend, StdioCodec, StdioPlugin};
use jackfield::schema::Descriptor;
use jackfield::{
    Bytes, CallError, Context, Error, GetError, Interface, Limits, LoadErrorKind, Manager, Messages,
    ReloadError, Streaming,
};
use jackfield_core::interface;
use jackfield_fixtures::workspace;
use kv_interface::Kv;
use probe_interface::Probe;

#[tokio::test]
async fn a_plugin_is_called_by_what_it_says_of_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let context = Context::new("kv", [("directory".to_owned(), directory.path().display().to_string())]);
    let manager = Manager::new();
    let interfaces = manager.load_dynamic(context, &kv_file::PLUGIN).await.expect("loaded");
    assert_eq!((interfaces[0].service.as_str(), interfaces[0].version.as_str()), ("proto.KV", "1.0"));

    let kv = manager.dynamic("kv", &interfaces[0]).await.expect("it serves that");
    // `{ key: "a", value: "b" }`, and `{ key: "a" }`.
    let put = kv.call("Put", Bytes::from_static(b"\x0a\x01a\x12\x01b")).await;
    assert_eq!(put, Ok(Bytes::new()));
    let stored = b"\x0a\x1eb\n\nWritten from plugin-go-grpc";
    assert_eq!(kv.call("Get", Bytes::from_static(b"\x0a\x01a")).await, Ok(Bytes::from_static(stored)));
    let mut answers =
        kv.call_streaming("Get", Messages::from(Bytes::from_static(b"\x0a\x01a"))).await.expect("it");
    assert_eq!(answers.next().await, Ok(Some(Bytes::from_static(stored))));
    assert_eq!(answers.next().await, Ok(None));

    let unknown = kv.call("Delete", Bytes::new()).await;
    assert_eq!(unknown, Err(CallError::Unimplemented { method: "/proto.KV/Delete".to_owned() }.into()));
    let malformed = kv.call("Get", Bytes::from_static(b"\xff")).await.expect_err("it is no message");
    assert!(matches!(malformed, Error::Call(CallError::Malformed { .. })), "{malformed:?}");

    // Whoever has the trait finds the same plugin by it, and by no other.
    let typed = manager.interface::<dyn Kv>("kv").await.expect("it serves that");
    assert!(typed.get("a".into()).await.is_ok());
    let other = manager.get::<dyn Probe>("kv").expect_err("it does not serve that");
    assert!(matches!(&other, GetError::Interface { found, .. } if found == "any interface"), "{other}");
}

#[tokio::test]
async fn it_is_swapped_for_what_serves_the_same() {
    let manager = Manager::new();
    let interfaces = manager.load_dynamic(Context::new("kv", []), &kv_file::PLUGIN).await.expect("loaded");
    let kv = manager.dynamic("kv", &interfaces[0]).await.expect("it serves that");
    let refused = manager.reload("kv", &probe_one::PLUGIN).await.expect_err("it serves something else");
    assert!(matches!(refused, ReloadError::Load(_)), "{refused}");
    manager.reload("kv", &kv_file::PLUGIN).await.expect("it serves the same");
    assert!(matches!(kv.call("Get", Bytes::from_static(b"\x0a\x01?")).await, Err(Error::Plugin(_))));
    manager.unload("kv").await.expect("it was loaded");
    assert!(matches!(kv.call("Get", Bytes::new()).await, Err(Error::Call(CallError::Closed { .. }))));
}

/// What a script provides that says nothing of itself, and something that it could not.
#[interface(service = "proto.Speaker", version = "1.0")]
trait Speaker {
    async fn say_hi(&self, name: String) -> Result<String, Error>;
    async fn fail(&self, name: String) -> Result<String, Error>;
    async fn listen(&self, words: Streaming<String>) -> Result<String, Error>;
}

fn speaker() -> StdioPlugin {
    let backend = ProcessBackend::start().expect("it starts");
    let script = workspace().join("fixtures/python/provider.py");
    StdioPlugin::new("python3").args([script]).codec(StdioCodec::Json).backend(&backend)
}

#[tokio::test]
async fn a_script_is_loaded_as_what_its_host_has_read() {
    let manager = Manager::new();
    let context = || Context::new("speaker", []);
    let silent = manager.load_dynamic(context(), &speaker()).await.expect_err("it does not say");
    assert!(matches!(silent.kind(), LoadErrorKind::Silent), "{silent:?}");
    let file = <dyn Speaker as Interface>::SCHEMA.to_file_descriptor();
    let interface = Descriptor::parse(&file).expect("an interface");
    let unfit = manager.load_described(context(), &speaker(), &interface).await.expect_err("a stream");
    let reason = std::error::Error::source(unfit.kind()).expect("a reason").to_string();
    let expected = "net/rpc cannot carry a stream, which the method `Listen` of `proto.Speaker` has";
    assert!(reason.starts_with(expected), "{reason}");

    let candidate = speaker().allow_lacking();
    let speaker = manager.load_described(context(), &candidate, &interface).await.expect("it is loaded");
    // `{ name: "bob" }` and `{ value: "Hi bob" }`.
    let bob = Bytes::from_static(b"\x0a\x03bob");
    assert_eq!(speaker.call("SayHi", bob.clone()).await, Ok(Bytes::from_static(b"\x0a\x06Hi bob")));
    let Err(Error::Plugin(failure)) = speaker.call("Fail", bob.clone()).await else { panic!("it fails") };
    assert_eq!(failure.message(), "no, bob");
    let Err(Error::Call(error)) = speaker.call("Listen", bob.clone()).await else { panic!("a stream") };
    assert!(error.to_string().contains(expected), "{error}");

    // It is the same one for whoever asks, and stays so when it is swapped.
    let known = manager.interfaces("speaker").await.expect("it is known");
    assert_eq!(known, std::slice::from_ref(&interface));
    let same = manager.dynamic("speaker", &interface).await.expect("it is loaded as that");
    manager.reload("speaker", &candidate).await.expect("it is replaced");
    assert_eq!(same.call("SayHi", bob).await, Ok(Bytes::from_static(b"\x0a\x06Hi bob")));
    assert!(manager.get::<dyn Speaker>("speaker").is_err(), "it was not loaded by the trait");
    manager.unload("speaker").await.expect("it was loaded");
    assert!(matches!(same.call("SayHi", Bytes::new()).await, Err(Error::Call(CallError::Closed { .. }))));
}

/// What a plugin says of itself goes before what its host has read.
#[tokio::test]
async fn a_plugin_that_says_what_it_serves_is_loaded_as_nothing_else() {
    let manager = Manager::new();
    let read = |file: Vec<u8>| Descriptor::parse(&file).expect("an interface");
    let kv = read(<dyn Kv as Interface>::SCHEMA.to_file_descriptor());
    let probe = read(<dyn Probe as Interface>::SCHEMA.to_file_descriptor());
    let context = || Context::new("kv", []);
    let other = manager.load_described(context(), &kv_file::PLUGIN, &probe).await.expect_err("another");
    assert!(matches!(other.kind(), LoadErrorKind::Interface { .. }), "{other:?}");
    let kv = manager.load_described(context(), &kv_file::PLUGIN, &kv).await.expect("loaded");
    assert!(matches!(kv.call("Get", Bytes::from_static(b"\x0a\x01?")).await, Err(Error::Plugin(_))));
}

/// A stream that is not the last of the arguments.
mod totals {
    use std::pin::Pin;

    use jackfield_plugin::{Context, Error, Stream, Streaming, export, plugin};

    #[jackfield_core::interface(service = "test.Totals", version = "1.0")]
    pub(super) trait Totals {
        async fn total(&self, numbers: Streaming<i64>, factor: i64) -> Result<i64, Error>;
    }

    pub(super) struct TestTotals;

    #[plugin]
    impl Totals for TestTotals {
        async fn total(&self, mut numbers: Streaming<i64>, factor: i64) -> Result<i64, Error> {
            let mut sum = 0;
            while let Some(number) =
                std::future::poll_fn(|context| Pin::new(&mut numbers).poll_next(context)).await
            {
                sum += number?;
            }
            Ok(sum * factor)
        }
    }

    fn open(_: &Context) -> Result<TestTotals, Error> {
        Ok(TestTotals)
    }

    export!(open as dyn Totals, name = "totals");
}

#[tokio::test]
async fn a_stream_goes_beside_the_other_arguments() {
    let mut limits = Limits::default();
    limits.calls = Some(1);
    for manager in [Manager::new(), Manager::builder().limits(limits).build()] {
        check_totals(&manager).await;
    }
}

async fn check_totals(manager: &Manager) {
    let interfaces = manager.load_dynamic(Context::new("totals", []), &totals::PLUGIN).await.expect("loaded");
    let totals = manager.dynamic("totals", &interfaces[0]).await.expect("it serves that");
    // `{ numbers: 7, factor: 3 }`: the first number comes with the other argument.
    assert_eq!(
        totals.call("Total", Bytes::from_static(b"\x08\x07\x10\x03")).await,
        Ok(Bytes::from_static(b"\x08\x15"))
    );
    // No number at all.
    assert_eq!(totals.call("Total", Bytes::from_static(b"\x10\x03")).await, Ok(Bytes::new()));
}
