//! Symbols, as Go's `plugin` package has them: open a library, look a function or a variable up by name, and get it
//! with a type that was checked.
//!
//! ```no_run
//! use jackfield_native::NativeBackend;
//! use jackfield_native::symbols::Var;
//!
//! // SAFETY: this host runs only libraries that its own build made.
//! let native = unsafe { NativeBackend::new() };
//! let plugin = native.open("plugins/libhello.so")?;
//! let value = plugin.lookup("Value")?.downcast::<Var<i64>>()?;
//! let hello = plugin.lookup("Hello")?.downcast::<fn(String) -> String>()?;
//! value.set(7)?;
//! println!("{}", hello.call("Ada".into())?);
//! plugin.unload();
//! hello.call("Ada".into()).expect_err("it is gone, and calling it does no harm");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What was looked up survives a [`reload`](Plugin::reload), which replaces the code underneath; after
//! [`unload`](Plugin::unload) every use of it is an error at once.

mod catalog;
mod cell;
mod downcast;
mod error;
mod function;
mod generation;
mod names;
mod plugin;
mod symbol;
mod table;
mod variable;
mod version;

pub use jackfield_core::symbols::{
    AssertError, Channel, Closed, Func, Object, Portable, Receiving, Select, Sending, Signature, Var,
};

pub(crate) use catalog::Catalog;
pub use catalog::Event;
pub use downcast::Downcast;
pub use error::{DowncastError, LookupError, OpenError};
pub use function::{Function, Pinned};
pub use plugin::Plugin;
pub use symbol::Symbol;
pub use variable::Variable;
