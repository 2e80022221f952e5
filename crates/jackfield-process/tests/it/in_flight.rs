//! Streams and callbacks that are under way when the plugin is killed end as calls do, and what was handed over is dropped.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};
use jackfield_core::{
    BoxFuture, CallError, Candidate, Context, Description, Error, Handle, Instance, Load, Slot, Streaming,
};
use jackfield_process::{ProcessBackend, ProcessPlugin};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{mpsc, oneshot};

use crate::calls::run;
use crate::endless::{Endless, Listener};
use crate::peers::{handshake, our_plugin};

/// Never answers; tells when it is called, and ends what is told when it is dropped.
struct Silent(mpsc::UnboundedSender<i64>);

impl Listener for Silent {
    fn hear(&self, number: i64) -> BoxFuture<'_, Result<i64, Error>> {
        self.0.send(number).unwrap();
        Box::pin(std::future::pending())
    }
}

/// Kills the plugin once `call` says that it has begun; looks at the error with which it ends, and when it does.
///
/// On a machine that is busy once is enough: what waits for patience to run out does so every time.
async fn each_killed(call: impl AsyncFn(&Handle<dyn Endless>, oneshot::Sender<()>) -> Error) {
    let backend = ProcessBackend::start().unwrap();
    let plugin = || {
        let plugin = ProcessPlugin::new(our_plugin()).env("KV_ENDLESS", "1");
        plugin.handshake(handshake()).backend(&backend)
    };
    for plugin in [plugin(), plugin().auto_mtls(), plugin().multiplex(), plugin().auto_mtls().multiplex()] {
        let mut delays = Vec::new();
        while delays.iter().all(|delay| *delay > PROMPT) {
            assert!(delays.len() < 5, "{delays:?}");
            delays.push(delay_of_death(&plugin, &call).await);
        }
    }
}

async fn delay_of_death(
    plugin: &ProcessPlugin,
    call: impl AsyncFn(&Handle<dyn Endless>, oneshot::Sender<()>) -> Error,
) -> Duration {
    let (instance, endless) = load(plugin).await;
    let (begun, beginning) = oneshot::channel();
    let mut end = pin!(call(&endless, begun));
    tokio::select! {
        error = end.as_mut() => panic!("{error}"),
        begun = beginning => begun.unwrap(),
    }
    let pid = Pid::from_raw(instance.process().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let killed = Instant::now();
    let error = tokio::time::timeout(Duration::from_secs(10), end).await.expect("it ends");
    let delay = killed.elapsed();
    let Error::Call(CallError::Exited { status, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(status, "signal: 9 (SIGKILL)");
    delay
}

const PROMPT: Duration = Duration::from_millis(50);

async fn load(plugin: &ProcessPlugin) -> (Box<dyn Instance>, Handle<dyn Endless>) {
    let load = Load::new(Context::new("endless", []), Description::of::<dyn Endless>());
    let instance = plugin.load(&load).await.unwrap();
    let slot = Arc::new(Slot::new::<dyn Endless>(instance.lane()));
    (instance, slot.handle::<dyn Endless>().unwrap())
}

/// An answer shows that what was called before has arrived.
async fn arrived(endless: &Handle<dyn Endless>) {
    assert_eq!(endless.numbers().await.unwrap().next().await, Some(Ok(1)));
}

#[test]
fn a_stream_from_the_plugin() {
    run(each_killed(async |endless, begun| {
        let mut numbers = endless.numbers().await.unwrap();
        assert_eq!(numbers.next().await, Some(Ok(1)));
        begun.send(()).unwrap();
        let error = numbers.next().await.expect("it does not just end").unwrap_err();
        assert_eq!(numbers.next().await, None);
        error
    }));
}

#[test]
fn a_stream_to_the_plugin() {
    run(each_killed(async |endless, begun| {
        let (held, mut dropped) = mpsc::unbounded_channel::<i64>();
        let numbers = stream::iter([Ok(1)]).chain(stream::pending()).inspect(move |_| held.send(1).unwrap());
        let caller = endless.clone();
        let total = tokio::spawn(async move { caller.total(Streaming::new(numbers)).await });
        assert_eq!(dropped.recv().await, Some(1));
        arrived(endless).await;
        begun.send(()).unwrap();
        let error = total.await.unwrap().unwrap_err();
        assert_eq!(dropped.recv().await, None);
        error
    }));
}

#[test]
fn a_call_of_the_plugins_to_an_object_of_the_hosts() {
    run(each_killed(async |endless, begun| {
        let (listener, mut told) = mpsc::unbounded_channel();
        let caller = endless.clone();
        let listener = Handle::<dyn Listener>::new(Silent(listener));
        let telling = tokio::spawn(async move { caller.tell(listener).await });
        assert_eq!(told.recv().await, Some(7));
        begun.send(()).unwrap();
        let error = telling.await.unwrap().unwrap_err();
        assert_eq!(told.recv().await, None);
        error
    }));
}

#[test]
fn an_object_of_the_hosts_that_the_plugin_holds() {
    run(each_killed(async |endless, begun| {
        let (listener, mut told) = mpsc::unbounded_channel();
        endless.keep(Handle::<dyn Listener>::new(Silent(listener))).await.unwrap();
        let mut numbers = endless.numbers().await.unwrap();
        assert_eq!(numbers.next().await, Some(Ok(1)));
        assert!(told.recv().now_or_never().is_none());
        begun.send(()).unwrap();
        assert_eq!(told.recv().await, None);
        numbers.next().await.expect("it does not just end").unwrap_err()
    }));
}
