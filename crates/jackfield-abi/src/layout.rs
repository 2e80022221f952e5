//! The sizes and offsets of everything that crosses, as a snapshot.
//!
//! A host and a plugin may be of different builds, so a change here without a change of
//! [`ABI_VERSION`](crate::ABI_VERSION) breaks plugins that exist. Change both together.

use std::fmt::Write as _;
use std::mem::{align_of, offset_of, size_of};

use crate::buffer::{RawBytes, Slice, Text, View};
use crate::context::{RawContext, RawOffer};
use crate::entry::{Entry, Export};
use crate::future::{RawFuture, WakerFunctions, WakerRef};
use crate::host::HostTable;
use crate::log::{Field, Lent, Record, Span};
use crate::method::MethodEntry;
use crate::object::{RawObject, Table};
use crate::options::RawOptions;
use crate::parcel::{RawParcel, RawPart};
use crate::shim::Return;
use crate::stream::RawStream;
use crate::symbols::{Outcome, RawFunc, RawInit, Symbol};

macro_rules! layout {
    ($text:ident, $type:ty: $($field:ident),* $(,)?) => {
        write!($text, "{} {}/{}", stringify!($type), size_of::<$type>(), align_of::<$type>()).expect("a string");
        $(write!($text, " {}@{}", stringify!($field), offset_of!($type, $field)).expect("a string");)*
        $text.push('\n');
    };
}

#[test]
#[cfg(target_pointer_width = "64")]
fn nothing_that_crosses_has_moved() {
    let mut text = format!("version {}\n", crate::ABI_VERSION);
    layout!(text, Slice<u8>: data, len);
    layout!(text, Text:);
    layout!(text, View: data, len);
    layout!(text, RawBytes: data, len, owner, free);
    layout!(text, Return<u8>: status, value);
    layout!(text, Return<u64>: status, value);
    layout!(text, Return<RawBytes>: status, value);
    layout!(text, WakerRef: waker, functions);
    layout!(text, WakerFunctions: keep, wake_lent, wake_kept, release);
    layout!(text, RawFuture<u64>: state, poll, drop);
    layout!(text, RawContext: size, plugin, config, count, objects, object_count);
    layout!(text, RawOffer: name, object);
    layout!(text, RawOptions: size, remaining, metadata, count);
    layout!(text, RawStream: state, next, drop);
    layout!(text, RawObject: data, table);
    layout!(text, RawPart: field, kind, content);
    layout!(text, RawParcel: bytes, parts, len, free);
    layout!(text, MethodEntry: name, signature, mode, types, direct, encoded);
    layout!(text, Table: service, methods, drop, scope);
    layout!(text, Export: table, create);
    layout!(text, Entry: magic, abi, size, note, exports, attach, detach, doors, symbols, init);
    layout!(text, HostTable: size, host, log, max_level, thread);
    layout!(text, Lent<'_, u8>: data, len);
    layout!(text, Field<'_>: name, kind, bits, text);
    layout!(text, Span<'_>: name, fields);
    layout!(text, Record<'_>: size, level, line, target, module, file, message, fields, spans);
    layout!(text, Symbol: name, ty, kind, reserved, data, functions);
    layout!(text, Outcome<u64>: status, value);
    layout!(text, RawFunc: data, call, drop);
    layout!(text, RawInit: size, context, host, find, register);
    assert_eq!(text, include_str!("layout.txt"), "the layout moved: change ABI_VERSION with it");
}
