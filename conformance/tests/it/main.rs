//! One suite over every backend, and the example of go-plugin with either side in Go or in Rust.

mod backends;
mod evolution;
mod interop;
mod kv_example;
mod lacking;
mod ledger;
mod negotiated;
mod proto;
mod rooms;
mod runner;
mod soak;
mod studio;
mod suite;
