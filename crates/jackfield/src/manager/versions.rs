//! The versions of a plugin, and which of them serves under the name that they share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jackfield_core::__private::Retired;
use jackfield_core::{CallError, Gate, Generation, Instance, Lane, Slot};
use semver::{Version, VersionReq};

use super::control::Control;
use super::drain::Drain;
use super::lifecycle::Manager;
use crate::events::State;
use crate::registry::{Entry, GetError, PluginId};
use crate::version;

/// What serves under each name of which there are versions.
#[derive(Debug, Default)]
pub(super) struct Versions {
    served: Mutex<BTreeMap<String, Served>>,
    /// Held while it is told what has become of a name, so that what holds is told last.
    telling: Mutex<()>,
}

/// A name, and the version that serves under it. Its slot is swapped under the lock of all of them, and to a version
/// whose instance is locked.
#[derive(Debug)]
struct Served {
    slot: Arc<Slot>,
    generation: u64,
    by: Option<Serving>,
    /// The version that shall serve, if it is there, in place of the highest.
    chosen: Option<Version>,
}

#[derive(Debug)]
struct Serving {
    plugin: PluginId,
    version: Version,
    control: Arc<Control>,
}

impl Versions {
    /// The slot of a name, if one of its versions serves.
    pub(super) fn slot(&self, name: &str) -> Option<Arc<Slot>> {
        self.lock().get(name).filter(|served| served.by.is_some()).map(|served| served.slot.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What holds of a name now.
    fn state(&self, name: &str) -> State {
        let all = self.lock();
        let Some((served, serving)) = all.get(name).and_then(|served| Some((served, served.by.as_ref()?)))
        else {
            return State::Offline;
        };
        let online = State::Online { generation: served.generation };
        serving.control.failure().map_or(online, |reason| State::Failed { reason })
    }
}

impl Served {
    fn is_by(&self, control: &Arc<Control>) -> bool {
        self.by.as_ref().is_some_and(|serving| Arc::ptr_eq(&serving.control, control))
    }

    /// Whether the one is preferred to the other.
    fn rank<'a>(&self, version: &'a Version) -> (bool, &'a Version) {
        (self.chosen.as_ref() == Some(version), version)
    }

    /// Lets another version serve. Calls that began on the one before are drained before that is unloaded.
    fn pass_to(&mut self, next: Serving, lane: Lane, manager: &Manager) {
        let leaving = self.slot.current();
        let retired = self.slot.swap(lane);
        self.generation += 1;
        if let Some(before) = self.by.replace(next) {
            before.control.leave(leaving);
        }
        // It goes on by itself.
        drop(Drain::begin(retired, manager.shared.drain_deadline));
    }

    /// Lets another version serve, if its instance is free now.
    fn try_pass_to(&mut self, next: Serving, manager: &Manager) -> bool {
        let control = next.control.clone();
        let Ok(instance) = control.instance.try_lock() else { return false };
        let Some(instance) = &*instance else { return false };
        self.pass_to(next, instance.lane(), manager);
        true
    }

    /// Lets nothing serve.
    fn close(&mut self, reason: &str) -> Retired<Generation> {
        self.by = None;
        self.generation += 1;
        self.slot.swap(Lane::Closed(CallError::Closed { reason: reason.to_owned() }))
    }
}

impl Manager {
    /// Chooses the version that serves under a name, such as `1.2` or `^1`, or with `None` the highest again. If it is
    /// unloaded, the highest that is left serves; once it is back, it serves again.
    ///
    /// Plugins whose names are `NAME@VERSION` are the versions of `NAME`, under which the highest serves unless one was
    /// chosen. Handles to `NAME` stay the same, calls that have begun end where they began, and none fails.
    ///
    /// ```
    /// # mod greeter {
    /// #     use jackfield_core::{Context, Error, interface};
    /// #     #[interface(service = "example.Greeter", version = "1.0")]
    /// #     pub trait Greeter { fn name(&self) -> Result<String, Error>; }
    /// #     pub struct Polite(String);
    /// #     impl Polite {
    /// #         fn open(context: &Context) -> Result<Self, Error> { Ok(Self(context.plugin().to_owned())) }
    /// #     }
    /// #     impl Greeter for Polite { fn name(&self) -> Result<String, Error> { Ok(self.0.clone()) } }
    /// #     pub mod polite { use super::*; jackfield_plugin::export!(Polite::open as dyn Greeter); }
    /// # }
    /// # use greeter::{Greeter, polite};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let manager = jackfield::Manager::new();
    /// manager.load::<dyn Greeter>("greeter@1.4", &polite::PLUGIN).await?;
    /// manager.load::<dyn Greeter>("greeter@2.0", &polite::PLUGIN).await?;
    /// let greeter = manager.get::<dyn Greeter>("greeter")?;
    /// assert_eq!(greeter.name()?, "greeter@2.0");
    /// assert_eq!(manager.get::<dyn Greeter>("greeter@^1")?.name()?, "greeter@1.4");
    ///
    /// manager.choose("greeter", Some("1.4")).await?;
    /// assert_eq!(greeter.name()?, "greeter@1.4");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// No such version is loaded. Nothing has changed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, the choice holds, and takes effect with the next load or unload of a version.
    pub async fn choose(&self, name: &str, version: Option<&str>) -> Result<(), GetError> {
        let chosen = match version {
            None => None,
            Some(version) => Some(self.choice(name, version)?),
        };
        match self.shared.versions.lock().get_mut(name) {
            Some(served) => served.chosen = chosen,
            None => return Err(self.shared.registry.unknown(&name.into())),
        }
        self.settle_name(name).await;
        Ok(())
    }

    /// Chooses the highest version below the one that serves under a name. Returns which.
    ///
    /// ```no_run
    /// # async fn example(manager: jackfield::Manager) -> Result<(), jackfield::GetError> {
    /// println!("{} serves again", manager.roll_back("kv").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None below it is loaded. Nothing has changed.
    ///
    /// # Cancel safety
    ///
    /// As for [`choose`](Self::choose).
    pub async fn roll_back(&self, name: &str) -> Result<PluginId, GetError> {
        let present = match self.shared.versions.lock().get(name).and_then(|served| served.by.as_ref()) {
            Some(serving) => serving.version.clone(),
            None => return Err(self.shared.registry.unknown(&name.into())),
        };
        let lower =
            self.shared.registry.versions(name).into_iter().rfind(|(version, _, _)| *version < present);
        let below = || self.shared.registry.unknown(&format!("{name}@<{present}").as_str().into());
        let (version, plugin, _) = lower.ok_or_else(below)?;
        self.choose(name, Some(&format!("={version}"))).await?;
        Ok(plugin)
    }

    /// The version that is meant: this one where a version is named, or else the highest in a range.
    fn choice(&self, name: &str, version: &str) -> Result<Version, GetError> {
        let plugin = PluginId::from(format!("{name}@{version}").as_str());
        let exact = version::parse(version);
        let range = VersionReq::parse(version).ok().filter(|_| exact.is_none());
        let is_meant = |found: &Version| {
            exact.as_ref().is_some_and(|exact| exact == found)
                || range.as_ref().is_some_and(|range| range.matches(found))
        };
        let loaded = self.shared.registry.versions(name).into_iter().map(|(version, _, _)| version);
        loaded.rev().find(is_meant).ok_or_else(|| self.shared.registry.unknown(&plugin))
    }

    /// The version that serves under a name, or nothing where the name has no versions.
    pub fn serving(&self, name: &str) -> Option<PluginId> {
        let served = self.shared.versions.lock();
        served.get(name).and_then(|served| served.by.as_ref()).map(|serving| serving.plugin.clone())
    }

    /// The plugin of this name, the version that serves under it, or the highest in this range.
    pub(super) fn resolve(&self, request: &str) -> Result<PluginId, GetError> {
        let plugin = PluginId::from(request);
        if self.shared.registry.contains(&plugin) {
            return Ok(plugin);
        }
        if let Some(serving) = self.serving(request) {
            return Ok(serving);
        }
        let in_range = version::split_range(request).and_then(|(name, range)| {
            let versions = self.shared.registry.versions(name);
            versions.into_iter().rfind(|(version, _, _)| range.matches(version))
        });
        in_range.map(|(_, plugin, _)| plugin).ok_or_else(|| self.shared.registry.unknown(&plugin))
    }

    /// Lets a version that was just loaded serve under its name, if it is preferred. Its instance is locked. Slots are
    /// made by `make`.
    pub(super) fn join(
        &self,
        id: &PluginId,
        entry: &Entry<Control>,
        instance: &dyn Instance,
        make: impl Fn(Lane) -> Slot,
    ) {
        let Some((name, version)) = version::split(id.as_str()) else { return };
        let serving = Serving { plugin: id.clone(), version, control: entry.extra.clone() };
        {
            let mut all = self.shared.versions.lock();
            match all.get_mut(name) {
                Some(served) if served.slot.is_like(&entry.slot) => {
                    let present = served.by.as_ref().map(|serving| served.rank(&serving.version));
                    if present >= Some(served.rank(&serving.version)) {
                        return;
                    }
                    served.pass_to(serving, instance.lane(), self);
                }
                // Another interface serves under this name.
                Some(Served { by: Some(_), .. }) => return,
                _ => {
                    let slot = make(instance.lane()).with_timer(self.shared.timer.clone());
                    let served =
                        Served { slot: Arc::new(slot), generation: 1, by: Some(serving), chosen: None };
                    all.insert(name.to_owned(), served);
                }
            }
        }
        self.tell(name);
    }

    /// Swaps the name under which a version serves to its new generation, and one under which nothing does. The version's
    /// instance is locked.
    pub(super) fn follow(
        &self,
        id: &PluginId,
        entry: &Entry<Control>,
        new: &dyn Instance,
    ) -> Option<Retired<Generation>> {
        let (name, version) = version::split(id.as_str())?;
        let retired = {
            let mut all = self.shared.versions.lock();
            let served = all.get_mut(name).filter(|served| served.slot.is_like(&entry.slot))?;
            let control = entry.extra.clone();
            let serving = served.by.get_or_insert_with(|| Serving { plugin: id.clone(), version, control });
            if !Arc::ptr_eq(&serving.control, &entry.extra) {
                return None;
            }
            served.generation += 1;
            served.slot.swap(new.lane())
        };
        self.tell(name);
        Some(retired)
    }

    /// Lets calls under the name wait, if this version serves under it. Its instance is locked.
    pub(super) fn hold_name(
        &self,
        id: &PluginId,
        control: &Arc<Control>,
        gate: &Gate,
    ) -> Option<(Weak<Generation>, Retired<Generation>)> {
        let (name, _) = version::split(id.as_str())?;
        let mut all = self.shared.versions.lock();
        let served = all.get_mut(name).filter(|served| served.is_by(control))?;
        Some((served.slot.current(), served.slot.hold(gate.clone())))
    }

    /// Lets calls that were held under the name go on, unless another version serves by now.
    pub(super) fn resume_name(&self, id: &PluginId, control: &Arc<Control>, lane: &Lane) {
        let Some((name, _)) = version::split(id.as_str()) else { return };
        let mut all = self.shared.versions.lock();
        if let Some(served) = all.get_mut(name).filter(|served| served.is_by(control)) {
            served.slot.resume(lane.clone());
        }
    }

    /// Lets another version serve in place of one that is not registered any more, and whose instance is locked. Without
    /// another, the name is closed; what calls still use is returned.
    pub(super) async fn hand_over(
        &self,
        id: &PluginId,
        control: &Arc<Control>,
        reason: &str,
    ) -> Option<Retired<Generation>> {
        let (name, _) = version::split(id.as_str())?;
        loop {
            let next = {
                let mut all = self.shared.versions.lock();
                let served = all.get_mut(name).filter(|served| served.is_by(control))?;
                match self.best(name, served) {
                    Some(next) => next,
                    None => {
                        let retired = served.close(reason);
                        drop(all);
                        self.tell(name);
                        return Some(retired);
                    }
                }
            };
            self.pass(name, next, |served| served.is_by(control)).await;
        }
    }

    /// Does the same at once, where nobody waits. Without another whose instance is free now, the name is closed until one
    /// is loaded, reloaded or chosen.
    pub(super) fn leave_name(&self, id: &PluginId, control: &Arc<Control>, reason: &str) {
        let Some((name, _)) = version::split(id.as_str()) else { return };
        {
            let mut all = self.shared.versions.lock();
            let Some(served) = all.get_mut(name).filter(|served| served.is_by(control)) else { return };
            if !self.ranked(name, served).into_iter().any(|next| served.try_pass_to(next, self)) {
                drop(served.close(reason));
            }
        }
        self.tell(name);
    }

    /// Lets the version that is preferred now serve under a name.
    async fn settle_name(&self, name: &str) {
        loop {
            let next = {
                let all = self.shared.versions.lock();
                let Some(served) = all.get(name) else { return };
                match self.best(name, served) {
                    Some(next) if !served.is_by(&next.control) => next,
                    _ => return,
                }
            };
            let control = next.control.clone();
            self.pass(name, next, |served| !served.is_by(&control)).await;
        }
    }

    /// Lets a version serve, if it is still loaded and that is still wanted once its instance is locked.
    async fn pass(&self, name: &str, next: Serving, is_wanted: impl FnOnce(&Served) -> bool) {
        let control = next.control.clone();
        let instance = control.instance.lock().await;
        let Some(instance) = &*instance else { return };
        {
            let mut all = self.shared.versions.lock();
            let Some(served) = all.get_mut(name).filter(|served| is_wanted(served)) else { return };
            // A better one may have come meanwhile.
            if self.best(name, served).is_none_or(|best| best.plugin != next.plugin) {
                return;
            }
            served.pass_to(next, instance.lane(), self);
        }
        self.tell(name);
    }

    /// The version of a name that is preferred among those that are loaded.
    fn best(&self, name: &str, served: &Served) -> Option<Serving> {
        self.ranked(name, served).into_iter().next()
    }

    /// The versions of a name that are loaded, the preferred one first.
    fn ranked(&self, name: &str, served: &Served) -> Vec<Serving> {
        let loaded = self.shared.registry.versions(name).into_iter();
        let alike = loaded.filter(|(_, _, entry)| served.slot.is_like(&entry.slot));
        let mut ranked: Vec<_> =
            alike.map(|(version, plugin, entry)| Serving { plugin, version, control: entry.extra }).collect();
        ranked.sort_by(|a, b| served.rank(&b.version).cmp(&served.rank(&a.version)));
        ranked
    }

    /// Tells what has become of the name that a version shares, if it is one.
    pub(super) fn tell_name_of(&self, plugin: &PluginId) {
        if let Some((name, _)) = version::split(plugin.as_str()) {
            self.tell(name);
        }
    }

    /// Tells what has become of a name, unless something is loaded under the name itself. No lock is held.
    fn tell(&self, name: &str) {
        let versions = &self.shared.versions;
        let told = versions.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let plugin = PluginId::from(name);
        if !self.shared.registry.contains(&plugin) {
            self.shared.states.set(&plugin, versions.state(name));
        }
        drop(told);
    }
}
