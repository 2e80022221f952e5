//! The plugin's end: turns a program into a go-plugin plugin.

mod config;
mod connection;
mod dispatch;
mod host_objects;
mod kept;
mod listener;
mod many;
mod named;
#[cfg(feature = "netrpc")]
mod net_rpc;
mod parent;
mod program;
mod reflection;
mod stdout;
mod termination;
mod testing;
mod wire_services;

pub use self::config::{ServeConfig, Services};
pub(crate) use self::connection::{Accept, Acceptor, Connections};
pub(crate) use self::dispatch::Dispatch;
#[cfg(feature = "netrpc")]
pub(crate) use self::kept::Pieces;
pub(crate) use self::listener::{Listener, Place};
pub use self::many::serve_many;
pub(crate) use self::named::Named;
pub(crate) use self::parent::DETACHED;
#[cfg(feature = "stdio")]
pub(crate) use self::program::context;
pub use self::program::serve;
pub use self::testing::{TestError, TestPlugin};
