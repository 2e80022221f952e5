//! A candidate whose plugin is started again by the next call after it has ended.

use std::fmt;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use jackfield_core::schema::Descriptor;
use jackfield_core::{
    BoxFuture, Bytes, CallError, CallOptions, Candidate, Channel, Description, Error, Instance, Lane, Load,
    LoadError, LoadErrorKind, Method, Parcel, Step, Unloaded,
};
use tokio::sync::watch::{self, Receiver};

use crate::blocking;
use crate::events::chain;
use crate::restart::{Backoff, Restart};
use crate::watch::{First, first, random};

/// A candidate whose plugin is started again by the next call after it has ended by itself, with the same name and
/// configuration. Until somebody calls, it stays as it is; a [watched directory](crate::Manager::watch) starts its plugins
/// again at once.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use jackfield::{Candidate, Context, Interface, Manager, Restart, Restartable};
/// # async fn host<I: Interface + ?Sized>(program: Arc<dyn Candidate>) -> Result<(), Box<dyn std::error::Error>> {
/// let mut restart = Restart::default();
/// restart.failures = 11;
/// let context = Context::new("store", [("root".to_owned(), "/var/lib/store".to_owned())]);
/// let store = Manager::new().load_with::<I>(context, &Restartable::new(program, restart)).await?;
/// # Ok(())
/// # }
/// ```
///
/// A call that is running when the plugin ends fails, as does one that comes before its end is known, and neither is
/// repeated: nobody can tell how far it came. A call that comes later waits for the pause of the [`Restart`] policy and for
/// the start, for no longer than its own deadline; several wait for one start. Where the start fails, so does the call.
/// Ends and failed starts are the failures that the policy counts; with the last one the plugin is given up, and every
/// call fails at once.
///
/// Handles and the manager see one generation through all of it. Code in this process does not end by itself: it is loaded
/// as it is. A blocking call that starts the plugin blocks its thread until that is done; a stream or an object of the
/// host's that is polled by a backend must not make one.
#[derive(Clone, Debug)]
pub struct Restartable {
    candidate: Arc<dyn Candidate>,
    restart: Restart,
}

impl Restartable {
    /// The plugin of this candidate, which is started again by this policy.
    pub fn new(candidate: Arc<dyn Candidate>, restart: Restart) -> Self {
        Self { candidate, restart }
    }
}

impl Candidate for Restartable {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async move {
            let instance = self.candidate.load(load).await?;
            Ok(match instance.lane() {
                Lane::Channel(channel) => {
                    Box::new(RestartableInstance::new(self, load, Running::new(instance, channel))) as _
                }
                _ => instance,
            })
        })
    }
}

/// The plugin through all of its starts. Without it nothing runs, and nothing is started any more.
#[derive(Debug)]
struct RestartableInstance {
    shared: Arc<Shared>,
}

impl RestartableInstance {
    fn new(of: &Restartable, load: &Load, running: Running) -> Self {
        let Restartable { candidate, restart } = of.clone();
        let backoff = Backoff::new(restart.clone());
        let plugin = Mutex::new(Plugin { state: State::Running(running), backoff, others: Vec::new() });
        let (over, _) = watch::channel(None);
        // What was saved for the first start is old at the next.
        let load = Load::new(load.context.clone().without_saved(), load.interface);
        Self { shared: Arc::new(Shared { candidate, restart, load, plugin, over }) }
    }

    fn channel(&self, index: usize) -> Lane {
        Lane::Channel(Arc::new(RestartableChannel { shared: self.shared.clone(), index }))
    }
}

impl Instance for RestartableInstance {
    fn lane(&self) -> Lane {
        self.channel(0)
    }

    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        Box::pin(async {
            let running = self.shared.running().await.map_err(not_running)?;
            match &*running.instance.lock().await {
                Some(instance) => instance.interfaces().await,
                None => Err(not_running(unloaded())),
            }
        })
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        Box::pin(async {
            let mut running = self.shared.running().await.map_err(not_running)?;
            running.ask(load).await?;
            let mut plugin = self.shared.lock();
            match &mut plugin.state {
                State::Running(present) if Arc::ptr_eq(&present.instance, &running.instance) => {
                    *present = running;
                    plugin.others.push(load.interface);
                    Ok(self.channel(plugin.others.len()))
                }
                _ => Err(not_running(CallError::Closed { reason: "it ended meanwhile".to_owned() })),
            }
        })
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        let shared = self.shared.clone();
        Box::pin(async move { shared.over().await })
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        Box::pin(async move {
            let State::Running(running) = self.shared.end(unloaded()) else { return Unloaded::Dropped };
            let instance = running.instance.lock().await.take();
            match instance {
                Some(instance) => instance.unload(deadline).await,
                None => Unloaded::Dropped,
            }
        })
    }
}

impl Drop for RestartableInstance {
    fn drop(&mut self) {
        // Callers may hold a channel still.
        drop(self.shared.end(unloaded()));
    }
}

/// Calls the plugin as one of its interfaces, and starts it before if it has ended.
#[derive(Debug)]
struct RestartableChannel {
    shared: Arc<Shared>,
    /// The interface's place among those that were asked for; the first is the one for which the plugin was loaded.
    index: usize,
}

impl RestartableChannel {
    /// The channel of what runs now, or is started for this.
    fn find(&self) -> impl Future<Output = Result<Arc<dyn Channel>, CallError>> + Send + 'static {
        let (shared, index) = (self.shared.clone(), self.index);
        async move { Ok(shared.running().await?.channels[index].clone()) }
    }
}

impl Channel for RestartableChannel {
    fn call(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> BoxFuture<'static, Result<Parcel, Error>> {
        let (finding, options) = (self.find(), options.cloned());
        Box::pin(async move { finding.await?.call(method, request, options.as_ref()).await })
    }

    fn call_blocking(
        &self,
        method: &'static Method,
        request: Parcel,
        options: Option<&CallOptions>,
    ) -> Result<Parcel, Error> {
        let late = || CallError::DeadlineExceeded { method: method.path.to_owned() };
        let found = match options.and_then(CallOptions::expires_at) {
            Some(deadline) => blocking::wait_until(self.find(), deadline).ok_or_else(late)?,
            None => blocking::wait(self.find()),
        };
        found?.call_blocking(method, request, options)
    }

    fn lacks(&self, method: &'static Method) -> bool {
        match &self.shared.lock().state {
            State::Running(running) => running.channels[self.index].lacks(method),
            // Nobody knows, and the call itself will tell.
            _ => false,
        }
    }

    /// What does not run holds nothing.
    fn saves(&self, interface: &'static str) -> BoxFuture<'static, Result<bool, Error>> {
        match &self.shared.lock().state {
            State::Running(running) => running.channels[self.index].saves(interface),
            _ => Box::pin(ready(Ok(false))),
        }
    }

    fn save(&self, interface: &'static str) -> BoxFuture<'static, Result<Bytes, Error>> {
        let finding = self.find();
        Box::pin(async move { finding.await?.save(interface).await })
    }

    fn may_block(&self) -> bool {
        match &self.shared.lock().state {
            State::Running(running) => running.channels[self.index].may_block(),
            _ => true,
        }
    }
}

/// What an instance shares with its channels.
struct Shared {
    candidate: Arc<dyn Candidate>,
    restart: Restart,
    load: Load,
    plugin: Mutex<Plugin>,
    /// Why it is never started again.
    over: watch::Sender<Option<CallError>>,
}

impl Shared {
    /// What runs now, or is started for this.
    async fn running(self: &Arc<Self>) -> Result<Running, CallError> {
        loop {
            let mut starting = match self.present()? {
                Present::Running(running) => return Ok(running),
                Present::Starting(starting) => starting,
            };
            match starting.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(Err(error))) => return Err(error.clone()),
                Ok(_) => {}
                Err(_) => {
                    return Err(CallError::Closed { reason: "it ended, and its start panicked".to_owned() });
                }
            }
        }
    }

    /// What is there now; what has ended is being started from now on.
    fn present(self: &Arc<Self>) -> Result<Present, CallError> {
        let mut plugin = self.lock();
        if let Some(ended) = plugin.state.ended() {
            tracing::warn!(plugin = self.load.context.plugin(), reason = chain(&ended), "it ended by itself");
            self.fail(&mut plugin);
        }
        if let State::Ended { again } = plugin.state {
            plugin.state = State::Starting(self.begin(again, &plugin.others)?);
        }
        match &plugin.state {
            State::Running(running) => Ok(Present::Running(running.clone())),
            State::Starting(starting) => Ok(Present::Starting(starting.clone())),
            State::Over(error) => Err(error.clone()),
            State::Ended { .. } => Err(unloaded()),
        }
    }

    /// Starts it on a thread of its own: whoever calls may give up waiting, and others wait for the same start.
    fn begin(
        self: &Arc<Self>,
        again: Option<Instant>,
        others: &[Description],
    ) -> Result<Starting, CallError> {
        let (shared, others) = (self.clone(), others.to_vec());
        let (done, starting) = watch::channel(None);
        let thread = std::thread::Builder::new().name("jackfield-restart".to_owned());
        let started = thread.spawn(move || done.send_replace(Some(shared.start(again, &others))));
        match started {
            Ok(_) => Ok(starting),
            Err(error) => {
                Err(CallError::Closed { reason: format!("it ended, and no thread can start it: {error}") })
            }
        }
    }

    /// Starts it after the pause, unless it is over by then.
    fn start(&self, again: Option<Instant>, others: &[Description]) -> Result<(), CallError> {
        let over = match again {
            Some(again) => blocking::wait_until(self.over(), again),
            None => Some(blocking::wait(self.over())),
        };
        if let Some(over) = over {
            return Err(over);
        }
        tracing::info!(plugin = self.load.context.plugin(), "it is started again");
        let loaded = match blocking::wait(first(self.over(), self.load(others))) {
            First::Left(over) => return Err(over),
            First::Right(loaded) => loaded,
        };
        let mut plugin = self.lock();
        if let State::Over(over) = &plugin.state {
            return Err(over.clone());
        }
        match loaded {
            Ok(running) => plugin.state = State::Running(running),
            Err(error) => {
                self.fail(&mut plugin);
                let reason = format!("it ended, and was not started again: {}", chain(&error));
                return Err(CallError::Closed { reason });
            }
        }
        Ok(())
    }

    /// Loads it, with all interfaces that were asked for.
    async fn load(&self, others: &[Description]) -> Result<Running, LoadError> {
        let instance = self.candidate.load(&self.load).await?;
        let Lane::Channel(channel) = instance.lane() else { return Err(self.load.error(in_process())) };
        let mut running = Running::new(instance, channel);
        for interface in others {
            let load = Load::new(self.load.context.clone(), *interface);
            running.ask(&load).await.map_err(|kind| load.error(kind))?;
        }
        Ok(running)
    }

    /// Counts a failure, after which it is started again or given up.
    fn fail(&self, plugin: &mut Plugin) {
        let now = Instant::now();
        plugin.state = match plugin.backoff.failed(now, random()) {
            Some(delay) => State::Ended { again: now.checked_add(delay) },
            None => {
                let error = CallError::Closed { reason: self.restart.given_up() };
                tracing::warn!(plugin = self.load.context.plugin(), reason = chain(&error), "given up");
                self.over.send_replace(Some(error.clone()));
                State::Over(error)
            }
        };
    }

    /// Ends it for good. Returns what it was.
    fn end(&self, reason: CallError) -> State {
        let before = std::mem::replace(&mut self.lock().state, State::Over(reason.clone()));
        self.over.send_if_modified(|over| {
            let is_first = over.is_none();
            over.get_or_insert(reason);
            is_first
        });
        before
    }

    /// Waits until it is never started again, and says why.
    async fn over(&self) -> CallError {
        let mut over = self.over.subscribe();
        let told = pin!(over.wait_for(Option::is_some)).await.as_deref().ok().cloned().flatten();
        told.unwrap_or_else(unloaded)
    }

    fn lock(&self) -> MutexGuard<'_, Plugin> {
        self.plugin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

/// What becomes of the plugin.
struct Plugin {
    state: State,
    backoff: Backoff,
    /// The interfaces that were asked for, beside the one for which it was loaded.
    others: Vec<Description>,
}

enum State {
    /// The next call starts it again, not before this time.
    Ended {
        again: Option<Instant>,
    },
    /// It was unloaded or given up.
    Over(CallError),
    Running(Running),
    Starting(Starting),
}

/// What is told to all who wait for a start.
type Starting = Receiver<Option<Result<(), CallError>>>;

impl State {
    /// Why it has ended, if it ran the last time that somebody looked.
    fn ended(&self) -> Option<CallError> {
        let Self::Running(running) = self else { return None };
        let mut closed = running.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits for it: whoever calls looks again.
        match closed.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }
}

/// What a call finds.
enum Present {
    Running(Running),
    Starting(Starting),
}

/// What was started last. Clones are the same.
#[derive(Clone)]
struct Running {
    /// Nothing once it is being unloaded.
    instance: Arc<tokio::sync::Mutex<Option<Box<dyn Instance>>>>,
    closed: Arc<Mutex<BoxFuture<'static, CallError>>>,
    /// How its interfaces are called, in the order in which they were asked for.
    channels: Arc<[Arc<dyn Channel>]>,
}

impl Running {
    fn new(instance: Box<dyn Instance>, channel: Arc<dyn Channel>) -> Self {
        let closed = Arc::new(Mutex::new(instance.closed()));
        Self { instance: Arc::new(Some(instance).into()), closed, channels: Arc::new([channel]) }
    }

    /// Asks the plugin for another interface.
    async fn ask(&mut self, load: &Load) -> Result<(), LoadErrorKind> {
        let instance = self.instance.lock().await;
        let instance = instance.as_ref().ok_or_else(|| not_running(unloaded()))?;
        let Lane::Channel(channel) = instance.interface(load).await? else { return Err(in_process()) };
        self.channels = self.channels.iter().cloned().chain([channel]).collect();
        Ok(())
    }
}

fn not_running(error: CallError) -> LoadErrorKind {
    LoadErrorKind::backend("manager", Step::Start, error)
}

fn in_process() -> LoadErrorKind {
    LoadErrorKind::backend(
        "manager",
        Step::Check,
        "expected a plugin in a process of its own, found code in this one",
    )
}

fn unloaded() -> CallError {
    CallError::Closed { reason: "the plugin was unloaded".to_owned() }
}
