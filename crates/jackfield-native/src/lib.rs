//! Jackfield's shared-library backend: load, swap and really unload a plugin in this process.
//!
//! What is verified is what runs, and what runs cannot change: a library is read once, its digest is taken from
//! those bytes, its note is read from them, and they are loaded from a sealed private copy. So a file may be
//! renamed over or overwritten in place while calls run.
//!
//! ```no_run
//! use jackfield_native::NativeBackend;
//!
//! // SAFETY: this host runs only libraries that its own build made.
//! let native = unsafe { NativeBackend::new() };
//! let candidate = native.library("plugins/libkv_file.so");
//! println!("{}", candidate.inspect()?.note().name);
//! # Ok::<_, jackfield_native::NativeError>(())
//! ```
//!
//! Unloading ends with an honest answer ([`Unloaded`](jackfield_core::Unloaded)): the code is unmapped, or it is
//! pinned, and by whom. A thread that holds one of the library's thread-locals with a destructor pins it until that
//! thread ends.

mod backend;
mod c_header;
mod elf;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod host;
mod image;
mod library;
mod macho;
mod os;
mod pe;
mod progress;
mod remains;
pub mod symbols;
mod tables;
mod task;
#[cfg(target_os = "linux")]
mod thread_locals;
#[cfg(target_os = "linux")]
mod threads;

pub use backend::{NativeBackend, NativePlugin};
pub use c_header::{CHeaderError, c_header};
pub use error::NativeError;
pub use image::{Digest, Image};
pub use remains::pinned_libraries;
