//! The wire of child processes against real peers.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod calls;
mod conform;
mod go_plugin;
mod guard;
mod netrpc;
mod options;
mod our_plugin;
mod own_tls;
mod peers;
mod raw;
mod reattach;
mod yamux;
