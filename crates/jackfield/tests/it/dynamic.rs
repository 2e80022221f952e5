//! Plugins of whose interfaces the host knows nothing when it is compiled.

use jackfield::{Bytes, CallError, Context, Error, GetError, Manager, Messages, ReloadError};
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
    let manager = Manager::new();
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
