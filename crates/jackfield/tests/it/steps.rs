//! At which step a load fails, and that the old one serves on.

use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::{Candidate, Event, Manager, ReloadError, State, Step};

use crate::home::{Home, online, reason};
use crate::support::{block_on, chain, libraries, native};
use clock::Clock;

/// A clock, and two of its kind that do not come to be.
mod clock {
    use jackfield::Context;
    use jackfield_core::{Error, Failure, interface};
    use jackfield_plugin::Init;

    #[interface(service = "jackfield.test.Clock", version = "1.0")]
    pub(crate) trait Clock {
        fn now(&self) -> Result<u64, Error>;
    }

    pub(crate) struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Result<u64, Error> {
            Ok(7)
        }
    }

    fn open(_: &Context) -> Result<Fixed, Error> {
        Ok(Fixed)
    }

    fn refuse(_: &Context) -> Result<Fixed, Error> {
        Err(Failure::new("no springs").into())
    }

    fn refuse_at_once(_: &mut Init<'_>) -> Result<(), Error> {
        Err(Failure::new("no hands").into())
    }

    pub(crate) mod fixed {
        use super::*;
        jackfield_plugin::export!(open as dyn Clock, name = "fixed");
    }
    pub(crate) mod unsprung {
        use super::*;
        jackfield_plugin::export!(refuse as dyn Clock, name = "unsprung");
    }
    pub(crate) mod handless {
        use super::*;
        jackfield_plugin::export!(open as dyn Clock, init = refuse_at_once, name = "handless");
    }
}

#[test]
fn a_failed_load_names_its_step_and_the_old_one_serves_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let garbage = directory.path().join("libgarbage.so");
    std::fs::write(&garbage, "garbage").expect("written");
    let (native, processes) = (native(), ProcessBackend::start().expect("it starts"));
    let program = |path: &std::path::Path| ProcessPlugin::new(path).backend(&processes);
    let unwell = program(libraries().program("kv_plugin")).env("KV_HEALTH", "2");
    let broken: [(&dyn Candidate, Step); 9] = [
        (&native.library(&garbage), Step::Read),
        (&program(libraries().program("probe-one")).sha256([0; 32]), Step::Read),
        (&program(&garbage), Step::Start),
        (&unwell.handshake(Handshake::new(1, "WKY_PLUGIN", "wukaiying")), Step::Health),
        (&native.library(libraries().library("probe-one")), Step::Check),
        (&program(libraries().program("probe-one")), Step::Check),
        (&probe_one::PLUGIN, Step::Check),
        (&clock::handless::PLUGIN, Step::Init),
        (&clock::unsprung::PLUGIN, Step::Construct),
    ];
    let manager = Manager::new();
    let clock = block_on(manager.load::<dyn Clock>("clock", &clock::fixed::PLUGIN)).expect("linked in");
    let mut events = manager.events();
    let mut change = || match events.next() {
        Some(Event::Changed { state, .. }) => state,
        other => panic!("expected a change, found {other:?}"),
    };
    for (candidate, step) in broken {
        let text = format!("(step `{step}`)");
        let error = block_on(manager.reload("clock", candidate)).expect_err("it is broken");
        assert_eq!(error.step(), Some(step), "{candidate:?}: {error:?}");
        assert!(chain(&error).contains(&text), "{}", chain(&error));
        let [loading, failed, old] = [change(), change(), change()];
        assert_eq!((loading, old), (State::Loading, online(1)));
        assert!(reason(&failed).contains(&text), "{failed:?}");
        assert_eq!(clock.now(), Ok(7), "the old one serves on");

        let error = block_on(manager.load::<dyn Clock>("another", candidate)).expect_err("it is broken");
        assert_eq!((error.step(), change(), change()), (step, State::Verified, State::Loading));
        assert!(reason(&change()).contains(&text));
    }
    let error = block_on(manager.load::<dyn Clock>("clock", &clock::fixed::PLUGIN)).expect_err("it is taken");
    assert_eq!(error.step(), Step::Register);
    let error = block_on(manager.reload("nobody", &clock::fixed::PLUGIN)).expect_err("it is not there");
    assert!(matches!(error, ReloadError::Get(_)) && error.step().is_none(), "{error:?}");
}

#[test]
fn what_is_loaded_again_by_order_names_its_step_too() {
    let mut home = Home::watch::<dyn Clock>(|directory| directory);
    home.write("clock.plugin.toml", "command = 1");
    assert!(reason(&home.change().1).contains("invalid type: integer"));
    let error = block_on(home.manager.load_again("clock")).expect_err("the manifest is broken");
    assert_eq!(error.step(), Some(Step::Read), "{error:?}");
    home.manager.disable("clock").expect("it is watched");
    assert_eq!(block_on(home.manager.load_again("clock")).expect_err("it is disabled").step(), None);
}
