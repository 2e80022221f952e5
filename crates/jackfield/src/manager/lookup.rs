//! Finds plugins by their interface: all of them, or one as soon as it is online.

use std::collections::BTreeMap;

use jackfield_core::{Handle, Interface};

use super::lifecycle::Manager;
use crate::events::State;
use crate::registry::{GetError, PluginId};
use crate::version;

impl Manager {
    /// All plugins of an interface, with the names under which they serve, in the order of these: those that were loaded
    /// as this interface, and those that were asked for it by [`interface`](Self::interface).
    ///
    /// Each plugin is there once. Of one that has versions, such as `kv@1.2` and `kv@2.0`, that is the name `kv`, whose
    /// handle follows the version that serves; [`get`](Self::get) finds the others. A version is there under its own name
    /// if what serves under the name that it shares has another interface.
    ///
    /// ```
    /// # mod greeter {
    /// #     use jackfield_core::{Context, Error, interface};
    /// #     #[interface(service = "example.Greeter", version = "1.0")]
    /// #     pub trait Greeter { fn greet(&self, name: String) -> Result<String, Error>; }
    /// #     pub struct Polite;
    /// #     impl Polite { fn open(_: &Context) -> Result<Self, Error> { Ok(Self) } }
    /// #     impl Greeter for Polite {
    /// #         fn greet(&self, name: String) -> Result<String, Error> { Ok(format!("Good day, {name}")) }
    /// #     }
    /// #     pub mod polite { use super::*; jackfield_plugin::export!(Polite::open as dyn Greeter); }
    /// # }
    /// # use greeter::{Greeter, polite};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let manager = jackfield::Manager::new();
    /// manager.load::<dyn Greeter>("butler", &polite::PLUGIN).await?;
    /// manager.load::<dyn Greeter>("doorman@1.0", &polite::PLUGIN).await?;
    /// manager.load::<dyn Greeter>("doorman@2.0", &polite::PLUGIN).await?;
    /// let mut names = Vec::new();
    /// for (plugin, greeter) in manager.all::<dyn Greeter>() {
    ///     assert_eq!(greeter.greet("Ada".into())?, "Good day, Ada");
    ///     names.push(plugin.to_string());
    /// }
    /// assert_eq!(names, ["butler", "doorman"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn all<I: Interface + ?Sized>(&self) -> Vec<(PluginId, Handle<I>)> {
        let mut found = BTreeMap::new();
        for plugin in self.names() {
            let shared = version::split(plugin.as_str()).map(|(name, _)| PluginId::from(name));
            // A plugin that was loaded under the very name is none of its versions.
            let shared = shared.filter(|name| !self.shared.registry.contains(name));
            for name in shared.into_iter().chain([plugin]) {
                if let Ok(handle) = self.get(name.as_str()) {
                    found.insert(name, handle);
                    break;
                }
            }
        }
        found.into_iter().collect()
    }

    /// Waits until a plugin is online, and returns a handle to it. Names are as for [`get`](Self::get).
    ///
    /// A plugin that is being replaced, or that has [failed](State::Failed), is waited for too. The wait has no end if
    /// nobody loads such a plugin, not even if that fails: [`events`](Self::events) tell of failures, and a timer of
    /// your executor may bound the wait.
    ///
    /// ```
    /// # mod greeter {
    /// #     use jackfield_core::{Context, Error, interface};
    /// #     #[interface(service = "example.Greeter", version = "1.0")]
    /// #     pub trait Greeter { fn greet(&self, name: String) -> Result<String, Error>; }
    /// #     pub struct Polite;
    /// #     impl Polite { fn open(_: &Context) -> Result<Self, Error> { Ok(Self) } }
    /// #     impl Greeter for Polite {
    /// #         fn greet(&self, name: String) -> Result<String, Error> { Ok(format!("Good day, {name}")) }
    /// #     }
    /// #     pub mod polite { use super::*; jackfield_plugin::export!(Polite::open as dyn Greeter); }
    /// # }
    /// # use greeter::{Greeter, polite};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let manager = jackfield::Manager::new();
    /// let online = tokio::spawn({
    ///     let manager = manager.clone();
    ///     async move { manager.when_online::<dyn Greeter>("butler").await }
    /// });
    /// manager.load::<dyn Greeter>("butler", &polite::PLUGIN).await?;
    /// assert_eq!(online.await??.greet("Ada".into())?, "Good day, Ada");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The plugin was loaded as another interface.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait, and nothing else.
    pub async fn when_online<I: Interface + ?Sized>(&self, name: &str) -> Result<Handle<I>, GetError> {
        // From here on no change is missed: what holds already is seen below, what comes later wakes this.
        let mut events = self.events();
        loop {
            match self.get(name) {
                Ok(handle) if self.is_online(name) => return Ok(handle),
                Err(error @ GetError::Interface { .. }) => return Err(error),
                Ok(_) | Err(_) => {}
            }
            // Whichever plugin it is of, and even if some were missed, it is a reason to look again.
            events.recv().await;
        }
    }

    /// Whether the plugin that this name means is online.
    fn is_online(&self, name: &str) -> bool {
        let plugin = self.resolve(name);
        plugin.is_ok_and(|plugin| matches!(self.shared.states.of(&plugin), State::Online { .. }))
    }
}
