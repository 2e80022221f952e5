//! The C layout through which a Jackfield host and a shared-library plugin talk.
//!
//! Rust has no stable ABI, so everything that crosses between a host and a library is described here in
//! `#[repr(C)]` types and `extern "C"` functions: method tables, buffers with an owner, futures that are polled
//! across the boundary, and the entry that a library exports. The other half of the crate is the host's
//! [`HotSlot`], the place where the current generation of a plugin can be replaced while other threads call it.
//!
//! This crate loads nothing and knows no wire, no schema and no runtime. Users of Jackfield never name it: the
//! generated code does, through `jackfield-core`.
//!
//! The nouns, in the order in which a call meets them:
//!
//! 1. [`Cross`]: a result with a C representation, [`Argument`], and [`Arguments`]: a tuple of them.
//! 2. [`MethodEntry`]: what a plugin offers for one method, and [`MethodSpec`]: what a host expects of it.
//! 3. [`Export`] and [`Entry`]: one interface of a plugin, and the plugin.
//! 4. [`Object`] and [`Bound`]: a constructed plugin at the host, and its methods in the host's order.
//! 5. [`Running`]: an asynchronous call that did not answer at once.
//! 6. [`Parcel`]: an encoded message with what cannot be encoded: [`Messages`] and [`Passed`] objects.
//! 7. [`CallOptions`]: what goes with a call.
//! 8. [`HotSlot`]: where all of it is swapped, and [`Tally`], which counts calls there.
//!
//! Beside interfaces a plugin has [`symbols`]: functions and variables by name.

mod bound;
mod buffer;
mod context;
mod cross;
mod entry;
mod future;
mod host;
pub mod hot;
#[cfg(test)]
mod layout;
pub mod log;
mod method;
mod object;
mod options;
mod panic;
mod parcel;
pub mod runtime;
mod save;
mod shim;
pub mod signature;
mod static_ref;
mod stream;
pub mod symbols;
mod type_text;

pub use bytes::Bytes;

pub use bound::{BindError, Bound, Direct, DirectAsync, Started};
pub use buffer::{Derived, Keep, Keeper, RawBytes, Slice, Text};
pub use context::{Context, RawContext};
pub use cross::{Argument, Arguments, AsyncShim, BlockingShim, Cross, Encoded, Octets, Output, Owned, Str};
pub use entry::{ABI_VERSION, Entry, Export, MAGIC};
pub use future::{BoxFuture, Running};
pub use host::{Attachment, Host, Thread, send_log, wants_log};
pub use hot::{Announced, Counts, Entered, HotSlot, Retired, Tally};
pub use method::{Call, CallAsync, Conclude, Lane, MethodEntry, MethodSpec, Mode, Offered};
pub use object::{Object, Passed, Table};
pub use options::CallOptions;
pub use panic::{forward_panics, forwarded_panic};
pub use parcel::{Parcel, Part};
pub use save::{SAVE, SAVED, saver};
pub use shim::{Refusal, RefusalKind, Reply};
pub use static_ref::StaticRef;
pub use stream::{Feed, Messages};
