//! Plugins by their interface: all of them, and one as soon as it is online.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;

use jackfield::{GetError, Handle, Interface, Manager, Restart, State};
use kv_interface::Kv;
use probe_interface::Probe;

use crate::home::{Home, online, reason};
use crate::support::{block_on, libraries};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn names<I: Interface + ?Sized>(manager: &Manager) -> Vec<String> {
    manager.all::<I>().into_iter().map(|(plugin, _)| plugin.to_string()).collect()
}

#[test]
fn all_plugins_of_an_interface_are_found_once_each() {
    let manager = Manager::new();
    block_on(async {
        for name in ["probe@1.2", "probe@1.10", "another"] {
            manager.load::<dyn Probe>(name, &probe_one::PLUGIN).await.expect("linked in");
        }
        manager.load::<dyn Kv>("kv", &kv_by_hand::PLUGIN).await.expect("linked in");
        assert_eq!(names::<dyn Probe>(&manager), ["another", "probe"]);
        assert_eq!(names::<dyn Kv>(&manager), ["kv"]);

        // What is found under a shared name follows the version that serves.
        let [_, (_, probe)] = <[_; 2]>::try_from(manager.all::<dyn Probe>()).expect("two");
        manager.load::<dyn Probe>("probe@2", &probe_two::PLUGIN).await.expect("linked in");
        assert_eq!(probe.version(), Ok(2));

        // A version of another interface than what serves under the name is found under its own.
        manager.load::<dyn Kv>("probe@3", &kv_by_hand::PLUGIN).await.expect("linked in");
        assert_eq!(names::<dyn Kv>(&manager), ["kv", "probe@3"]);
        assert_eq!(names::<dyn Probe>(&manager), ["another", "probe"]);

        manager.unload("another").await.expect("it is there");
        assert_eq!(names::<dyn Probe>(&manager), ["probe"]);
    });
}

#[test]
fn a_plugin_is_found_by_an_interface_for_which_it_was_asked() {
    let manager = Manager::new();
    block_on(async {
        let context = jackfield::Context::new("kv", []);
        manager.load_dynamic(context, &kv_by_hand::PLUGIN).await.expect("linked in");
        assert!(manager.all::<dyn Kv>().is_empty());
        manager.interface::<dyn Kv>("kv").await.expect("it serves that");
        assert_eq!(names::<dyn Kv>(&manager), ["kv"]);
    });
}

#[test]
fn whoever_waits_gets_the_plugin_once_it_is_online() {
    let manager = Manager::new();
    let mut waits = pin!(manager.when_online::<dyn Probe>("probe"));
    assert!(poll(waits.as_mut()).is_pending());
    drop(manager.when_online::<dyn Probe>("probe"));
    block_on(manager.load::<dyn Probe>("probe@1", &probe_one::PLUGIN)).expect("linked in");
    let Poll::Ready(probe) = poll(waits) else { panic!("a version serves under the name") };
    assert_eq!(probe.expect("it is a probe").version(), Ok(1));
    block_on(manager.when_online::<dyn Probe>("probe@^1")).expect("a range");

    let Err(error) = block_on(manager.when_online::<dyn Kv>("probe")) else { panic!("it is no store") };
    assert!(matches!(error, GetError::Interface { .. }), "{error}");
}

/// Whenever the load comes, before the wait, after it or in the midst of it, the wait ends.
#[test]
fn no_wake_up_is_lost() {
    let manager = Manager::builder().event_capacity(1).build();
    for round in 0..500 {
        let name = &format!("probe-{round}");
        thread::scope(|scope| {
            let waits = scope.spawn(|| block_on(manager.when_online::<dyn Probe>(name)));
            block_on(manager.load::<dyn Probe>(name, &probe_one::PLUGIN)).expect("linked in");
            let probe = waits.join().expect("no panic").expect("it is a probe");
            assert_eq!(Handle::generation(&probe), 1);
        });
    }
}

/// A handle to it is there all the time; whoever waits is told when calls are answered again.
#[test]
fn a_plugin_that_died_is_waited_for_until_it_is_restarted() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory.restart(Restart::default()));
    home.put(libraries().program("probe-one"), "probe");
    let manager = home.manager.clone();
    let probe = block_on(manager.when_online::<dyn Probe>("probe")).expect("it is a probe");
    assert_eq!(home.told("probe"), [State::Loading, online(1)]);
    home.kill("probe");
    let [failed] = home.told("probe");
    assert!(reason(&failed).contains("SIGKILL"), "{failed:?}");
    block_on(manager.when_online::<dyn Probe>("probe")).expect("it is a probe");
    assert_eq!((probe.version(), Handle::generation(&probe)), (Ok(1), 2));
}
