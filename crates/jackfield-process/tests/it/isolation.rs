//! Whatever a plugin does, its host lives on, is told, and can start it again: over each wire.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{
    BoxFuture, Bytes, CallError, CallOptions, Candidate, Context, Description, Error, Handle, Instance, Load,
    Slot, Unloaded, interface,
};
use jackfield_process::stdio::{StdioCodec, StdioPlugin};
use jackfield_process::{ProcessBackend, ProcessPlugin};

use crate::calls::{self, run};
use crate::netrpc_plugin::{self, Greeter as _};
use crate::peers::{GET, handshake, message, our_plugin};
use crate::stdio::our_program;

/// What ends it, its exit status, and what is said of it.
const ENDS: [(&str, &str, &str); 3] = [
    ("abort", "signal: 6 (SIGABRT)", ""),
    ("fault", "signal: 11 (SIGSEGV)", ""),
    ("hoard", "signal: 6 (SIGABRT)", "memory allocation of"),
];

/// As much memory as a plugin may have here.
const MEMORY: u64 = 200 << 20;

/// A plugin, and what makes it end.
struct Victim {
    instance: Box<dyn Instance>,
    end: End,
}

type End = Box<dyn Fn(&'static str, CallOptions) -> BoxFuture<'static, Result<(), Error>>>;

async fn is_isolated(start: impl AsyncFn() -> Victim) {
    for (what, status, words) in ENDS {
        let victim = start().await;
        let error = (victim.end)(what, CallOptions::new()).await.unwrap_err();
        let Error::Call(CallError::Exited { status: found, words: said }) = &error else {
            panic!("{what}: {error:?}")
        };
        assert!(found.starts_with(status) && said.contains(words), "{what}: {error}");
        assert!(matches!(victim.instance.closed().await, CallError::Exited { .. }), "{what}");
    }
    let victim = start().await;
    let error = (victim.end)("panic", CallOptions::new()).await.unwrap_err();
    let Error::Call(CallError::Panicked { message }) = &error else { panic!("{error:?}") };
    assert!(message.contains("this is too much"), "{message}");
    let hurry = CallOptions::new().timeout(Duration::from_millis(200));
    let error = (victim.end)("spin", hurry).await.unwrap_err();
    assert!(matches!(error, Error::Call(CallError::DeadlineExceeded { .. })), "{error:?}");
    let unloaded = victim.instance.unload(Duration::from_millis(200)).await;
    assert!(matches!(unloaded, Unloaded::Exited { .. } | Unloaded::Killed), "{unloaded}");
    let error = (start().await.end)("ennui", CallOptions::new()).await.unwrap_err();
    let Error::Plugin(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.message(), "there is no end by ennui");
}

#[test]
fn over_grpc() {
    let backend = ProcessBackend::start().unwrap();
    let plugin =
        ProcessPlugin::new(our_plugin()).handshake(handshake()).memory_limit(MEMORY).backend(&backend);
    run(is_isolated(async || {
        let (instance, channel) = calls::load(&plugin).await;
        let end = move |what: &str, options: CallOptions| -> BoxFuture<'static, Result<(), Error>> {
            let request = message([format!("__end:{what}").as_bytes()]);
            let answer = channel.call(&GET, request.into(), Some(&options));
            Box::pin(async move { answer.await.map(drop) })
        };
        Victim { instance, end: Box::new(end) }
    }));
}

#[test]
fn over_net_rpc() {
    let backend = ProcessBackend::start().unwrap();
    let plugin = netrpc_plugin::plugin(netrpc_plugin::our_plugin(), &backend).memory_limit(MEMORY);
    run(is_isolated(async || {
        let (instance, greeter) = netrpc_plugin::load(&plugin).await;
        let end = move |what: &'static str, options| -> BoxFuture<'static, Result<(), Error>> {
            let greeter = Handle::with(&greeter, options);
            Box::pin(async move { greeter.put("__end".into(), Bytes::from_static(what.as_bytes())).await })
        };
        Victim { instance, end: Box::new(end) }
    }));
}

/// What does as it is told. In Go the method is called `Do`, which is no name in Rust.
#[interface(service = "proto.Ender", version = "1.0")]
trait Ender {
    #[method(name = "Do")]
    async fn end(&self, what: String) -> Result<String, Error>;
}

#[test]
fn over_stdio() {
    let backend = ProcessBackend::start().unwrap();
    for (name, codec) in [("gob", StdioCodec::Gob), ("json", StdioCodec::Json)] {
        let plugin = StdioPlugin::new(our_program()).args(["provider", name]).codec(codec);
        let plugin = plugin.memory_limit(MEMORY).backend(&backend);
        run(is_isolated(async || {
            let load = Load::new(Context::new("ender", []), Description::of::<dyn Ender>());
            let instance = plugin.load(&load).await.unwrap();
            let slot = Arc::new(Slot::new::<dyn Ender>(instance.lane()));
            let ender = slot.handle::<dyn Ender>().unwrap();
            let end = move |what: &'static str, options| -> BoxFuture<'static, Result<(), Error>> {
                let ender = Handle::with(&ender, options);
                Box::pin(async move { ender.end(what.into()).await.map(drop) })
            };
            Victim { instance, end: Box::new(end) }
        }));
    }
}
