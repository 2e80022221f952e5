//! The plugin's side of Jackfield: implement a trait, export it, and it is a shared library or a program.
//!
//! ```
//! # mod kv_interface {
//! #     use jackfield_core::{Bytes, Error, interface};
//! #     #[interface(service = "proto.KV", version = "1.0")]
//! #     pub trait Kv { async fn get(&self, key: String) -> Result<Bytes, Error>; }
//! # }
//! use jackfield_plugin::{Bytes, Context, Error, Failure, export, plugin};
//! use kv_interface::Kv;
//!
//! struct FixedKv {
//!     value: Bytes,
//! }
//!
//! impl FixedKv {
//!     fn open(context: &Context) -> Result<Self, Error> {
//!         let value = context.config("value").ok_or_else(|| Failure::new("`value` is not configured"))?;
//!         Ok(Self { value: Bytes::from(value.to_owned()) })
//!     }
//! }
//!
//! #[plugin]
//! impl Kv for FixedKv {
//!     async fn get(&self, _: String) -> Result<Bytes, Error> {
//!         Ok(self.value.clone())
//!     }
//! }
//!
//! export!(FixedKv::open as dyn Kv);
//! # fn main() {}
//! ```
//!
//! With `crate-type = ["cdylib"]` the crate is a shared library. With a `main.rs` it is a program too, since
//! `export!` also makes a function `serve`:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     kv_fixed::serve()
//! }
//! ```
//!
//! With `"rlib"` among the crate types a host can link it in and load its `PLUGIN` without any file.
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `log` | no | what the plugin logs with `log` reaches the host, from a shared library too |
//! | `netrpc` | no | `ServeConfig::net_rpc_in`: the program can answer over go-plugin's older protocol |
//! | `process` | yes | `serve`: the plugin can be a program; without it the crate builds faster and with Rust 1.85 |
//! | `stdio` | no | [`stdio::serve`]: the program can talk over its standard input and output |
//! | `tokio` | no | `export!(…, runtime = tokio)`: asynchronous methods may use tokio in a shared library too |
//! | `tracing` | yes | what the plugin logs with `tracing` reaches the host, from a shared library too |

mod attach;
#[cfg(feature = "log")]
mod log_records;
#[cfg(feature = "process")]
mod serve;
#[cfg(feature = "stdio")]
pub mod stdio;
#[cfg(feature = "tokio")]
mod tokio_runtime;
#[cfg(feature = "tracing")]
mod tracing_events;

pub use jackfield_core::symbols::{Channel, Closed, Func, Init, Object, Portable, Select, Var};
pub use jackfield_core::{
    BoxFuture, ByteStream, Bytes, CallError, CallOptions, Code, Context, Error, Failure, Fault, Handle,
    Plugin, Save, Stream, Streaming, Value,
};
pub use jackfield_macros::{export, plugin, symbol};
#[cfg(feature = "process")]
pub use jackfield_process::{Broker, BrokerError, GrpcChannel, Handshake, ServeConfig, Served, Services};
#[cfg(feature = "process")]
pub use serve::serve;

/// What generated code calls. Nothing here is for people, and none of it is stable.
#[doc(hidden)]
pub mod __private {
    pub use crate::attach::{attached, detached};
    #[cfg(feature = "tokio")]
    pub use crate::tokio_runtime::Tokio;
    pub use jackfield_core::__private::*;
}

/// Says what is missing where a plugin asks for a runtime.
#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __tokio {
    () => {
        ::core::compile_error!("`runtime = tokio` needs the feature `tokio` of `jackfield-plugin`");
    };
}

/// Says what is missing where a plugin asks for a runtime: nothing.
#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __tokio {
    () => {};
}

/// The `main` of a plugin's program, where it can be one.
#[cfg(feature = "process")]
#[doc(hidden)]
#[macro_export]
macro_rules! __serve {
    () => {
        $crate::__serve! { $crate::Handshake::default() }
    };
    ($handshake:expr) => {
        /// Serves the plugin to the host that started this program: all of `main`.
        // Inlined, so that it becomes part of the program only: a shared library would carry the unwind tables of
        // the whole gRPC stack.
        #[inline]
        pub fn serve() -> ::std::process::ExitCode {
            $crate::serve($crate::ServeConfig::new($handshake), &PLUGIN)
        }
    };
}

/// The `main` of a plugin's program, where it can be one.
#[cfg(not(feature = "process"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __serve {
    ($($handshake:expr)?) => {};
}
