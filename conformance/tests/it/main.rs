//! One suite over every backend, and the example of go-plugin with either side in Go or in Rust.

mod broker;
mod coming_from_go_plugin;
mod evolution;
mod go_plugin_tests;
mod interop;
mod kv_example;
mod lacking;
mod ledger;
mod mechanisms;
mod negotiated;
mod object_store;
mod proto;
mod rooms;
mod runner;
mod soak;
mod streaming_example;
mod studio;
mod suite;
