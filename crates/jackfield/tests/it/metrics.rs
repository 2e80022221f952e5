//! The figures of plugins, as a recorder of the crate `metrics` gets them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackfield::process::ProcessPlugin;
use jackfield::{Breaker, Manager};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use probe_interface::Probe;

use crate::supervision::begun;
use crate::support::{block_on, libraries, native};

/// Keeps what it is told: sums, last values, and how often something was recorded.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<BTreeMap<String, f64>>>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, f64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, name: &str) -> Option<f64> {
        self.lock().get(name).copied()
    }

    fn figure(&self, key: &Key) -> Arc<Figure> {
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert_eq!(labels, [("plugin", "probe")]);
        Arc::new(Figure { name: key.name().to_owned(), told: self.clone() })
    }
}

struct Figure {
    name: String,
    told: Told,
}

impl Figure {
    fn add(&self, value: f64) {
        *self.told.lock().entry(self.name.clone()).or_default() += value;
    }
}

impl CounterFn for Figure {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {
        unreachable!("a plugin that is loaded again begins with 0");
    }
}

impl GaugeFn for Figure {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.told.lock().insert(self.name.clone(), value);
    }
}

impl HistogramFn for Figure {
    fn record(&self, value: f64) {
        assert!(value > 0.0 && value < 60.0, "{value} s");
        self.add(1.0);
    }
}

impl Recorder for Told {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.figure(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.figure(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.figure(key))
    }
}

#[test]
fn figures_are_published_once_each() {
    let manager = Manager::builder().breaker(Breaker::default()).build();
    let program = ProcessPlugin::new(libraries().program("probe-one"));
    let probe = block_on(manager.load::<dyn Probe>("probe", &program)).expect("it loads");
    let told = Told::default();
    assert_eq!(probe.add(1, 2), Ok(3));
    assert!(probe.fail("no".into()).is_err() && probe.panic("oh".into()).is_err());
    let waiting = begun!(probe.wait());
    with_local_recorder(&told, || manager.publish_metrics());
    let calls = ["calls", "errors", "failures", "rejected", "restarts"]
        .map(|name| told.of(&format!("jackfield_{name}_total")));
    assert_eq!(calls, [4.0, 1.0, 1.0, 0.0, 0.0].map(Some));
    assert_eq!(told.of("jackfield_call_duration_seconds"), Some(2.0), "two were answered");
    let gauges = ["calls_in_flight", "calls_waiting", "circuit_closed", "generation"]
        .map(|name| told.of(&format!("jackfield_{name}")));
    assert_eq!(gauges, [1.0, 0.0, 1.0, 1.0].map(Some));
    assert!(told.of("jackfield_memory_bytes") > Some(100_000.0));

    drop(waiting);
    assert_eq!(probe.add(1, 2), Ok(3));
    with_local_recorder(&told, || manager.publish_metrics());
    with_local_recorder(&told, || manager.publish_metrics());
    assert_eq!(told.of("jackfield_calls_total"), Some(5.0));
    assert_eq!(told.of("jackfield_call_duration_seconds"), Some(3.0));
    assert_eq!(told.of("jackfield_calls_in_flight"), Some(0.0));
}

#[test]
fn the_calls_of_a_library_are_published_too() {
    let manager = Manager::new();
    let library = native().library(libraries().library("probe-one"));
    let probe = block_on(manager.load::<dyn Probe>("probe", &library)).expect("it loads");
    let told = Told::default();
    for number in 0..CALLS {
        assert_eq!(probe.add(number, 1), Ok(number + 1));
    }
    with_local_recorder(&told, || manager.publish_metrics());
    let calls = ["calls", "errors", "failures", "rejected", "restarts"]
        .map(|name| told.of(&format!("jackfield_{name}_total")));
    assert_eq!(calls, [CALLS as f64, 0.0, 0.0, 0.0, 0.0].map(Some));
    let timed = told.of("jackfield_call_duration_seconds").expect("one of 1,024 is timed");
    assert!(timed >= 1.0 && timed < CALLS as f64, "{timed}");
    assert_eq!(told.of("jackfield_generation"), Some(1.0));
    let unknown = ["circuit_closed", "memory_bytes"].map(|name| told.of(&format!("jackfield_{name}")));
    assert_eq!(unknown, [None, None], "it has no process of its own");

    assert!(probe.fail("no".into()).is_err());
    with_local_recorder(&told, || manager.publish_metrics());
    assert_eq!(told.of("jackfield_calls_total"), Some(CALLS as f64 + 1.0));
    assert_eq!(told.of("jackfield_failures_total"), Some(1.0));
}

const CALLS: i64 = 5_000;
