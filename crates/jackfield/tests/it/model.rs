//! The manager against a small model of it: whatever is done in whichever order, states, events and handles agree.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jackfield::{
    BoxFuture, Candidate, Event, Events, Handle, Instance, Load, LoadError, LoadErrorKind, Manager, State,
};
use probe_interface::Probe;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::home::online;
use crate::support::block_on;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_manager_does_what_the_model_does(steps in vec(step(), 1..40)) {
        let mut both = Both::new();
        for step in steps {
            both.take(step)?;
            both.compare()?;
        }
    }
}

/// Something that is done with a manager.
#[derive(Clone, Copy, Debug)]
enum Step {
    Choose(Option<Name>),
    Load(Name, Offered),
    Reload(Name, Offered),
    Unload(Name),
    /// A call is running, for which the unload waits when it is given up.
    UnloadGivenUp(Name),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop_oneof![Just(Name::Plain), Just(Name::One), Just(Name::Two)];
    let offered = || {
        prop_oneof![
            3 => (1..=2_u32).prop_map(Offered::Good),
            1 => Just(Offered::Bad),
            1 => Just(Offered::GivenUp),
        ]
    };
    prop_oneof![
        2 => prop_oneof![Just(None), Just(Some(Name::One)), Just(Some(Name::Two))].prop_map(Step::Choose),
        4 => (name(), offered()).prop_map(|(name, offered)| Step::Load(name, offered)),
        4 => (name(), offered()).prop_map(|(name, offered)| Step::Reload(name, offered)),
        2 => name().prop_map(Step::Unload),
        1 => name().prop_map(Step::UnloadGivenUp),
    ]
}

/// A name under which a plugin is loaded: two of them are versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Plain,
    One,
    Two,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::One => "probe@1",
            Self::Two => "probe@2",
        }
    }

    fn version(self) -> Option<&'static str> {
        self.text().split_once('@').map(|(_, version)| version)
    }
}

/// The name that the versions share.
const SHARED: &str = "probe";

/// What is offered to a load.
#[derive(Clone, Copy, Debug)]
enum Offered {
    Bad,
    /// One that answers with this number.
    Good(u32),
    /// It takes for ever, and whoever waits stops waiting.
    GivenUp,
}

impl Candidate for Offered {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        match self {
            Self::Bad => Box::pin(async { Err(load.error(LoadErrorKind::Silent)) }),
            Self::Good(1) => probe_one::PLUGIN.load(load),
            Self::Good(_) => probe_two::PLUGIN.load(load),
            Self::GivenUp => Box::pin(pending()),
        }
    }
}

/// What becomes of a future that is polled until it waits, and is given up then.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What should hold.
#[derive(Debug, Default)]
struct Model {
    /// The generation of each plugin that is loaded, and with what it answers.
    loaded: BTreeMap<Name, (u64, u32)>,
    /// Those that are not, since they could not be.
    failed: Vec<Name>,
    chosen: Option<Name>,
    /// The generation of the shared name, once it had a version, and which one serves.
    shared: Option<(u64, Option<Name>)>,
}

impl Model {
    /// The version that should serve now.
    fn preferred(&self) -> Option<Name> {
        let is_loaded = |name: &Name| self.loaded.contains_key(name);
        self.chosen.filter(is_loaded).or([Name::Two, Name::One].into_iter().find(is_loaded))
    }

    /// Another generation serves under the shared name if another version should, or if this one was replaced.
    fn settle(&mut self, replaced: Option<Name>) {
        let preferred = self.preferred();
        self.shared = match self.shared {
            None => preferred.map(|version| (1, Some(version))),
            Some((generation, serving))
                if serving != preferred || (serving.is_some() && serving == replaced) =>
            {
                Some((generation + 1, preferred))
            }
            same => same,
        };
    }

    fn load(&mut self, name: Name, offered: Offered) -> bool {
        if self.loaded.contains_key(&name) {
            return false;
        }
        match offered {
            Offered::Good(answer) => {
                self.failed.retain(|failed| *failed != name);
                self.loaded.insert(name, (1, answer));
                self.settle(None);
                return true;
            }
            Offered::Bad if !self.failed.contains(&name) => self.failed.push(name),
            Offered::Bad | Offered::GivenUp => {}
        }
        false
    }

    fn reload(&mut self, name: Name, offered: Offered) -> bool {
        let (Some(loaded), Offered::Good(answer)) = (self.loaded.get_mut(&name), offered) else {
            return false;
        };
        *loaded = (loaded.0 + 1, answer);
        self.settle(Some(name));
        true
    }

    fn unload(&mut self, name: Name) -> bool {
        let is_loaded = self.loaded.remove(&name).is_some();
        self.settle(None);
        is_loaded
    }

    fn choose(&mut self, version: Option<Name>) -> bool {
        let is_there =
            self.shared.is_some() && version.is_none_or(|version| self.loaded.contains_key(&version));
        if is_there {
            self.chosen = version;
            self.settle(None);
        }
        is_there
    }

    fn serving(&self) -> Option<(u64, Name)> {
        self.shared.and_then(|(generation, serving)| Some((generation, serving?)))
    }

    /// The states of all plugins that are not offline.
    fn states(&self) -> BTreeMap<String, Option<State>> {
        let loaded =
            self.loaded.iter().map(|(name, (generation, _))| (name.text(), Some(online(*generation))));
        let failed = self.failed.iter().map(|name| (name.text(), None));
        let shared = self.serving().map(|(generation, _)| (SHARED, Some(online(generation))));
        loaded.chain(failed).chain(shared).map(|(name, state)| (name.to_owned(), state)).collect()
    }
}

/// A manager and the model of it, with all handles there ever were.
struct Both {
    manager: Manager,
    model: Model,
    events: Events,
    told: BTreeMap<String, State>,
    handles: BTreeMap<Name, Handle<dyn Probe>>,
    shared: Option<Handle<dyn Probe>>,
    /// Those of plugins that were unloaded.
    closed: Vec<Handle<dyn Probe>>,
}

impl Both {
    fn new() -> Self {
        let manager = Manager::new();
        let events = manager.events();
        let (model, told, handles, shared, closed) = Default::default();
        Self { manager, model, events, told, handles, shared, closed }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let manager = self.manager.clone();
        let (is_done, should_be) = match step {
            Step::Choose(version) => {
                let version_text = version.and_then(Name::version);
                (block_on(manager.choose(SHARED, version_text)).is_ok(), self.model.choose(version))
            }
            Step::Load(name, offered) => {
                let handle = poll_once(manager.load::<dyn Probe>(name.text(), &offered)).and_then(Result::ok);
                let is_done = handle.is_some();
                self.handles.extend(handle.map(|handle| (name, handle)));
                (is_done, self.model.load(name, offered))
            }
            Step::Reload(name, offered) => {
                let reloaded = poll_once(manager.reload(name.text(), &offered));
                (reloaded.is_some_and(|reloaded| reloaded.is_ok()), self.model.reload(name, offered))
            }
            Step::Unload(name) => {
                let is_done = block_on(manager.unload(name.text())).is_ok();
                self.closed.extend(self.handles.remove(&name));
                (is_done, self.model.unload(name))
            }
            Step::UnloadGivenUp(name) => {
                self.unload_under_a_call(name)?;
                let is_loaded = self.handles.contains_key(&name);
                self.closed.extend(self.handles.remove(&name));
                (is_loaded, self.model.unload(name))
            }
        };
        prop_assert_eq!(is_done, should_be, "{:?}", step);
        if self.shared.is_none() {
            self.shared = self.manager.get(SHARED).ok();
        }
        Ok(())
    }

    fn unload_under_a_call(&self, name: Name) -> Result<(), TestCaseError> {
        let Some(handle) = self.handles.get(&name) else { return Ok(()) };
        let mut call = pin!(handle.wait());
        prop_assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        prop_assert!(poll_once(self.manager.unload(name.text())).is_none(), "it waits for the call");
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let states: BTreeMap<_, _> =
            self.manager.states().into_iter().map(|(name, state)| (name.to_string(), state)).collect();
        let without_reason = |state: &State| (!matches!(state, State::Failed { .. })).then(|| state.clone());
        let found: BTreeMap<_, _> =
            states.iter().map(|(name, state)| (name.clone(), without_reason(state))).collect();
        prop_assert_eq!(found, self.model.states());
        for (name, handle) in &self.handles {
            let (generation, answer) = self.model.loaded[name];
            prop_assert_eq!((handle.version().ok(), Handle::generation(handle)), (Some(answer), generation));
        }
        prop_assert!(self.closed.iter().all(|handle| handle.version().is_err()));
        let serving = self.model.serving();
        let name = serving.map(|(_, name)| name.text().into());
        prop_assert_eq!(self.manager.serving(SHARED), name);
        if let Some(shared) = &self.shared {
            let answer = serving.map(|(_, name)| self.model.loaded[&name].1);
            prop_assert_eq!(shared.version().ok(), answer);
        }
        self.hear()?;
        self.told.retain(|_, state| *state != State::Offline);
        prop_assert_eq!(&self.told, &states, "what was told last is what holds");
        Ok(())
    }

    /// Hears all events, each of which must follow from the one before it.
    fn hear(&mut self) -> Result<(), TestCaseError> {
        while let Ok(event) = self.events.recv_timeout(Duration::ZERO) {
            let Event::Changed { plugin, state } = event else { panic!("nothing is missed: {event:?}") };
            let before = self.told.insert(plugin.to_string(), state.clone()).unwrap_or(State::Offline);
            let is_legal = if plugin.as_str() == SHARED {
                may_pass(&before, &state)
            } else {
                may_follow(&before, &state)
            };
            prop_assert!(is_legal, "{}: {:?}, then {:?}", plugin, before, state);
        }
        Ok(())
    }
}

/// Whether a plugin may be in this state next.
fn may_follow(before: &State, next: &State) -> bool {
    match (before, next) {
        (State::Online { .. }, State::Draining) | (State::Draining, State::Offline) => true,
        // What replaces a plugin passes over this.
        (State::Offline | State::Failed { .. }, State::Verified) => true,
        (State::Verified | State::Online { .. }, State::Loading) => true,
        // The last of them where the load was given up, or the old one serves on.
        (State::Loading, State::Failed { .. } | State::Online { .. } | State::Offline) => true,
        (State::Failed { .. }, State::Online { .. }) => true,
        _ => false,
    }
}

/// Whether the name that versions share may be in this state next: the number of its generation grows by one.
fn may_pass(before: &State, next: &State) -> bool {
    match (before, next) {
        (State::Online { generation: before }, State::Online { generation }) => *generation == before + 1,
        (State::Offline, State::Online { .. }) | (State::Online { .. }, State::Offline) => true,
        _ => false,
    }
}
