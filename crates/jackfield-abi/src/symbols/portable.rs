//! Values that a symbol can have, take and return.

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes};
use crate::cross;
use crate::object::{Passed, RawObject};

/// A type whose values can be handed over between a host and a library, in a C representation of their own.
///
/// A value is *given* by one side and *taken* by the other, for good. The *peer* is the library on the other side, as
/// far as one knows it: a host knows which library it deals with, while a library knows that its host outlives it.
///
/// # Safety
///
/// `NAME` stands for one `Repr` and one meaning: two sides that agree on the text agree on both. `NEEDS_PEER` is `true` if a
/// value that was taken goes on using the giver's code.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross between a host and a plugin by name",
    note = "what can: integers, floats, `bool`, `String`, `Bytes`, `Vec<u8>`, `Option`, `Result`, tuples, `Func`, `Channel`, `Object`, \
            and a struct with `#[derive(Portable)]`"
)]
pub unsafe trait Portable: Sized + Send + 'static {
    /// What crosses.
    type Repr: Copy + 'static;

    /// The text of the type.
    const NAME: &'static str;

    /// Whether a value that was taken uses code or memory of the side that gave it, which has to stay for as long.
    const NEEDS_PEER: bool;

    /// Makes the representation, for this peer.
    fn give(self, peer: &Keep) -> Self::Repr;

    /// Makes the value again.
    ///
    /// # Safety
    /// The representation was given under the same `NAME` and is taken once; `peer` keeps the giver's code mapped.
    unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self;
}

macro_rules! by_copy {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: a primitive of this name has one layout on a target.
        unsafe impl Portable for $type {
            type Repr = $type;
            const NAME: &'static str = stringify!($type);
            const NEEDS_PEER: bool = false;

            #[inline(always)]
            fn give(self, _: &Keep) -> $type {
                self
            }

            #[inline(always)]
            unsafe fn take(repr: $type, _: &Keep) -> $type {
                repr
            }
        }
    )*};
}

by_copy!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

// SAFETY: a `bool` crosses as one byte. Bytes other than 0 count as `true`, so no byte is invalid.
#[expect(clippy::use_self, reason = "that the answer is of the same type says nothing")]
unsafe impl Portable for bool {
    type Repr = u8;
    const NAME: &'static str = "bool";
    const NEEDS_PEER: bool = false;

    fn give(self, _: &Keep) -> u8 {
        u8::from(self)
    }

    unsafe fn take(repr: u8, _: &Keep) -> Self {
        repr != 0
    }
}

// SAFETY: nothing crosses; a zero byte stands for it, since C has no empty type.
unsafe impl Portable for () {
    type Repr = u8;
    const NAME: &'static str = "()";
    const NEEDS_PEER: bool = false;

    #[inline(always)]
    fn give(self, _: &Keep) -> u8 {
        0
    }

    #[inline(always)]
    unsafe fn take(_: u8, _: &Keep) -> Self {}
}

// SAFETY: bytes are handed over with their owner.
unsafe impl Portable for Bytes {
    type Repr = RawBytes;
    const NAME: &'static str = "Bytes";
    const NEEDS_PEER: bool = true;

    #[inline(always)]
    fn give(self, _: &Keep) -> RawBytes {
        RawBytes::from_bytes(self)
    }

    #[inline(always)]
    unsafe fn take(repr: RawBytes, peer: &Keep) -> Self {
        // SAFETY: passed on.
        unsafe { repr.into_bytes(peer) }
    }
}

// SAFETY: as for `Bytes`, under another name; the taker makes a copy of its own.
unsafe impl Portable for Vec<u8> {
    type Repr = RawBytes;
    const NAME: &'static str = "Vec<u8>";
    const NEEDS_PEER: bool = false;

    fn give(self, peer: &Keep) -> RawBytes {
        Bytes::from(self).give(peer)
    }

    unsafe fn take(repr: RawBytes, _: &Keep) -> Self {
        // SAFETY: passed on. The bytes are given back before this returns.
        unsafe { repr.into_bytes(&None) }.to_vec()
    }
}

// SAFETY: as for `Vec<u8>`; the bytes are checked to be UTF-8, since the other side is not this crate's build.
unsafe impl Portable for String {
    type Repr = RawBytes;
    const NAME: &'static str = "String";
    const NEEDS_PEER: bool = false;

    fn give(self, peer: &Keep) -> RawBytes {
        self.into_bytes().give(peer)
    }

    unsafe fn take(repr: RawBytes, peer: &Keep) -> Self {
        // SAFETY: passed on.
        let bytes = unsafe { Vec::take(repr, peer) };
        // An honest peer holds text, so the lossy way is never taken.
        Self::from_utf8(bytes).unwrap_or_else(|error| Self::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

// SAFETY: an object crosses as it does between methods; what it can do is asked of its table.
unsafe impl Portable for Passed {
    type Repr = RawObject;
    const NAME: &'static str = "Object";
    const NEEDS_PEER: bool = true;

    fn give(self, peer: &Keep) -> RawObject {
        cross::Output::give(self, peer)
    }

    unsafe fn take(repr: RawObject, peer: &Keep) -> Self {
        // SAFETY: passed on.
        unsafe { cross::Output::take(repr, peer) }
    }
}
