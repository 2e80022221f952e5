//! Buffers and slices in C layout.

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use bytes::Bytes;

/// What keeps the code behind a foreign buffer or object mapped: the host's share of the library, or nothing
/// where the owner outlives every use (the host itself, or code that was linked statically).
pub type Keep = Option<Arc<dyn Keeper>>;

/// What keeps code mapped.
pub trait Keeper: Any + Send + Sync {
    /// Hears of an object that came from this code, so that it can be closed before the code goes.
    fn watch(&self, _object: Weak<dyn Derived>) {}
}

impl Keeper for () {}

/// What was made of an object that came from a library.
pub trait Derived: Send + Sync {
    /// Lets it answer with an error from now on, and gives up its share of the library.
    fn close(&self);
}

/// A borrowed slice of constants in C layout.
#[repr(C)]
pub struct Slice<T: 'static> {
    pub(crate) data: *const T,
    pub(crate) len: usize,
    _borrow: PhantomData<&'static [T]>,
}

impl<T> Slice<T> {
    /// Borrows a slice.
    pub const fn new(slice: &'static [T]) -> Self {
        Self { data: slice.as_ptr(), len: slice.len(), _borrow: PhantomData }
    }

    /// The slice.
    pub const fn as_slice(&self) -> &[T] {
        // In C, where there is nothing there is no address.
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the only constructor took both fields from one `&'static [T]`. A value in a library was built by
        // the same constructor there, and what it borrows is mapped for as long as the value itself.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl<T> Clone for Slice<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slice<T> {}

impl<T: fmt::Debug> fmt::Debug for Slice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

// SAFETY: it is a shared borrow of `T`.
unsafe impl<T: Sync> Send for Slice<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Slice<T> {}

/// A borrowed text in C layout.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Text(Slice<u8>);

impl Text {
    /// Borrows a text.
    pub const fn new(text: &'static str) -> Self {
        Self(Slice::new(text.as_bytes()))
    }

    /// The text, or a note that it is not UTF-8.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or("<not UTF-8>")
    }
}

/// A borrowed view of bytes that lives as long as one call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) data: *const u8,
    pub(crate) len: usize,
}

impl View {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// The bytes that were viewed are still alive.
    pub(crate) unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: both fields came from one slice, which the caller says is alive.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// Bytes with an owner: handed over, never copied, and freed by the side that allocated them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawBytes {
    pub(crate) data: *const u8,
    pub(crate) len: usize,
    pub(crate) owner: *mut c_void,
    pub(crate) free: Option<unsafe extern "C" fn(*mut c_void)>,
}

impl RawBytes {
    /// Hands bytes over. Whoever receives the value must pass it to [`RawBytes::into_bytes`] exactly once.
    #[inline]
    pub fn from_bytes(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self {
                data: std::ptr::NonNull::dangling().as_ptr(),
                len: 0,
                owner: std::ptr::null_mut(),
                free: None,
            };
        }
        let (data, len) = (bytes.as_ptr(), bytes.len());
        let owner = Box::into_raw(Box::new(bytes)).cast();
        Self { data, len, owner, free: Some(free_boxed) }
    }

    /// Takes the bytes over; they stay where they are until the last clone of the result is dropped.
    ///
    /// # Safety
    /// The value came from [`RawBytes::from_bytes`], on either side of the boundary, and was not taken before;
    /// `keep` keeps the code of the side that made it mapped.
    // Inline, so that the result need not pass through memory: reading wide what was just written narrow takes as long as
    // an allocation.
    #[inline]
    pub unsafe fn into_bytes(self, keep: &Keep) -> Bytes {
        if self.len == 0 {
            // SAFETY: by this function's own contract the value is taken only here.
            unsafe { self.release() };
            return Bytes::new();
        }
        Bytes::from_owner(Foreign { raw: self, _keep: keep.clone() })
    }

    /// # Safety
    /// As for [`RawBytes::into_bytes`].
    unsafe fn release(self) {
        if let Some(free) = self.free {
            // SAFETY: `free` belongs to `owner`, and this is the one time that it is called.
            unsafe { free(self.owner) }
        }
    }
}

/// Bytes that live in the other side's memory. The fields drop in this order: first the bytes, then the library.
struct Foreign {
    raw: RawBytes,
    _keep: Keep,
}

impl AsRef<[u8]> for Foreign {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the owner keeps `data` alive and unchanged until `release`, which only `drop` calls.
        unsafe { std::slice::from_raw_parts(self.raw.data, self.raw.len) }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: `into_bytes` took the value over, and a value is dropped once.
        unsafe { self.raw.release() }
    }
}

// SAFETY: the owner is a boxed `Bytes`, which may be read and dropped on any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above.
unsafe impl Sync for Foreign {}

unsafe extern "C" fn free_boxed(owner: *mut c_void) {
    // What owns the bytes may be a type of the plugin's, whose destructor may panic.
    // SAFETY: `from_bytes` made `owner` by `Box::into_raw`, and the contract of `release` is one call.
    crate::shim::discard(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_handed_over_without_a_copy() {
        let bytes = Bytes::from(vec![7; 64]);
        let address = bytes.as_ptr();
        // SAFETY: made and taken once, in this line.
        let back = unsafe { RawBytes::from_bytes(bytes).into_bytes(&None) };
        assert_eq!(back.as_ptr(), address);
        assert_eq!(&back[..], &[7; 64]);
    }

    #[test]
    fn the_keeper_outlives_the_last_clone() {
        let keeper = Arc::new(());
        let keep: Keep = Some(keeper.clone());
        // SAFETY: made and taken once, in this line.
        let bytes = unsafe { RawBytes::from_bytes(Bytes::from(vec![1, 2])).into_bytes(&keep) };
        drop(keep);
        let clone = bytes.slice(1..);
        drop(bytes);
        assert_eq!(Arc::strong_count(&keeper), 2);
        drop(clone);
        assert_eq!(Arc::strong_count(&keeper), 1);
    }
}
