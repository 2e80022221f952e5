//! The wire of child processes: compatible with [hashicorp/go-plugin] over gRPC, in both roles.
//!
//! A host starts a program, the program announces a socket on its first line of output, and calls go over that
//! socket. So a host written with this crate runs plugins in Go, Python and every other language that has
//! go-plugin or gRPC, and a plugin written with it serves Terraform, Vault and the other hosts of go-plugin.
//!
//! ```no_run
//! use jackfield_core::{Candidate, Context, Description, Error, Load, interface};
//! use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};
//!
//! #[interface(service = "proto.KV", version = "1.0")]
//! trait Kv {
//!     async fn get(&self, key: String) -> Result<jackfield_core::Bytes, Error>;
//! }
//!
//! # async fn host() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = ProcessBackend::start()?;
//! let plugin = ProcessPlugin::new("plugins/kv")
//!     .handshake(Handshake::new(1, "KV_PLUGIN", "hello"))
//!     .auto_mtls()
//!     .backend(&backend);
//! let load = Load::new(Context::new("kv", []), Description::of::<dyn Kv>());
//! let instance = plugin.load(&load).await?;
//! let slot = std::sync::Arc::new(jackfield_core::Slot::new::<dyn Kv>(instance.lane()));
//! let kv = slot.handle::<dyn Kv>().expect("the slot was made for this interface");
//! println!("{:?}", kv.get("hello".into()).await?);
//! # Ok(())
//! # }
//! ```
//!
//! # The nouns
//!
//! On the host's side, a [`ProcessBackend`] owns what the plugins share: one I/O thread, on which connections live
//! and children are supervised, and the *guard*, a tiny process that cleans up should the host be killed. A
//! [`ProcessPlugin`] says what to start; loading it gives an instance of the core's. An asynchronous call may be
//! polled by any executor, and a blocking one may be made inside of any runtime.
//!
//! On the plugin's side, [`serve`] is all of `main`.
//!
//! Both sides agree on a [`Handshake`]; what a plugin says in return is an [`Announcement`].
//!
//! # What holds
//!
//! - A plugin that dies ends its calls within milliseconds, with its exit status and its own last words.
//! - What a plugin logs becomes events of `tracing` with the target `jackfield::plugin`.
//! - Under AutoMTLS nobody but this host and this plugin can connect.
//! - No child, no descendant that kept its environment, and no socket outlives the host, however the host ends.
//!
//! Linux only, so far.
//!
//! [hashicorp/go-plugin]: https://github.com/hashicorp/go-plugin

mod attach;
mod backend;
mod busy_poll;
mod channel;
mod checksum;
mod child;
mod conform;
mod discover;
mod error;
mod fate;
mod fingerprint;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(feature = "netrpc")]
mod gob;
mod group;
mod grpc;
mod handshake;
mod health;
#[cfg(feature = "netrpc")]
mod home;
mod host;
mod instance;
mod io;
mod lanes;
mod liveness;
pub mod log;
#[cfg(feature = "netrpc")]
pub mod netrpc;
mod objects;
mod outlet;
mod printed;
mod pump;
mod quiet;
mod reattach;
mod runner;
mod running;
mod saving;
mod serve;
mod start;
#[cfg(feature = "stdio")]
pub mod stdio;
mod tasks;
mod tls;
pub mod yamux;

pub use self::attach::{AttachError, AttachedPlugin};
pub use self::backend::ProcessBackend;
pub use self::checksum::ChecksumError;
pub use self::child::{Death, Executable, GuardError, SpawnError};
pub use self::discover::{DiscoverError, discover};
pub use self::error::{BackendError, StartError};
pub use self::grpc::{Broker, BrokerError, ConnectError, GrpcChannel, Served};
pub use self::handshake::{Address, Announcement, CookieError, Handshake, HandshakeError, Protocol};
pub use self::host::ProcessPlugin;
pub use self::printed::Stream;
pub use self::reattach::{Owner, Reattach, ReattachParseError};
pub use self::runner::{Bubblewrap, Program, Runner};
pub use self::running::Running;
pub use self::serve::{ServeConfig, Services, TestError, TestPlugin, serve, serve_many};
pub use self::tls::{TlsConfig, TlsError};
