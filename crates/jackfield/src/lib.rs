//! The plugin system for Rust: write a trait, plug in anything that implements it, swap it while it runs.
//!
//! ```
//! use jackfield::{Error, Handle, Manager, interface};
//!
//! #[interface(service = "example.Greeter", version = "1.0")]
//! pub trait Greeter {
//!     fn greet(&self, name: String) -> Result<String, Error>;
//! }
//! # mod plugin {
//! #     use super::*;
//! #     pub struct Polite;
//! #     impl Greeter for Polite {
//! #         fn greet(&self, name: String) -> Result<String, Error> { Ok(format!("Good day, {name}")) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! The nouns: a *candidate* can be loaded; a *backend* offers candidates of one kind ([`native`] shared libraries,
//! [`process`] children); the [`Manager`] loads, swaps and unloads them; a [`Handle`] is what callers hold.
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `native` | yes | shared libraries in this process |
//! | `process` | yes | child processes, wire-compatible with hashicorp/go-plugin |

mod backends;
mod manager;
mod registry;

pub use jackfield_core::{
    BoxFuture, Bytes, CallError, Candidate, Code, Context, Error, Failure, Fault, Handle, Instance,
    Interface, Load, LoadError, LoadErrorKind, Plugin, Unloaded, Value, schema,
};

pub use backends::*;
pub use manager::{Builder, Manager, ReloadError, Reloaded};
pub use registry::{GetError, Names, PluginId};
