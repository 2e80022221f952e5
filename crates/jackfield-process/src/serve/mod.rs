//! The plugin's end: turns a program into a go-plugin plugin.

mod connection;
mod dispatch;
mod listener;
mod parent;
mod program;
mod stdout;
mod wire_services;

pub use self::program::{ServeConfig, serve};
