//! An encoded message together with what cannot be encoded: streams and objects.

use std::ffi::c_void;

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes};
use crate::cross::{Output, argument_by_giving};
use crate::object::{Passed, RawObject};
use crate::stream::{Messages, RawStream};

/// An encoded message together with what cannot be encoded.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it is exactly what crosses")]
pub struct Parcel {
    /// The message.
    pub bytes: Bytes,
    /// What belongs to it, each under the number of its field.
    pub parts: Vec<(u32, Part)>,
}

/// What cannot be encoded.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a third kind would be another layout")]
pub enum Part {
    /// An object of another interface.
    Object(Passed),
    /// A stream of messages.
    Stream(Messages),
}

impl From<Bytes> for Parcel {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, parts: Vec::new() }
    }
}

/// A parcel in C layout. `free` frees the array, after what it holds was moved out.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct RawParcel {
    pub(crate) bytes: RawBytes,
    pub(crate) parts: *const RawPart,
    pub(crate) len: usize,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, usize),
}

/// A part in C layout. `kind` says which of the two others is there.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(hidden)]
pub(crate) struct RawPart {
    pub(crate) field: u32,
    pub(crate) kind: u32,
    pub(crate) content: RawContent,
}

/// What a part is.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(hidden)]
pub(crate) union RawContent {
    object: RawObject,
    stream: RawStream,
}

impl std::fmt::Debug for RawPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawPart")
            .field("field", &self.field)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RawContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawContent")
    }
}

impl RawPart {
    fn give((field, part): (u32, Part), peer: &Keep) -> Self {
        let (kind, content) = match part {
            Part::Object(object) => (OBJECT, RawContent { object: object.give(peer) }),
            Part::Stream(stream) => (STREAM, RawContent { stream: stream.give(peer) }),
        };
        Self { field, kind, content }
    }

    /// The part, unless it is of a kind that this version does not know: then it leaks, since nobody knows how to end it.
    ///
    /// # Safety
    /// As for [`Output::take`].
    unsafe fn take(self, peer: &Keep) -> Option<(u32, Part)> {
        let part = match self.kind {
            OBJECT => {
                // SAFETY: the kind says so.
                let object = unsafe { self.content.object };
                // SAFETY: passed on.
                Part::Object(unsafe { Passed::take(object, peer) })
            }
            STREAM => {
                // SAFETY: the kind says so.
                let stream = unsafe { self.content.stream };
                // SAFETY: passed on.
                Part::Stream(unsafe { Messages::take(stream, peer) })
            }
            _ => return None,
        };
        Some((self.field, part))
    }
}

// SAFETY: both parts of it cross by themselves.
unsafe impl Output for Parcel {
    type Repr = RawParcel;
    const NAME: &'static str = "parcel";

    fn give(self, peer: &Keep) -> RawParcel {
        let bytes = Output::give(self.bytes, peer);
        let parts: Box<[RawPart]> = self.parts.into_iter().map(|part| RawPart::give(part, peer)).collect();
        let len = parts.len();
        RawParcel { bytes, parts: Box::into_raw(parts).cast_const().cast(), len, free: free_parts }
    }

    unsafe fn take(raw: RawParcel, peer: &Keep) -> Self {
        // SAFETY: passed on.
        let bytes = unsafe { <Bytes as Output>::take(raw.bytes, peer) };
        if raw.len == 0 {
            return bytes.into();
        }
        // SAFETY: `give` made both from one boxed slice.
        let parts = unsafe { std::slice::from_raw_parts(raw.parts, raw.len) };
        // SAFETY: each part is taken once, since the parcel is.
        let parts = parts.iter().filter_map(|part| unsafe { part.take(peer) }).collect();
        // SAFETY: what the array held was moved out, and it is freed by the side that made it, once.
        unsafe { (raw.free)(raw.parts.cast_mut().cast(), raw.len) };
        Self { bytes, parts }
    }
}

argument_by_giving!(Parcel: Parcel::default());

unsafe extern "C" fn free_parts(parts: *mut c_void, len: usize) {
    let parts = std::ptr::slice_from_raw_parts_mut(parts.cast::<RawPart>(), len);
    // SAFETY: `give` boxed a slice of this length, and the other side frees it once. Its items have no destructor.
    drop(unsafe { Box::from_raw(parts) });
}

const OBJECT: u32 = 1;
const STREAM: u32 = 2;
