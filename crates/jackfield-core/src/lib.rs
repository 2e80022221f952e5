//! The words that a Jackfield host and a plugin share.
//!
//! An *interface* is a Rust trait under `#[interface]`. This crate holds what the macro's text stands on: the
//! schema that describes the trait, the codec of its messages, the errors of a call, and the [`Handle`] that
//! callers hold and that implements the trait. It does no I/O, spawns nothing and knows no runtime.
//!
//! ```
//! use jackfield_core::{Error, interface};
//!
//! /// Adds numbers.
//! #[interface(service = "example.Adder", version = "1.0")]
//! pub trait Adder {
//!     /// The sum of `a` and `b`.
//!     fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
//! }
//!
//! fn sum(adder: &dyn Adder) -> Result<i64, Error> {
//!     adder.add(19, 23)
//! }
//! ```
//!
//! The nouns: [`Interface`], [`Schema`] and its [`Method`]s; [`Value`], [`Streaming`], [`ByteStream`] and [`Handle`], what
//! an argument or a result may be; [`Error`], with [`Failure`] for what the plugin said and [`CallError`] for an answer
//! that never came; [`CallOptions`] of a call; [`Channel`], the host's end of a wire, and [`Service`], the plugin's end;
//! [`Parcel`], what goes over it; [`Slot`] and [`Handle`].

mod backend;
mod channel;
pub mod codec;
mod dynamic;
mod encoded;
mod error;
mod file_kind;
mod gate;
mod generated;
mod handle;
mod interface;
mod linked;
pub mod log;
pub mod note;
mod object;
mod offers;
mod parcel;
mod save;
pub mod schema;
mod service;
mod slot;
mod step;
mod streaming;
mod target;

pub use bytes::Bytes;
pub use futures_core::Stream;
pub use jackfield_abi::{BoxFuture, CallOptions, Context, Counts, Tally};
#[cfg(feature = "macros")]
pub use jackfield_macros::{Fault, Value, interface};

pub use backend::{Candidate, Instance, Load, LoadError, LoadErrorKind, Unloaded};
pub use channel::Channel;
pub use codec::{DecodeError, Key, Repeatable, Singular, Value};
pub use dynamic::DynamicHandle;
pub use error::{CallError, Code, Error, Failure, Fault};
pub use file_kind::file_kind;
pub use gate::Gate;
pub use handle::Handle;
pub use interface::{Description, Interface, Outcome};
pub use offers::{OfferedObject, offered_objects, with_host_object};
pub use parcel::{Messages, Offer, Parcel, Part, Peer};
pub use save::{Save, all_saved, with_all_saved};
pub use schema::{Field, Kind, Method, Mode, ObjectType, Schema, Shape};
pub use service::{Plugin, Service};
pub use slot::{Generation, Lane, Slot, Timer};
pub use step::Step;
pub use streaming::{ByteStream, Streaming};
pub use target::{Target, target_of};

/// The symbols of a plugin: what may be exported by name, and what a plugin is given when it is loaded.
pub mod symbols {
    pub use jackfield_abi::symbols::{
        Channel, Closed, Func, Init, Portable, Receiving, Select, Sending, Signature, Var,
    };
    #[cfg(feature = "macros")]
    pub use jackfield_macros::Portable;

    pub use crate::object::{AssertError, Object};
}

/// What generated code calls. Nothing here is for people, and none of it is stable.
#[doc(hidden)]
pub mod __private {
    pub use crate::codec::write::nested;
    pub use crate::codec::{
        DecodeError, Enumeration, Message, RawField, Reader, Repeatable, Singular, absent_message,
        cross_variant, decode_alone, decode_message, decode_nested, decode_variant, decode_variants,
        encode_alone, encode_message, encode_variant, encode_variants, or_absent,
    };
    pub use crate::generated::{
        Answer, Argument, Arguments, Asynchronous, Blocking, Direct, Encoded, Exposes, Given, Held, MethodOf,
        Ref, asynchronous, blocking, call, call_or, constructor_error, export, export_at, give, result, spec,
        start, start_or,
    };
    pub use crate::handle::Without;
    pub use crate::interface::{Interface, Outcome};
    pub use crate::note::{Section, Source};
    pub use crate::save::export_saving;
    pub use crate::schema::{
        EMPTY, EnumType, Field, Kind, MessageType, Method, Mode, Schema, Shape, TypeName, Variant,
    };
    pub use crate::slot::keep_deadlines;
    pub use crate::{BoxFuture, Code, Error, Failure, Fault, Handle, Value};
    pub use bytes::Bytes;
    pub use jackfield_abi::Reply;
    pub use jackfield_abi::runtime::{self, Inline};
    pub use jackfield_abi::symbols::{
        CrossesAs, Exports, Function, Holds, Portable, Symbol, TypeText, Variable,
    };
    pub use jackfield_abi::{
        Encoded as EncodedValue, Entry, Export, MethodSpec, Offered, Retired, StaticRef, send_log, wants_log,
    };
}
