//! The plugin system for Rust: write a trait, plug in anything that implements it, swap it while it runs.
//!
//! ```
//! # // What the two other crates of a plugin hold, in one place.
//! # mod greeter {
//! #     use jackfield_core::{Context, Error, interface};
//! #     #[interface(service = "example.Greeter", version = "1.0")]
//! #     pub trait Greeter { fn greet(&self, name: String) -> Result<String, Error>; }
//! #     pub struct Polite;
//! #     impl Polite { fn open(_: &Context) -> Result<Self, Error> { Ok(Self) } }
//! #     impl Greeter for Polite {
//! #         fn greet(&self, name: String) -> Result<String, Error> { Ok(format!("Good day, {name}")) }
//! #     }
//! #     pub mod polite { use super::*; jackfield_plugin::export!(Polite::open as dyn Greeter); }
//! # }
//! use greeter::{Greeter, polite};
//! use jackfield::{Handle, Manager};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = Manager::new();
//! let greeter: Handle<dyn Greeter> = manager.load("greeter", &polite::PLUGIN).await?;
//! assert_eq!(greeter.greet("Ada".into())?, "Good day, Ada");
//!
//! // Another plugin, of this kind or another, behind the same handle.
//! manager.reload("greeter", &polite::PLUGIN).await?;
//! assert_eq!(Handle::generation(&greeter), 2);
//!
//! manager.unload("greeter").await?;
//! assert!(greeter.greet("Ada".into()).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! The nouns: a *candidate* can be loaded; a *backend* offers candidates of one kind ([`native`] shared libraries,
//! [`process`] children); the [`Manager`] loads, swaps and unloads them; a [`Handle`] is what callers hold. A
//! [`Directory`] that is [watched](Manager::watch) does all this as its files change, and [`Events`] tell of it.
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `metrics` | no | `Manager::publish_metrics`: the figures of plugins, through the facade of the crate `metrics` |
//! | `netrpc` | no | go-plugin's older protocol, and Go's net/rpc as client and as server |
//! | `native` | yes | shared libraries in this process |
//! | `process` | yes | child processes, wire-compatible with hashicorp/go-plugin |
//! | `stdio` | no | child processes that talk over their standard input and output, in gobs or JSON |

mod backends;
mod blocking;
#[cfg(target_os = "linux")]
mod control;
mod discovery;
mod events;
mod manager;
mod registry;
mod restart;
mod restartable;
mod version;
mod watch;

pub use jackfield_core::{
    BoxFuture, ByteStream, Bytes, CallError, CallOptions, Candidate, Code, Context, DynamicHandle, Error,
    Failure, Fault, Handle, Instance, Interface, Load, LoadError, LoadErrorKind, Messages, Plugin, Save,
    Step, Stream, Streaming, Target, Unloaded, Value, schema, target_of,
};

#[cfg(feature = "netrpc")]
pub use backends::netrpc;
#[cfg(feature = "process")]
pub use backends::process;
#[cfg(feature = "stdio")]
pub use backends::stdio;
#[cfg(feature = "native")]
pub use backends::{native, symbols};
/// What generated code calls. Nothing here is for people, and none of it is stable.
#[doc(hidden)]
pub mod __private {
    pub use jackfield_core::__private::*;
}

#[cfg(target_os = "linux")]
pub use control::{ControlError, ControlSocket};
pub use discovery::{Changes, Described, Directory, FileKind, Offered};
pub use events::{Event, Events, State};
pub use manager::{Breaker, Builder, Circuit, Limits, Manager, ReloadError, Reloaded, Stats};
pub use registry::{GetError, Names, PluginId};
pub use restart::Restart;
pub use restartable::Restartable;
pub use watch::{Watch, WatchError};
