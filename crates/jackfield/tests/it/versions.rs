//! Several versions of one plugin side by side, and which of them serves under the name that they share.

use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use jackfield::{
    BoxFuture, CallError, Candidate, Error, GetError, Handle, Instance, Load, LoadError, Manager, Restart,
    State,
};
use jackfield_fixtures::Stop;
use kv_interface::Kv;
use probe_interface::Probe;

use crate::home::{Home, online, reason};
use crate::seen::{install, wait_for};
use crate::support::{block_on, libraries};

impl Home {
    /// The next so many changes, of whichever plugin.
    fn changes<const N: usize>(&mut self) -> [(String, State); N] {
        std::array::from_fn(|_| self.change())
    }
}

fn expected<const N: usize>(changes: [(&str, State); N]) -> [(String, State); N] {
    changes.map(|(plugin, state)| (plugin.to_owned(), state))
}

#[test]
fn the_highest_version_serves_and_the_others_stay() {
    install();
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    home.put(libraries().library("probe-one"), "testplugin_v1.so");
    assert_eq!(
        home.changes(),
        expected([("testplugin@1", State::Loading), ("testplugin@1", online(1)), ("testplugin", online(1))])
    );
    let plugin = home.get::<dyn Probe>("testplugin");
    assert_eq!(plugin.version(), Ok(1));
    // A call that waits ends where it began, whichever version serves meanwhile.
    let mut waits = pin!(plugin.wait());
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    home.put(libraries().library("probe-two"), "testplugin_v2.so");
    assert_eq!(
        home.changes(),
        expected([("testplugin@2", State::Loading), ("testplugin@2", online(1)), ("testplugin", online(2))])
    );
    let [first, second] = ["testplugin@1", "testplugin@>1"].map(|name| home.get::<dyn Probe>(name));
    assert_eq!([plugin.version(), first.version(), second.version()], [Ok(2), Ok(1), Ok(2)]);
    assert_eq!((Handle::generation(&plugin), Handle::generation(&first)), (2, 1));
    assert_eq!([plugin.release(), first.release()], [Ok(0), Ok(1)], "each has a state of its own");
    assert!(matches!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(1))));

    // A new file of the version that serves is a new generation of both, and is told.
    home.put(libraries().library("probe-one"), "testplugin_v2.so");
    let [loading, shared, own] = home.changes();
    assert_eq!([loading, own], expected([("testplugin@2", State::Loading), ("testplugin@2", online(2))]));
    assert_eq!([shared], expected([("testplugin", online(3))]));
    assert_eq!((plugin.version(), Handle::generation(&plugin)), (Ok(1), 3));
    let rewritten = "its file has changed, but not its version: the new one is loaded";
    wait_for("testplugin@2", |event| event.field("message") == rewritten);

    home.remove("testplugin_v2.so");
    let [draining, shared, offline] = home.changes();
    assert_eq!(
        [draining, offline],
        expected([("testplugin@2", State::Draining), ("testplugin@2", State::Offline)])
    );
    assert_eq!([shared], expected([("testplugin", online(4))]));
    assert_eq!((plugin.version(), home.manager.serving("testplugin")), (Ok(1), Some("testplugin@1".into())));

    home.remove("testplugin_v1.so");
    let told: [_; 3] = home.changes();
    assert!(told.contains(&("testplugin".to_owned(), State::Offline)), "{told:?}");
    assert!(matches!(plugin.version(), Err(Error::Call(CallError::Closed { .. }))));
    assert!(home.manager.get::<dyn Probe>("testplugin").is_err() && home.manager.states().is_empty());

    // The same handle, once there is a version again.
    home.put(libraries().library("probe-two"), "libtestplugin@3.0.so");
    assert_eq!(
        home.changes(),
        expected([
            ("testplugin@3.0", State::Loading),
            ("testplugin@3.0", online(1)),
            ("testplugin", online(6))
        ])
    );
    assert_eq!((plugin.version(), Handle::generation(&plugin)), (Ok(2), 6));
}

#[test]
fn a_version_may_be_chosen_and_rolled_back() {
    let manager = Manager::new();
    block_on(async {
        manager.load::<dyn Probe>("probe@1.2", &probe_one::PLUGIN).await.expect("linked in");
        manager.load::<dyn Probe>("probe@1.10", &probe_two::PLUGIN).await.expect("linked in");
        let probe = manager.get::<dyn Probe>("probe").expect("it serves");
        assert_eq!(probe.version(), Ok(2), "10 is more than 2");
        assert_eq!(manager.roll_back("probe").await, Ok("probe@1.2".into()));
        assert_eq!(probe.version(), Ok(1));
        manager.load::<dyn Probe>("probe@2", &probe_two::PLUGIN).await.expect("linked in");
        assert_eq!(probe.version(), Ok(1), "it was chosen");
        manager.choose("probe", None).await.expect("it has versions");
        assert_eq!((probe.version(), manager.serving("probe")), (Ok(2), Some("probe@2".into())));

        manager.choose("probe", Some("~1.2")).await.expect("it is there");
        manager.unload("probe@1.2").await.expect("it is there");
        assert_eq!(manager.serving("probe"), Some("probe@2".into()), "the chosen one has gone");
        manager.load::<dyn Probe>("probe@1.2", &probe_one::PLUGIN).await.expect("linked in");
        assert_eq!(manager.serving("probe"), Some("probe@1.2".into()), "it is back");

        let nothing = manager.roll_back("probe").await.expect_err("it is the lowest");
        assert_eq!(
            nothing.to_string(),
            "no plugin `probe@<1.2.0` is loaded\n(hint: loaded are `probe@1.10`, `probe@1.2`, `probe@2`)"
        );
        assert!(manager.choose("probe", Some("7")).await.is_err());
        assert!(matches!(manager.get::<dyn Kv>("probe"), Err(GetError::Interface { .. })));
        assert!(matches!(manager.get::<dyn Probe>("probe@7"), Err(GetError::Unknown { .. })));
    });
}

#[test]
fn no_call_fails_while_versions_come_and_go() {
    let manager = Manager::new();
    block_on(manager.load::<dyn Probe>("probe@1", &probe_one::PLUGIN)).expect("linked in");
    let probe = manager.get::<dyn Probe>("probe").expect("it serves");
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let callers = [(); 3].map(|()| {
            scope.spawn(|| {
                let mut calls = 0_u64;
                while !stop.is_told() {
                    assert_eq!(probe.add(20, 22), Ok(42));
                    calls += 1;
                }
                calls
            })
        });
        {
            let _stopping = stop.when_dropped();
            for _ in 0..50 {
                block_on(async {
                    manager.load::<dyn Probe>("probe@2", &probe_two::PLUGIN).await.expect("linked in");
                    manager.choose("probe", Some("1")).await.expect("it is there");
                    manager.choose("probe", None).await.expect("it is there");
                    manager.reload("probe@2", &probe_two::PLUGIN).await.expect("linked in");
                    manager.unload("probe@2").await.expect("it is there");
                });
            }
        }
        assert!(callers.into_iter().all(|caller| caller.join().expect("no call fails") > 0));
    });
    // Each time to the second, to the first by choice, back, to its new generation, and to what is left.
    assert_eq!(Handle::generation(&probe), 1 + 50 * 5);
}

#[test]
fn a_manifest_says_which_version_it_is() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    let manifest = |program: &str, version: &str| {
        format!("command = {:?}\nversion = \"{version}\"", libraries().program(program))
    };
    home.write("probe.plugin.toml", &manifest("probe-one", "1.2"));
    assert_eq!(
        home.changes(),
        expected([("probe@1.2", State::Loading), ("probe@1.2", online(1)), ("probe", online(1))])
    );
    let probe = home.get::<dyn Probe>("probe");
    home.write("probe.plugin.toml", "command = 1");
    let [(plugin, failed), (_, old)] = home.changes();
    assert!(reason(&failed).contains("invalid type: integer"), "{failed:?}");
    assert_eq!((plugin.as_str(), old, probe.version()), ("probe@1.2", online(1), Ok(1)));
    home.write("probe.plugin.toml", &manifest("probe-two", "2"));
    while home.change() != ("probe@2".to_owned(), online(1)) {}
    while home.manager.serving("probe") != Some("probe@2".into()) {
        home.change();
    }
    assert_eq!(probe.version(), Ok(2));
}

/// The file of one version goes when that of another comes: whoever calls does not notice.
#[test]
fn a_version_that_replaces_another_leaves_no_gap() {
    let mut home = Home::watch::<dyn Probe>(|directory| directory);
    home.put(libraries().library("probe-one"), "libprobe@1.so");
    let [_, _, shared] = home.changes();
    assert_eq!(shared, ("probe".to_owned(), online(1)));
    let plugin = home.get::<dyn Probe>("probe");

    // One that cannot be loaded leaves the old one serving.
    std::fs::write(home.path("libprobe@1.so"), "no library").expect("written");
    std::fs::rename(home.path("libprobe@1.so"), home.path("libprobe@2.so")).expect("renamed");
    let [loading, failed] = home.changes();
    assert_eq!(loading, ("probe@2".to_owned(), State::Loading));
    assert!(reason(&failed.1).contains("found a text"), "{failed:?}");
    home.look();
    assert_eq!(plugin.version(), Ok(1));

    home.put(libraries().library("probe-two"), "libprobe@2.so");
    let told: [_; 5] = home.changes();
    let place = |wanted: (&str, State)| {
        let wanted = (wanted.0.to_owned(), wanted.1);
        told.iter().position(|change| *change == wanted).unwrap_or_else(|| panic!("{wanted:?} in {told:?}"))
    };
    assert!(place(("probe", online(2))) < place(("probe@1", State::Draining)), "{told:?}");
    assert_eq!(plugin.version(), Ok(2));
}

/// A plugin whose load waits until it is let go.
#[derive(Debug)]
struct Waits(Mutex<Option<tokio::sync::oneshot::Receiver<()>>>);

impl Candidate for Waits {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        let wait = self.0.lock().expect("nobody panicked").take().expect("it is loaded once");
        Box::pin(async move {
            wait.await.expect("it is let go");
            probe_one::PLUGIN.load(load).await
        })
    }
}

#[test]
fn an_unload_that_is_given_up_leaves_nothing_serving() {
    let manager = Manager::new();
    for version in ["probe@1", "probe@2"] {
        block_on(manager.load::<dyn Probe>(version, &probe_two::PLUGIN)).expect("linked in");
    }
    let [probe, second] = ["probe", "probe@2"].map(|name| manager.get::<dyn Probe>(name).expect("it serves"));
    let poll = |future: std::pin::Pin<&mut dyn Future<Output = ()>>| {
        assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    let (go, wait) = tokio::sync::oneshot::channel();
    let waits = Waits(Mutex::new(Some(wait)));
    {
        let mut reload =
            pin!(async { manager.reload("probe@1", &waits).await.map(drop).expect("it is let go") });
        poll(reload.as_mut());
        // It cannot pass the name on before the other version is loaded again.
        {
            let mut unload = pin!(async { manager.unload("probe@2").await.map(drop).expect("it is there") });
            poll(unload.as_mut());
        }
        for handle in [&probe, &second] {
            assert!(matches!(handle.version(), Err(Error::Call(CallError::Closed { .. }))));
        }
        assert_eq!(manager.serving("probe"), None);
        assert_eq!(manager.states(), [("probe@1".into(), State::Loading)]);

        // One that waits for the reload and is given up has changed nothing.
        {
            let mut unload = pin!(async { manager.unload("probe@1").await.map(drop).expect("it is there") });
            poll(unload.as_mut());
        }
        go.send(()).expect("it waits");
        block_on(reload);
    }
    assert_eq!((probe.version(), manager.serving("probe")), (Ok(1), Some("probe@1".into())));
    assert_eq!(manager.states(), [("probe".into(), online(4)), ("probe@1".into(), online(2))]);
}

#[test]
fn a_name_is_as_the_version_that_serves_and_enabled_with_it() {
    let mut restart = Restart::default();
    restart.failures = 1;
    let mut home = Home::watch::<dyn Probe>(|directory| directory.restart(restart));
    home.put(libraries().program("probe-one"), "probe@1");
    let _online: [_; 3] = home.changes();
    home.put(libraries().program("probe-two"), "probe@2");
    let _online: [_; 3] = home.changes();
    let probe = home.get::<dyn Probe>("probe");

    home.kill("probe@2");
    let [(own, died), (shared, also)] = home.changes();
    assert_eq!((own.as_str(), shared.as_str()), ("probe@2", "probe"));
    assert!(reason(&died).contains("SIGKILL") && died == also, "{died:?} {also:?}");
    let [(own, given_up), (shared, also)] = home.changes();
    assert_eq!((own.as_str(), shared.as_str()), ("probe@2", "probe"));
    assert!(reason(&given_up).starts_with("it failed 1 times") && given_up == also, "{also:?}");
    block_on(home.manager.load_again("probe")).expect("it loads");
    let [_, shared, own] = home.changes();
    assert_eq!([own, shared], expected([("probe@2", online(2)), ("probe", online(3))]));
    assert_eq!(probe.version(), Ok(2));

    home.manager.disable("probe").expect("it is watched");
    while home.change() != ("probe@2".to_owned(), State::Disabled) {}
    assert_eq!(probe.version(), Ok(1));
    home.manager.enable("probe").expect("it was disabled by this name");
    while home.change() != ("probe".to_owned(), online(5)) {}
    assert_eq!((probe.version(), home.manager.serving("probe")), (Ok(2), Some("probe@2".into())));
    assert!(home.manager.enable("nobody").is_err());
}
