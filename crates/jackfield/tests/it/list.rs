//! A list of candidates that are loaded as one set.

use std::fs;
use std::pin::pin;
use std::task::{Context as Poller, Poll, Waker};
use std::time::Duration;

use jackfield::process::{ProcessBackend, ProcessPlugin};
use jackfield::{
    BoxFuture, Candidate, Context, Directory, Event, Handle, Instance, Load, LoadError, Manager, State, Step,
};
use probe_interface::Probe;

use crate::home::online;
use crate::support::{block_on, chain, libraries, native};

fn named(name: &str) -> Context {
    Context::new(name, [])
}

#[test]
fn each_of_a_list_is_loaded_in_order_whatever_becomes_of_the_others() {
    let (manager, processes) = (Manager::new(), ProcessBackend::start().expect("it starts"));
    let mut events = manager.events();
    let directory = tempfile::tempdir().expect("a directory");
    let garbage = directory.path().join("libgarbage.so");
    fs::write(&garbage, "garbage").expect("written");
    let (library, garbage) = (native().library(libraries().library("probe-two")), native().library(&garbage));
    let program = ProcessPlugin::new(libraries().program("probe-one")).backend(&processes);
    let list: [(Context, &dyn Candidate); 4] = [
        (named("z@1"), &probe_one::PLUGIN),
        (named("garbage"), &garbage),
        (named("z@2"), &library),
        (named("a"), &program),
    ];
    let loaded = block_on(manager.load_all::<dyn Probe>(list));
    let answers = loaded.iter().map(|(plugin, loaded)| {
        let answer = loaded.as_ref().map(|probe| probe.version().expect("an answer"));
        (plugin.as_str(), answer.map_err(LoadError::step))
    });
    let expected = [("z@1", Ok(1)), ("garbage", Err(Step::Read)), ("z@2", Ok(2)), ("a", Ok(1))];
    assert_eq!(answers.collect::<Vec<_>>(), expected);
    let [_, (_, failed), ..] = &loaded[..] else { panic!("four") };
    let Err(failed) = failed else { panic!("it is garbage") };
    assert!(chain(failed).contains("expected an ELF file"), "{}", chain(failed));
    assert_eq!(manager.names(), ["a".into(), "z@1".into(), "z@2".into()]);
    // Versions of one name serve under it, as they do however they are loaded.
    assert_eq!(manager.get::<dyn Probe>("z").expect("two versions").version(), Ok(2));

    // Each is begun when the one before it has ended.
    let mut begun = Vec::new();
    while let Ok(Event::Changed { plugin, state }) = events.recv_timeout(Duration::ZERO) {
        if matches!(state, State::Loading | State::Failed { .. } | State::Online { .. })
            && plugin.as_str() != "z"
        {
            begun.push((plugin.to_string(), state == State::Loading));
        }
    }
    let in_turn =
        ["z@1", "garbage", "z@2", "a"].map(|name| [(name.to_owned(), true), (name.to_owned(), false)]);
    assert_eq!(begun, in_turn.concat());
}

#[test]
fn each_of_a_list_has_its_configuration() {
    /// Fails with what it is configured with.
    #[derive(Debug)]
    struct Echo;
    impl Candidate for Echo {
        fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
            let color = load.context.config("color").unwrap_or("none").to_owned();
            let kind = jackfield::LoadErrorKind::backend("echo", Step::Construct, color);
            Box::pin(async { Err(load.error(kind)) })
        }
    }
    let configured = |name: &str, color: &str| Context::new(name, [("color".to_owned(), color.to_owned())]);
    let list: [(Context, &dyn Candidate); 2] =
        [(configured("a", "red"), &Echo), (configured("b", "blue"), &Echo)];
    let loaded = block_on(Manager::new().load_all::<dyn Probe>(list));
    let reasons: Vec<_> =
        loaded.into_iter().map(|(_, loaded)| chain(&loaded.expect_err("it fails"))).collect();
    assert!(reasons[0].ends_with("red") && reasons[1].ends_with("blue"), "{reasons:?}");
}

#[test]
fn of_two_with_one_name_the_first_is_loaded_and_so_it_is_before_a_directory() {
    let manager = Manager::new();
    let list: [(Context, &dyn Candidate); 2] =
        [(named("probe"), &probe_one::PLUGIN), (named("probe"), &probe_two::PLUGIN)];
    let loaded = block_on(manager.load_all::<dyn Probe>(list));
    let [(_, Ok(probe)), (_, Err(second))] = &loaded[..] else { panic!("{loaded:?}") };
    assert!(chain(second).contains("a plugin `probe` is loaded already"), "{}", chain(second));

    let directory = tempfile::tempdir().expect("a directory");
    for name in ["libprobe.so", "libother.so"] {
        fs::copy(libraries().library("probe-two"), directory.path().join(name)).expect("a copy");
    }
    let backend = native();
    let source = Directory::new(directory.path())
        .libraries(move |path| backend.library(path))
        .settle(Duration::from_millis(20));
    let mut events = manager.events();
    let watch = manager.watch::<dyn Probe>(source).expect("it is a directory");
    let mut is_told_of_probe = false;
    // Both are taken in one look.
    while let Ok(Event::Changed { plugin, state }) = events.recv_timeout(LONG) {
        is_told_of_probe |= plugin.as_str() == "probe";
        if state == online(1) {
            break;
        }
    }
    block_on(watch.stop());
    assert!(!is_told_of_probe && events.recv_timeout(Duration::ZERO).is_err(), "it is left alone");
    assert_eq!((probe.version(), Handle::generation(probe)), (Ok(1), 1));
    assert_eq!(manager.states(), [("other".into(), online(1)), ("probe".into(), online(1))]);
}

#[test]
fn a_list_that_is_given_up_keeps_what_it_has_loaded() {
    /// It takes for ever.
    #[derive(Debug)]
    struct Never;
    impl Candidate for Never {
        fn load<'a>(&'a self, _: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
            Box::pin(std::future::pending())
        }
    }
    let manager = Manager::new();
    let list: [(Context, &dyn Candidate); 3] =
        [(named("a"), &probe_one::PLUGIN), (named("b"), &Never), (named("c"), &probe_two::PLUGIN)];
    {
        let mut loading = pin!(manager.load_all::<dyn Probe>(list));
        assert!(matches!(loading.as_mut().poll(&mut Poller::from_waker(Waker::noop())), Poll::Pending));
    }
    assert_eq!(manager.states(), [("a".into(), online(1))]);
    assert_eq!(manager.get::<dyn Probe>("a").expect("it is loaded").version(), Ok(1));
}

/// Longer than anything takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(120);
