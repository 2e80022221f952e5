//! Load, reload and unload, each as one sequence of steps.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackfield_core::__private::Retired;
use jackfield_core::schema::Descriptor;
use jackfield_core::{
    Candidate, Context, Description, DynamicHandle, Generation, Handle, Instance, Interface, Lane, Load,
    LoadError, LoadErrorKind, Slot, Step, Timer, Unloaded,
};

use super::builder::Builder;
use super::control::{Control, Loaded};
use super::described::Described;
use super::drain::drain_all;
use super::ending::Ending;
use super::error::{ReloadError, Reloaded};
use super::orders::Orders;
use super::states::States;
use super::succession::Next;
use super::supervision::{Policy, Supervisor};
use super::versions::Versions;
use crate::events::{Events, State, chain};
use crate::registry::{Entry, GetError, PluginId, Registry};

/// Loads plugins, swaps them while they are called, and unloads them. Clones share what is loaded.
///
/// It needs no runtime: any executor may poll its futures. None of them starts before it is polled.
#[derive(Clone)]
pub struct Manager {
    pub(super) shared: Arc<Shared>,
    /// Under what it loads.
    pub(super) policy: Policy,
}

pub(super) struct Shared {
    pub(super) registry: Registry<Control>,
    pub(super) versions: Versions,
    pub(super) orders: Orders,
    pub(super) states: States,
    pub(super) timer: Arc<dyn Timer>,
    pub(super) drain_deadline: Duration,
    pub(super) hand_over_deadline: Duration,
    pub(super) stop_deadline: Duration,
}

impl Manager {
    /// A manager with the defaults.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Configures a manager.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Loads a plugin under a name, without configuration.
    ///
    /// # Errors
    ///
    /// The candidate cannot be loaded, or a plugin of this name is loaded already. Nothing is left behind.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes what was begun.
    pub async fn load<I: Interface + ?Sized>(
        &self,
        name: &str,
        candidate: &dyn Candidate,
    ) -> Result<Handle<I>, LoadError> {
        self.load_with(Context::new(name, []), candidate).await
    }

    /// Loads a plugin under the name and with the configuration of a context.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    ///
    /// # Cancel safety
    ///
    /// As for [`load`](Self::load).
    pub async fn load_with<I: Interface + ?Sized>(
        &self,
        context: Context,
        candidate: &dyn Candidate,
    ) -> Result<Handle<I>, LoadError> {
        let load = Load::new(context, Description::of::<I>());
        let slot = self.add(&load, candidate, Slot::new::<I>).await?;
        slot.handle().ok_or_else(|| load.error(taken(&load)))
    }

    /// Loads a plugin of whose interfaces this program knows nothing, and returns what the plugin serves, as it describes
    /// it itself. Its handles are [dynamic](Self::dynamic).
    ///
    /// ```no_run
    /// # use jackfield::{Bytes, Candidate, Context, Manager};
    /// # async fn host(candidate: &dyn Candidate) -> Result<(), Box<dyn std::error::Error>> {
    /// let manager = Manager::new();
    /// let interfaces = manager.load_dynamic(Context::new("kv", []), candidate).await?;
    /// let kv = manager.dynamic("kv", &interfaces[0]).await?;
    /// // `{ key: "a" }` as a protobuf message, such as `prost-reflect` makes it of JSON.
    /// let response = kv.call("Get", Bytes::from_static(b"\x0a\x01a")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load), or the plugin does not say what it serves: over net/rpc none does (see
    /// [`load_described`](Self::load_described)).
    ///
    /// # Cancel safety
    ///
    /// As for [`load`](Self::load).
    pub async fn load_dynamic(
        &self,
        context: Context,
        candidate: &dyn Candidate,
    ) -> Result<Vec<Descriptor>, LoadError> {
        let load = Load::new(context, Description::any());
        let candidate = Described::new(candidate);
        self.add(&load, &candidate, |lane| Slot::dynamic(Description::any(), lane)).await?;
        Ok(candidate.into_interfaces())
    }

    /// Loads a plugin as an interface that is known only at run time: for one that does not say what it serves, as over
    /// net/rpc and over standard input and output. What a plugin says of itself is checked all the same. The handle is as
    /// one of [`dynamic`](Self::dynamic).
    ///
    /// ```no_run
    /// # use jackfield::schema::Descriptor;
    /// # use jackfield::{Bytes, Candidate, Context, Manager};
    /// # async fn host(candidate: &dyn Candidate, set: &[Bytes]) -> Result<(), Box<dyn std::error::Error>> {
    /// // The files of a descriptor set, such as `protoc` makes it of a `.proto` file.
    /// let interface = Descriptor::parse_files(set, "proto.KV")?;
    /// let kv = Manager::new().load_described(Context::new("kv", []), candidate, &interface).await?;
    /// let response = kv.call("Get", Bytes::from_static(b"\x0a\x01a")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    ///
    /// # Cancel safety
    ///
    /// As for [`load`](Self::load).
    pub async fn load_described(
        &self,
        context: Context,
        candidate: &dyn Candidate,
        interface: &Descriptor,
    ) -> Result<DynamicHandle, LoadError> {
        let load = Load::new(context, Description::dynamic(interface));
        let interface = load.interface;
        let slot = self.add(&load, candidate, |lane| Slot::dynamic(interface, lane)).await?;
        DynamicHandle::new(slot, interface).ok_or_else(|| load.error(taken(&load)))
    }

    /// Loads a plugin and makes its slot.
    async fn add(
        &self,
        load: &Load,
        candidate: &dyn Candidate,
        make: impl Fn(Lane) -> Slot,
    ) -> Result<Arc<Slot>, LoadError> {
        let id = PluginId::from(load.context.plugin());
        if self.shared.registry.contains(&id) {
            return Err(load.error(taken(load)));
        }
        let attempt = self.shared.states.begin(&id);
        let supervisor = Supervisor::new(self.policy.clone(), self.shared.timer.clone());
        let instance = match supervisor.load(candidate, load).await {
            Ok(instance) => instance,
            Err(error) => {
                attempt.failed(chain(&error));
                return Err(error);
            }
        };
        let slot = Arc::new(make(instance.lane()).with_timer(self.shared.timer.clone()));
        let control = Arc::new(Control::new(load.clone(), supervisor, instance));
        let entry = Entry { slot: slot.clone(), extra: control.clone() };
        // Nobody replaces it before it was told that it is online.
        let held = control.instance.lock().await;
        if let Err(entry) = self.shared.registry.add(id.clone(), entry.clone()) {
            // Somebody else was faster. What was loaded for nothing is unloaded again.
            Ending::new(self, &entry, held).run().await;
            return Err(load.error(taken(load)));
        }
        attempt.succeeded(1);
        if let Some(instance) = &*held {
            self.join(&id, &entry, &**instance, &make);
        }
        drop(held);
        tracing::info!(plugin = %id, interface = load.interface.schema().service, "loaded");
        Ok(slot)
    }

    /// A handle to a plugin that was loaded: under its name (`kv`), which follows its versions where it has some, or to
    /// the highest version in a range (`kv@^1`, `kv@>=1.2, <3`; `kv@1` is `kv@^1` unless that is a name). See
    /// [`choose`](Self::choose).
    ///
    /// # Errors
    ///
    /// There is no such plugin, or it was loaded as another interface.
    pub fn get<I: Interface + ?Sized>(&self, name: &str) -> Result<Handle<I>, GetError> {
        let shared = self.shared.versions.slot(name).and_then(|slot| slot.handle());
        if let (Some(handle), false) = (shared, self.shared.registry.contains(&name.into())) {
            return Ok(handle);
        }
        let plugin = self.resolve(name)?;
        let Entry { slot, extra } = self.shared.registry.find(&plugin)?;
        let other = extra.other(|_, slot| slot.handle::<I>().is_some());
        if let Some(handle) = other.and_then(|slot| slot.handle()) {
            return Ok(handle);
        }
        let [expected, found] = [I::SCHEMA, slot.schema()]
            .map(|schema| format!("{} {}", schema.service, schema.version).trim().to_owned());
        slot.handle().ok_or(GetError::Interface { plugin, expected, found })
    }

    /// A handle to another interface of a plugin that was loaded. It is swapped and unloaded with the plugin (where the
    /// name has versions, with the one that serves now), and from now on [`get`](Self::get) finds it too.
    ///
    /// For each interface the plugin constructs an object of its own.
    ///
    /// # Errors
    ///
    /// There is no such plugin, or it does not serve this interface.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the plugin as it was.
    pub async fn interface<I: Interface + ?Sized>(&self, name: &str) -> Result<Handle<I>, ReloadError> {
        if let Ok(handle) = self.get(name) {
            return Ok(handle);
        }
        let slot =
            self.other(name, Description::of::<I>(), Slot::new::<I>, |_, slot| slot.handle::<I>().is_some());
        let id = PluginId::from(name);
        slot.await?.handle().ok_or_else(|| self.unloaded(&id))
    }

    /// A handle to an interface of a plugin that was loaded, where the interface is known only at run time: one of those
    /// that [`load_dynamic`](Self::load_dynamic) returns, or the one of [`load_described`](Self::load_described). It is
    /// swapped and unloaded with the plugin.
    ///
    /// For each other interface the plugin constructs an object of its own. The description is kept for as long as the program
    /// runs, once for equal ones.
    ///
    /// # Errors
    ///
    /// There is no such plugin, or it does not serve this interface.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the plugin as it was.
    pub async fn dynamic(&self, name: &str, interface: &Descriptor) -> Result<DynamicHandle, ReloadError> {
        let interface = Description::dynamic(interface);
        let fits = |found: Description, _: &Arc<Slot>| match (found.descriptor(), interface.descriptor()) {
            (Some(found), Some(interface)) => std::ptr::eq(found, interface),
            _ => false,
        };
        let slot = self.other(name, interface, move |lane| Slot::dynamic(interface, lane), fits).await?;
        DynamicHandle::new(slot, interface).ok_or_else(|| self.unloaded(&PluginId::from(name)))
    }

    /// The slot of another interface of a plugin: the one that `fits`, or one that is made.
    async fn other(
        &self,
        name: &str,
        interface: Description,
        make: impl FnOnce(Lane) -> Slot,
        fits: impl Fn(Description, &Arc<Slot>) -> bool,
    ) -> Result<Arc<Slot>, ReloadError> {
        let id = self.resolve(name)?;
        let entry = self.shared.registry.find(&id)?;
        if fits(entry.extra.load.interface, &entry.slot) {
            return Ok(entry.slot);
        }
        let instance = entry.extra.instance.lock().await;
        if let Some(slot) = entry.extra.other(fits) {
            // It was asked for before.
            return Ok(slot);
        }
        let Some(instance) = &*instance else { return Err(closed(&entry, &id)) };
        let load = Load::new(entry.extra.context(), interface);
        let lane = instance.interface(&load).await.map_err(|kind| load.error(kind))?;
        let slot = Arc::new(make(lane).with_timer(self.shared.timer.clone()));
        entry.extra.others().push((interface, slot.clone()));
        Ok(slot)
    }

    /// What another host needs to attach itself to a plugin that runs on when this host lets go of it (one that was started
    /// [detached](crate::process::ProcessPlugin::detached)); nothing for code in this process.
    ///
    /// It is the text of a [`Reattach`](crate::process::Reattach), which may hold a key and so is kept as a password is.
    ///
    /// ```no_run
    /// # use jackfield::process::{ProcessBackend, ProcessPlugin, Reattach};
    /// # use jackfield::{Interface, Manager};
    /// # async fn hosts<I: Interface + ?Sized>(backend: ProcessBackend) -> Result<(), Box<dyn std::error::Error>> {
    /// let (old, new) = (Manager::new(), Manager::new());
    /// old.load::<I>("kv", &ProcessPlugin::new("plugins/kv").detached().backend(&backend)).await?;
    /// let text = old.reattach("kv").await?.expect("a process");
    /// drop(old);
    /// let kv = new.load::<I>("kv", &text.parse::<Reattach>()?.plugin(&backend)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such plugin.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[cfg(feature = "process")]
    pub async fn reattach(&self, name: &str) -> Result<Option<String>, GetError> {
        let entry = self.shared.registry.find(&self.resolve(name)?)?;
        let instance = entry.extra.instance.lock().await;
        Ok(instance.as_ref().and_then(|instance| instance.reattach()))
    }

    /// What becomes of the plugins from now on. Each reader gets every event.
    ///
    /// ```
    /// # let manager = jackfield::Manager::new();
    /// let mut events = manager.events();
    /// std::thread::spawn(move || events.for_each(|event| println!("{event:?}")));
    /// ```
    pub fn events(&self) -> Events {
        self.shared.states.events()
    }

    /// The names of the plugins that are loaded, in order.
    pub fn names(&self) -> Vec<PluginId> {
        self.shared.registry.names()
    }

    /// The present state of each plugin that is not offline, in the order of their names.
    ///
    /// One that failed to load is among them until it is loaded. Whether a plugin ended by itself is known of those that
    /// are [watched](Self::watch).
    ///
    /// ```
    /// # let manager = jackfield::Manager::new();
    /// for (plugin, state) in manager.states() {
    ///     println!("{plugin}: {state:?}");
    /// }
    /// ```
    pub fn states(&self) -> Vec<(PluginId, State)> {
        self.shared.states.all()
    }

    /// Replaces a plugin while it is called: loads the new one, swaps, drains the old one, and unloads it.
    ///
    /// Calls that have begun end on the old one, later ones go to the new one, and none fails for the swap.
    ///
    /// A plugin that [saves](crate::Save) hands over what it holds: later calls wait until those that have begun have ended,
    /// it has saved, and the new one is constructed, for no longer than the
    /// [`hand_over_deadline`](Builder::hand_over_deadline). If any of it fails, they go on at the old one.
    ///
    /// # Errors
    ///
    /// The new one cannot be loaded. Then the old one goes on serving.
    ///
    /// # Cancel safety
    ///
    /// Dropped before the swap, the old one goes on serving. Dropped after it, the old one ends without its drain
    /// deadline.
    pub async fn reload(&self, name: &str, candidate: &dyn Candidate) -> Result<Reloaded, ReloadError> {
        self.replace(name, None, candidate).await
    }

    /// As [`reload`](Self::reload), and with the configuration of a context from now on: that of the plugin with its name.
    ///
    /// # Errors
    ///
    /// As for [`reload`](Self::reload). Then the old one goes on serving, with its own configuration.
    ///
    /// # Cancel safety
    ///
    /// As for [`reload`](Self::reload).
    pub async fn reload_with(
        &self,
        context: Context,
        candidate: &dyn Candidate,
    ) -> Result<Reloaded, ReloadError> {
        let name = context.plugin().to_owned();
        self.replace(&name, Some(context), candidate).await
    }

    async fn replace(
        &self,
        name: &str,
        context: Option<Context>,
        candidate: &dyn Candidate,
    ) -> Result<Reloaded, ReloadError> {
        let id = PluginId::from(name);
        let entry = self.shared.registry.find(&id)?;
        let mut instance = entry.extra.instance.lock().await;
        if instance.is_none() {
            // It was unloaded while this waited for the lock.
            return Err(self.shared.registry.find(&id).err().map_or_else(|| closed(&entry, &id), Into::into));
        }
        let attempt = self.shared.states.begin_next(&id);
        let context = context.unwrap_or_else(|| entry.extra.context());
        let brought = match self.load_next(&id, &entry, candidate, &context).await {
            Ok(next) => self.bring(&id, &entry, next),
            Err(error) => Err(error),
        };
        let (new, retired) = match brought {
            Ok(brought) => brought,
            Err(error) => {
                attempt.failed(chain(&error));
                return Err(error.into());
            }
        };
        let old = instance.replace(new);
        entry.extra.set_context(context);
        attempt.succeeded(entry.extra.generation.fetch_add(1, Ordering::Relaxed) + 1);
        let drained = self.drain(&entry.extra, retired).await;
        let unloaded = match old {
            Some(old) => old.unload(self.shared.stop_deadline).await,
            None => Unloaded::Dropped,
        };
        tracing::info!(plugin = %id, drained, old = %unloaded, "reloaded");
        Ok(Reloaded { is_drained: drained, old: unloaded })
    }

    /// Swaps all slots of a plugin to its next generation, whose instance this returns with what was retired.
    fn bring(&self, id: &PluginId, entry: &Entry<Control>, next: Next) -> Result<Brought, LoadError> {
        let Next { loaded: Loaded { instance: new, others }, held } = next;
        let swap = || {
            let mut retired = vec![entry.slot.swap(new.lane())];
            retired.extend(others.into_iter().map(|(slot, lane)| slot.swap(lane)));
            entry.extra.set_failure(None);
            retired.extend(self.follow(id, entry, &*new));
            retired
        };
        let retired = match held {
            None => Some(swap()),
            Some(held) => held.pass(swap),
        };
        let retired = retired.ok_or_else(|| self.too_late(entry, Step::Construct))?;
        Ok((new, retired))
    }

    /// Unloads a plugin. From now on its handles return an error at once.
    ///
    /// # Errors
    ///
    /// There is no such plugin.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for a reload of the plugin to end, nothing has changed. Dropped after that, the plugin ends
    /// without its drain deadline.
    pub async fn unload(&self, name: &str) -> Result<Unloaded, GetError> {
        let id = PluginId::from(name);
        let entry = self.shared.registry.find(&id)?;
        let instance = entry.extra.instance.lock().await;
        if instance.is_none() {
            // Somebody else was faster.
            return Err(self.shared.registry.unknown(&id));
        }
        self.shared.registry.remove(&id);
        let _draining = self.shared.states.drain(&id);
        Ok(Ending::new(self, &entry, instance).run().await)
    }

    pub(super) fn unloaded(&self, id: &PluginId) -> ReloadError {
        self.shared.registry.find(id).map_or_else(ReloadError::from, |entry| closed(&entry, id))
    }

    /// Waits until all calls on an old generation have ended, those too that began under a name that it has lost since.
    pub(super) async fn drain(&self, control: &Control, retired: Vec<Retired<Generation>>) -> bool {
        drain_all(retired, control.leaving(), self.shared.drain_deadline).await
    }
}

/// An instance to which the slots were swapped, and what they held before.
type Brought = (Box<dyn Instance>, Vec<Retired<Generation>>);

fn taken(load: &Load) -> LoadErrorKind {
    let reason = format!("a plugin `{}` is loaded already", load.context.plugin());
    LoadErrorKind::backend("manager", Step::Register, reason)
}

fn closed(entry: &Entry<Control>, id: &PluginId) -> ReloadError {
    let kind = LoadErrorKind::backend("manager", Step::Register, format!("`{id}` was unloaded meanwhile"));
    ReloadError::Load(entry.extra.load.error(kind))
}

impl Default for Manager {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("plugins", &self.names()).finish_non_exhaustive()
    }
}
