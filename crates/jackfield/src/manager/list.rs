//! Loads a list of candidates.

use jackfield_core::{Candidate, Context, Handle, Interface, LoadError};

use super::lifecycle::Manager;
use crate::registry::PluginId;

impl Manager {
    /// Loads a list of plugins, one after the other, each under the name and with the configuration of its context. What
    /// came of each is returned under its name, in the order of the list: one that cannot be loaded keeps no other from it.
    ///
    /// Of two with the same name the first is loaded, and the other is not, as with a name under which a plugin was loaded
    /// before. So the list goes before a directory that is [watched](Self::watch) afterwards.
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
    /// use jackfield::{Candidate, Context};
    ///
    /// let list: [(Context, &dyn Candidate); 2] = [
    ///     (Context::new("butler", []), &polite::PLUGIN),
    ///     (Context::new("doorman@1.0", []), &polite::PLUGIN),
    /// ];
    /// for (plugin, loaded) in manager.load_all::<dyn Greeter>(list).await {
    ///     match loaded {
    ///         Ok(greeter) => println!("{plugin}: {}", greeter.greet("Ada".into())?),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # assert_eq!(manager.names(), ["butler".into(), "doorman@1.0".into()]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes the load that was begun. What was loaded before stays loaded.
    pub async fn load_all<'a, I: Interface + ?Sized>(
        &self,
        list: impl IntoIterator<Item = (Context, &'a dyn Candidate)>,
    ) -> Vec<(PluginId, Result<Handle<I>, LoadError>)> {
        let mut loaded = Vec::new();
        for (context, candidate) in list {
            let plugin = PluginId::from(context.plugin());
            loaded.push((plugin, self.load_with(context, candidate).await));
        }
        loaded
    }
}
