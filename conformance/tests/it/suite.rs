//! What every backend has to do, written once.

use jackfield::{Bytes, CallError, Code, Context, Error, Failure, Handle, Manager};
use jackfield_fixtures::Stop;
use probe_interface::Probe;

use jackfield_conformance::backends::{self, Versions};

/// Runs each case on each backend.
macro_rules! on_every_backend {
    ($($case:ident),* $(,)?) => {
        on_every_backend!(@ linked: $($case),*);
        on_every_backend!(@ native: $($case),*);
        on_every_backend!(@ process: $($case),*);
        on_every_backend!(@ process_mtls: $($case),*);
        on_every_backend!(@ process_multiplexed: $($case),*);
        on_every_backend!(@ go: $($case),*);
        on_every_backend!(@ netrpc: $($case),*);
        on_every_backend!(@ gob: $($case),*);
        on_every_backend!(@ json: $($case),*);
        on_every_backend!(@ json2: $($case),*);

        /// The cases, for the list of those that fail.
        pub(crate) const CASES: &[&str] = &[$(stringify!($case)),*];
    };
    (@ $backend:ident: $($case:ident),*) => {
        mod $backend {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                // Go may be missing.
                let Some(versions) = Option::from(super::backends::$backend()) else { return };
                let run = super::$case(versions);
                crate::lacking::run(stringify!($backend), stringify!($case), run).await;
            })*
        }
    };
}

on_every_backend! {
    every_type_crosses,
    a_blocking_call_inside_a_runtime_neither_panics_nor_deadlocks,
    failures_keep_their_code_and_message,
    a_panic_is_an_error_and_the_plugin_goes_on,
    a_constructor_that_refuses_leaves_nothing_behind,
    an_unloaded_plugin_answers_at_once,
    any_executor_may_poll_a_handle,
    no_call_fails_during_a_hundred_swaps,
}

async fn every_type_crosses(versions: Versions) {
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*versions.one).await.expect("loaded");
    for (a, b) in [(0, 0), (19, 23), (-1, 1), (i64::MIN, 0), (i64::MAX, 1)] {
        assert_eq!(probe.add_async(a, b).await, Ok(a.wrapping_add(b)));
    }
    let echo = probe.echo("grüße".to_owned(), -1.5, i8::MIN, true, vec![0, 255]);
    assert_eq!(echo, Ok("grüße -1.5 -128 true [0, 255]".to_owned()));
    assert_eq!(probe.echo(String::new(), 0.0, 0, false, Vec::new()), Ok(" 0 0 false []".to_owned()));
    for size in [0, 1, 4096, 1 << 20] {
        assert_eq!(probe.bytes(size), Ok(Bytes::from(vec![7; size as usize])));
    }
    assert_eq!(probe.pend(3).await, Ok(3));
}

async fn a_blocking_call_inside_a_runtime_neither_panics_nor_deadlocks(versions: Versions) {
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*versions.one).await.expect("loaded");
    assert_eq!(probe.version(), Ok(1));
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O or time");
    let inside = std::thread::spawn({
        let probe = probe.clone();
        move || runtime.block_on(async { (probe.version(), probe.add_async(1, 2).await) })
    });
    assert_eq!(inside.join().expect("no panic"), (Ok(1), Ok(3)));
}

async fn failures_keep_their_code_and_message(versions: Versions) {
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*versions.one).await.expect("loaded");
    for message in ["no", "", "mit Umlaut: ä, 100 %, \n zwei Zeilen", &"ä".repeat(50_000)] {
        let expected = Failure::with_code(Code::ABORTED, message);
        assert_eq!(probe.fail(message.to_owned()), Err(Error::Plugin(expected)));
    }
    let error = probe.bytes(u64::MAX).expect_err("too many");
    assert!(matches!(error, Error::Plugin(failure) if failure.code() == Code::OUT_OF_RANGE));
}

async fn a_panic_is_an_error_and_the_plugin_goes_on(versions: Versions) {
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*versions.one).await.expect("loaded");
    for error in [probe.panic("ouch".to_owned()), probe.panic_later("ouch".to_owned()).await] {
        let Err(Error::Call(CallError::Panicked { message })) = error else { panic!("{error:?}") };
        assert!(message.starts_with("ouch"), "{message}");
    }
    assert_eq!(probe.version(), Ok(1));
}

async fn a_constructor_that_refuses_leaves_nothing_behind(versions: Versions) {
    let manager = Manager::new();
    let refuse = || Context::new("probe", [("refuse".to_owned(), "not today".to_owned())]);
    let error = manager.load_with::<dyn Probe>(refuse(), &*versions.one).await.expect_err("it refuses");
    assert!(chain(&error).contains("not today"), "{}", chain(&error));
    assert!(manager.names().is_empty());
    manager.load::<dyn Probe>("probe", &*versions.one).await.expect("the name is free");
}

async fn an_unloaded_plugin_answers_at_once(versions: Versions) {
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*versions.one).await.expect("loaded");
    assert_eq!(probe.version(), Ok(1));
    manager.unload("probe").await.expect("unloaded");
    for error in [probe.version().map(drop), probe.wait().await.map(drop)] {
        assert!(matches!(error, Err(Error::Call(CallError::Closed { .. }))), "{error:?}");
    }
    manager.get::<dyn Probe>("probe").expect_err("there is none any more");
}

async fn any_executor_may_poll_a_handle(versions: Versions) {
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*versions.one).await.expect("loaded");
    let outside = std::thread::spawn(move || block_on(async { probe.pend(2).await }));
    assert_eq!(outside.join().expect("no panic"), Ok(2));
}

async fn no_call_fails_during_a_hundred_swaps(versions: Versions) {
    let Versions { one, two } = versions;
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &*one).await.expect("loaded");
    let stop = Stop::default();
    let call = || {
        let mut seen = [false; 2];
        while !stop.is_told() {
            let version = probe.version().expect("no call fails");
            seen[version as usize - 1] = true;
            assert_eq!(block_on(probe.add_async(20, 22)), Ok(42));
        }
        seen
    };
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        let stopping = stop.when_dropped();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                for round in 1..=100 {
                    let candidate = if round % 2 == 0 { &*one } else { &*two };
                    let reloaded = manager.reload("probe", candidate).await.expect("reloaded");
                    assert!(reloaded.is_drained, "round {round}");
                }
            });
        });
        drop(stopping);
        for caller in callers {
            assert_eq!(caller.join().expect("no caller panicked"), [true, true], "both versions answered");
        }
    });
    assert_eq!(Handle::generation(&probe), 101);
}

/// The smallest executor there is: it knows nothing of tokio.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// An error with all its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
