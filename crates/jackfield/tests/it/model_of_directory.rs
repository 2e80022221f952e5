//! A watched directory against a small model of it: whatever its files, its operator, its host and its plugins do in
//! whichever order, each change of state is the one that the model expects, and what is told is what holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jackfield::{
    BoxFuture, CallError, Candidate, Changes, Directory, Event, Events, Handle, Instance, Load, LoadError,
    LoadErrorKind, Manager, Restart, State, Unloaded, Watch,
};
use jackfield_core::Lane;
use probe_interface::Probe;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::home::online;
use crate::support::block_on;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_directory_does_what_the_model_does(steps in vec((name(), step()), 1..40)) {
        let mut both = Both::new();
        for (name, step) in steps {
            both.take(name, step)?;
        }
        both.end()?;
    }
}

/// What is not told is waited for, so that few of those that fail are tried again.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::default() }
}

/// Something that is done with a plugin of the directory.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It ends by itself.
    Crash,
    /// Its operator disables it.
    Disable,
    Enable,
    LoadAgain,
    /// Its file comes, or another one takes its place.
    Put(Content),
    Remove,
    /// Its host unloads it.
    Unload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Crash),
        2 => Just(Step::Disable),
        2 => Just(Step::Enable),
        2 => Just(Step::LoadAgain),
        5 => prop_oneof![2 => (1..=2_u32).prop_map(Content::Good), 1 => Just(Content::Bad)].prop_map(Step::Put),
        1 => Just(Step::Remove),
        1 => Just(Step::Unload),
    ]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("one"), Just("two")]
}

/// What lies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// What cannot be loaded.
    Bad,
    /// A plugin that answers with this number.
    Good(u32),
}

/// What should hold of a plugin.
#[derive(Clone, Debug, Default)]
struct Model {
    file: Option<Content>,
    order: Order,
    present: Present,
    /// How often it has ended by itself since its file or its orders changed.
    crashes: u32,
}

/// What is wanted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    Load,
    Rest,
    /// There never was a file of which anybody could want anything.
    #[default]
    Unknown,
}

/// What it is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Present {
    Disabled,
    /// It could not be loaded.
    Failed,
    /// It has ended by itself, and is not restarted any more.
    GivenUp(u64, u32),
    #[default]
    Offline,
    /// The generation, and with what it answers.
    Online(u64, u32),
}

/// What becomes of a step: whether it is done, and what is told.
type Outcome = (bool, Vec<Told>);

/// A state without its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Failed,
    Other(State),
}

const LOADING: Told = Told::Other(State::Loading);
const DRAINING: Told = Told::Other(State::Draining);
const OFFLINE: Told = Told::Other(State::Offline);
const DISABLED: Told = Told::Other(State::Disabled);

impl From<State> for Told {
    fn from(state: State) -> Self {
        match state {
            State::Failed { .. } => Self::Failed,
            state => Self::Other(state),
        }
    }
}

impl Model {
    fn take(&mut self, step: Step) -> Outcome {
        match step {
            Step::Crash => (true, self.crash()),
            Step::Disable => self.disable(),
            Step::Enable if self.order == Order::Rest => {
                self.order = Order::Load;
                (true, self.load())
            }
            Step::Enable => (self.order != Order::Unknown, Vec::new()),
            Step::LoadAgain if self.order == Order::Rest => (false, Vec::new()),
            Step::LoadAgain => (matches!(self.file, Some(Content::Good(_))), self.load()),
            Step::Put(content) => {
                self.file = Some(content);
                if self.order == Order::Rest {
                    return (true, self.rest());
                }
                self.order = Order::Load;
                (true, self.load())
            }
            Step::Remove => {
                let mut told = self.take_away();
                if matches!(self.present, Present::Disabled | Present::Failed) {
                    told.push(OFFLINE);
                }
                let is_there = self.file.take().is_some();
                self.present = Present::Offline;
                (is_there, told)
            }
            Step::Unload => {
                let told = self.take_away();
                (!told.is_empty(), told)
            }
        }
    }

    /// Loads the file, or replaces by it what is loaded.
    fn load(&mut self) -> Vec<Told> {
        self.crashes = 0;
        match (self.file, self.present) {
            (None, _) => Vec::new(),
            (Some(Content::Good(answer)), present) => {
                let before = match present {
                    Present::GivenUp(generation, _) | Present::Online(generation, _) => generation,
                    Present::Disabled | Present::Failed | Present::Offline => 0,
                };
                self.present = Present::Online(before + 1, answer);
                vec![LOADING, Told::Other(online(before + 1))]
            }
            (Some(Content::Bad), Present::Online(generation, _)) => {
                vec![LOADING, Told::Failed, Told::Other(online(generation))]
            }
            // What was loaded has still ended by itself, and is not restarted.
            (Some(Content::Bad), Present::GivenUp(..)) => vec![LOADING, Told::Failed],
            (Some(Content::Bad), _) => {
                self.present = Present::Failed;
                vec![LOADING, Told::Failed]
            }
        }
    }

    fn crash(&mut self) -> Vec<Told> {
        let (Present::Online(generation, answer) | Present::GivenUp(generation, answer)) = self.present
        else {
            return Vec::new();
        };
        self.crashes += 1;
        match self.file {
            Some(Content::Good(answer)) if self.crashes < FAILURES => {
                self.present = Present::Online(generation + 1, answer);
                vec![Told::Failed, LOADING, Told::Other(online(generation + 1))]
            }
            file => {
                self.present = Present::GivenUp(generation, answer);
                // A restart that fails counts as well.
                let tries =
                    if file == Some(Content::Bad) { FAILURES - self.crashes.min(FAILURES) } else { 0 };
                let tried = (0..tries).flat_map(|_| [LOADING, Told::Failed]);
                [Told::Failed].into_iter().chain(tried).chain([Told::Failed]).collect()
            }
        }
    }

    fn disable(&mut self) -> Outcome {
        if self.order == Order::Unknown {
            return (false, Vec::new());
        }
        self.order = Order::Rest;
        let told = if self.file.is_some() { self.rest() } else { Vec::new() };
        (true, told)
    }

    /// Takes away what is loaded, since it is disabled.
    fn rest(&mut self) -> Vec<Told> {
        let mut told = self.take_away();
        if self.present != Present::Disabled {
            self.present = Present::Disabled;
            told.push(DISABLED);
        }
        told
    }

    fn take_away(&mut self) -> Vec<Told> {
        match self.present {
            Present::GivenUp(..) | Present::Online(..) => {
                self.present = Present::Offline;
                vec![DRAINING, OFFLINE]
            }
            Present::Disabled | Present::Failed | Present::Offline => Vec::new(),
        }
    }

    fn state(&self) -> Option<Told> {
        match self.present {
            Present::Disabled => Some(DISABLED),
            Present::Failed | Present::GivenUp(..) => Some(Told::Failed),
            Present::Offline => None,
            Present::Online(generation, _) => Some(Told::Other(online(generation))),
        }
    }

    /// The generation that is loaded, and with what it answers.
    fn loaded(&self) -> Option<(u64, u32)> {
        match self.present {
            Present::GivenUp(generation, answer) | Present::Online(generation, answer) => {
                Some((generation, answer))
            }
            Present::Disabled | Present::Failed | Present::Offline => None,
        }
    }
}

/// A directory and the models of its plugins.
struct Both {
    directory: TempDir,
    manager: Manager,
    changes: Changes,
    watch: Watch,
    events: Events,
    fuses: Fuses,
    models: BTreeMap<&'static str, Model>,
    handles: BTreeMap<&'static str, Handle<dyn Probe>>,
    /// Those of plugins that were unloaded.
    closed: Vec<Handle<dyn Probe>>,
    /// No file is like one before.
    files: usize,
}

impl Both {
    fn new() -> Self {
        let (directory, manager) = (tempfile::tempdir().expect("a directory"), Manager::new());
        let (changes, fuses, events) = (Changes::new(), Fuses::default(), manager.events());
        let mut restart = Restart::default();
        (restart.failures, restart.window) = (FAILURES, Duration::from_secs(24 * 60 * 60));
        restart.first_delay = Duration::ZERO;
        let source = Directory::new(directory.path())
            .libraries({
                let fuses = fuses.clone();
                move |path: &Path| Mortal { file: path.to_owned(), fuses: fuses.clone() }
            })
            .settle(Duration::ZERO)
            .told_by(&changes)
            .restart(restart);
        let watch = manager.watch::<dyn Probe>(source).expect("it is a directory");
        let models = BTreeMap::from([("one", Model::default()), ("two", Model::default())]);
        let (handles, closed) = Default::default();
        Self { directory, manager, changes, watch, events, fuses, models, handles, closed, files: 0 }
    }

    fn take(&mut self, name: &'static str, step: Step) -> Result<(), TestCaseError> {
        let model = self.models.get_mut(name).expect("a name");
        let before = model.clone();
        let is_running = matches!(before.present, Present::Online(..));
        if matches!(step, Step::Crash) && !is_running {
            return Ok(());
        }
        let (should_be, expected) = model.take(step);
        let loaded = model.loaded();
        let path = self.directory.path().join(format!("{name}.so"));
        let is_done = match step {
            Step::Crash => self.fuses.blow(name),
            Step::Disable => self.manager.disable(name).is_ok(),
            Step::Enable => self.manager.enable(name).is_ok(),
            Step::LoadAgain => block_on(self.manager.load_again(name)).is_ok(),
            Step::Put(content) => self.put(&path, content),
            Step::Remove => fs::remove_file(&path).is_ok(),
            Step::Unload => block_on(self.manager.unload(name)).is_ok(),
        };
        prop_assert_eq!(is_done, should_be, "{:?} of {:?}", step, before);
        self.settle();
        let mut told = Vec::new();
        while told.len() < expected.len() {
            told.push(self.next_told(name)?);
        }
        prop_assert_eq!(told, expected, "{:?} of {:?}", step, before);
        if loaded.is_none() {
            self.closed.extend(self.handles.remove(name));
        } else if !self.handles.contains_key(name) {
            self.handles.insert(name, self.manager.get(name).expect("it is loaded"));
        }
        self.compare()
    }

    /// Puts a file into its place at once.
    fn put(&mut self, path: &Path, content: Content) -> bool {
        self.files += 1;
        let text = match content {
            Content::Bad => "bad".to_owned(),
            Content::Good(answer) => answer.to_string(),
        };
        let hidden = path.with_file_name(".new");
        fs::write(&hidden, text + &" ".repeat(self.files)).expect("written");
        fs::rename(hidden, path).is_ok()
    }

    /// Waits until whatever lies there is followed: a file is seen, has held still, and is told to its plugin's life.
    fn settle(&self) {
        self.changes.tell();
        for _ in 0..3 {
            block_on(self.watch.look()).expect("it can be read");
        }
    }

    /// The next state that is told, save that a plugin comes closer to be loaded.
    fn next_told(&mut self, name: &str) -> Result<Told, TestCaseError> {
        loop {
            let event = self.events.recv_timeout(LONG);
            let Ok(Event::Changed { plugin, state }) = event else {
                return Err(TestCaseError::fail(format!("expected a change of `{name}`, found {event:?}")));
            };
            if !matches!(state, State::Discovered | State::Verified) {
                prop_assert_eq!(plugin.as_str(), name, "{:?}", state);
                return Ok(state.into());
            }
        }
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let states = self.manager.states().into_iter();
        let states: BTreeMap<_, _> =
            states.map(|(plugin, state)| (plugin.to_string(), state.into())).collect();
        let expected =
            self.models.iter().filter_map(|(name, model)| Some(((*name).to_owned(), model.state()?)));
        prop_assert_eq!(states, expected.collect::<BTreeMap<_, Told>>());
        for (name, handle) in &self.handles {
            let loaded = self.models[name].loaded();
            let found = (Handle::generation(handle), handle.version().expect("it is in this process"));
            prop_assert_eq!(Some(found), loaded);
        }
        prop_assert!(self.closed.iter().all(|handle| handle.version().is_err()));
        Ok(())
    }

    /// Nothing more is told than what was expected, and what is loaded stays so when the watch ends.
    fn end(self) -> Result<(), TestCaseError> {
        self.settle();
        let Self { watch, mut events, manager, .. } = self;
        let states = manager.states();
        block_on(watch.stop());
        while let Ok(event) = events.recv_timeout(Duration::ZERO) {
            let is_near = matches!(&event, Event::Changed { state: State::Discovered | State::Verified, .. });
            prop_assert!(is_near, "{:?}", event);
        }
        prop_assert_eq!(manager.states(), states);
        Ok(())
    }
}

/// What a file is loaded as: code that is linked in, which ends by itself when its fuse blows.
#[derive(Debug)]
struct Mortal {
    file: PathBuf,
    fuses: Fuses,
}

impl Candidate for Mortal {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async {
            let text = fs::read_to_string(&self.file).unwrap_or_default();
            let instance = match text.trim() {
                "1" => probe_one::PLUGIN.load(load).await?,
                "2" => probe_two::PLUGIN.load(load).await?,
                _ => return Err(load.error(LoadErrorKind::Silent)),
            };
            let blown = self.fuses.install(load.context.plugin());
            Ok(Box::new(Running { instance, blown }) as Box<dyn Instance>)
        })
    }
}

#[derive(Debug)]
struct Running {
    instance: Box<dyn Instance>,
    blown: watch::Receiver<bool>,
}

impl Instance for Running {
    fn lane(&self) -> Lane {
        self.instance.lane()
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        let mut blown = self.blown.clone();
        Box::pin(async move {
            if blown.wait_for(|is_blown| *is_blown).await.is_err() {
                // Another one has its place.
                std::future::pending::<()>().await;
            }
            CallError::Closed { reason: "its fuse has blown".to_owned() }
        })
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        self.instance.unload(deadline)
    }
}

/// By what the present instance of each plugin ends by itself.
#[derive(Clone, Debug, Default)]
struct Fuses(Arc<Mutex<BTreeMap<String, watch::Sender<bool>>>>);

impl Fuses {
    fn install(&self, plugin: &str) -> watch::Receiver<bool> {
        let (fuse, blown) = watch::channel(false);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(plugin.to_owned(), fuse);
        blown
    }

    /// Returns whether there is an instance.
    fn blow(&self, plugin: &str) -> bool {
        let fuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fuses.get(plugin).is_some_and(|fuse| fuse.send(true).is_ok())
    }
}

/// With how many failures a plugin is given up.
const FAILURES: u32 = 2;
/// Longer than anything takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);
