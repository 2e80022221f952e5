//! The wire of child processes against real peers.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod call_options;
mod calls;
mod conform;
mod death;
mod endless;
mod errors;
mod events;
mod go_plugin;
mod guard;
mod health;
mod hostile;
mod in_flight;
mod isolation;
mod limits;
mod liveness;
mod logs;
mod memory;
mod netrpc;
mod netrpc_plugin;
mod options;
mod our_plugin;
mod output;
mod own_tls;
mod peers;
mod pie;
mod python;
mod raw;
mod reattach;
mod stdio;
mod yamux;
