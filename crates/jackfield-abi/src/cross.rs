//! Values that cross the boundary without being encoded.

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes, View};
use crate::future::{RawFuture, WakerRef};
use crate::method::{Call, CallAsync};
use crate::runtime;
use crate::shim::{self, Erased, Return};

/// A type that crosses between host and library in a C representation of its own.
///
/// An argument is *lent* by the caller and *received* by the callee while the call lasts; a result is *given* by
/// the callee and *taken* by the caller for good.
///
/// # Safety
///
/// `NAME` names exactly one `Repr`: two sides that agree on the name agree on layout and meaning.
pub unsafe trait Cross: Sized + 'static {
    /// What crosses.
    type Repr: Copy + 'static;

    /// The name by which both sides compare what they mean.
    const NAME: &'static str;

    /// Makes the representation of an argument. The value outlives the call.
    fn lend(&mut self) -> Self::Repr;

    /// Makes an argument from its representation.
    ///
    /// # Safety
    /// The representation was lent under the same `NAME` for the call that is running, and is received once.
    unsafe fn receive(repr: Self::Repr) -> Self;

    /// Makes the representation of a result.
    fn give(self) -> Self::Repr;

    /// Makes a result from its representation.
    ///
    /// # Safety
    /// The representation was given under the same `NAME` and is taken once; `keep` keeps the giver's code mapped.
    unsafe fn take(repr: Self::Repr, keep: &Keep) -> Self;
}

macro_rules! cross_by_copy {
    ($($type:ty = $name:literal),* $(,)?) => {$(
        // SAFETY: a primitive of this name has one layout on a target.
        unsafe impl Cross for $type {
            type Repr = $type;
            const NAME: &'static str = $name;

            fn lend(&mut self) -> $type {
                *self
            }

            unsafe fn receive(repr: $type) -> $type {
                repr
            }

            fn give(self) -> $type {
                self
            }

            unsafe fn take(repr: $type, _: &Keep) -> $type {
                repr
            }
        }
    )*};
}

cross_by_copy! {
    f32 = "f32", f64 = "f64", i8 = "i8", i16 = "i16", i32 = "i32", i64 = "i64",
    u8 = "u8", u16 = "u16", u32 = "u32", u64 = "u64",
}

// SAFETY: a `bool` crosses as one byte. Received bytes other than 0 count as `true`, so no byte is invalid.
unsafe impl Cross for bool {
    type Repr = u8;
    const NAME: &'static str = "bool";

    fn lend(&mut self) -> u8 {
        u8::from(*self)
    }

    unsafe fn receive(repr: u8) -> Self {
        repr != 0
    }

    fn give(self) -> u8 {
        u8::from(self)
    }

    unsafe fn take(repr: u8, _: &Keep) -> Self {
        repr != 0
    }
}

// SAFETY: nothing crosses; a zero byte stands for it, since C has no empty type.
unsafe impl Cross for () {
    type Repr = u8;
    const NAME: &'static str = "()";

    fn lend(&mut self) -> u8 {
        0
    }

    unsafe fn receive(_: u8) -> Self {}

    fn give(self) -> u8 {
        0
    }

    unsafe fn take(_: u8, _: &Keep) -> Self {}
}

/// The representation of a text or byte vector: a view as an argument, owned bytes as a result.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(hidden)]
pub union Sequence {
    view: View,
    owned: RawBytes,
}

impl std::fmt::Debug for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sequence")
    }
}

// SAFETY: an argument is a view of the caller's bytes, a result is owned bytes.
unsafe impl Cross for Vec<u8> {
    type Repr = Sequence;
    const NAME: &'static str = "vec<u8>";

    fn lend(&mut self) -> Sequence {
        Sequence { view: View::new(self) }
    }

    unsafe fn receive(repr: Sequence) -> Self {
        // SAFETY: `lend` wrote the view.
        let view = unsafe { repr.view };
        // SAFETY: the caller's value outlives the call.
        unsafe { view.as_slice() }.to_vec()
    }

    fn give(self) -> Sequence {
        Sequence { owned: RawBytes::from_bytes(self.into()) }
    }

    unsafe fn take(repr: Sequence, keep: &Keep) -> Self {
        // SAFETY: `give` wrote the owned bytes.
        let owned = unsafe { repr.owned };
        // SAFETY: a result is taken once, and `keep` is passed on.
        unsafe { owned.into_bytes(keep) }.to_vec()
    }
}

// SAFETY: as for `Vec<u8>`; the bytes are checked to be UTF-8, since the other side is not this crate's build.
unsafe impl Cross for String {
    type Repr = Sequence;
    const NAME: &'static str = "string";

    fn lend(&mut self) -> Sequence {
        Sequence { view: View::new(self.as_bytes()) }
    }

    unsafe fn receive(repr: Sequence) -> Self {
        // SAFETY: passed on.
        text(unsafe { <Vec<u8> as Cross>::receive(repr) })
    }

    fn give(self) -> Sequence {
        self.into_bytes().give()
    }

    unsafe fn take(repr: Sequence, keep: &Keep) -> Self {
        // SAFETY: passed on.
        text(unsafe { <Vec<u8> as Cross>::take(repr, keep) })
    }
}

/// Both sides are Rust and hold text, so the lossy way is never taken by an honest peer.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

// SAFETY: bytes are handed over with their owner in both directions.
unsafe impl Cross for Bytes {
    type Repr = RawBytes;
    const NAME: &'static str = "bytes";

    fn lend(&mut self) -> RawBytes {
        RawBytes::from_bytes(std::mem::take(self))
    }

    unsafe fn receive(repr: RawBytes) -> Self {
        // SAFETY: an argument is received once; it comes from the host, whose code stays mapped.
        unsafe { repr.into_bytes(&None) }
    }

    fn give(self) -> RawBytes {
        RawBytes::from_bytes(self)
    }

    unsafe fn take(repr: RawBytes, keep: &Keep) -> Self {
        // SAFETY: passed on.
        unsafe { repr.into_bytes(keep) }
    }
}

/// The arguments of a method: a tuple of up to twelve values that cross.
///
/// The trait is sealed: its functions turn an erased function pointer back into one with these argument types.
pub trait Arguments: Sized + sealed::Sealed + 'static {
    /// The name of each argument's type.
    const NAMES: &'static [crate::Text];

    /// Calls a blocking method.
    ///
    /// # Safety
    /// `entry` is the shim of a blocking method with these arguments and the result `R`; `this` is its object.
    #[doc(hidden)]
    unsafe fn call<R: Cross>(self, entry: Erased, this: *const (), refusal: *mut RawBytes)
    -> Return<R::Repr>;

    /// Starts an asynchronous method and polls it once.
    ///
    /// # Safety
    /// As for `call`, for an asynchronous method; the three pointers are valid for this call.
    #[doc(hidden)]
    #[expect(clippy::too_many_arguments, reason = "they are what crosses, one register each")]
    unsafe fn start<R: Cross>(
        self,
        entry: Erased,
        this: *const (),
        waker: WakerRef,
        refusal: *mut RawBytes,
        future: *mut RawFuture<R::Repr>,
    ) -> Return<R::Repr>;
}

/// The shim that a library exports for a blocking method `M` of the plugin type `T`.
pub trait BlockingShim<T, M> {
    #[doc(hidden)]
    const SHIM: Erased;
}

/// The shim that a library exports for an asynchronous method `M` of the plugin type `T`.
pub trait AsyncShim<T, M> {
    #[doc(hidden)]
    const SHIM: Erased;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! arguments {
    ($($argument:ident),*) => {
        impl<$($argument: Cross),*> sealed::Sealed for ($($argument,)*) {}

        #[allow(
            non_snake_case,
            unused_mut,
            unused_unsafe,
            clippy::unused_unit,
            clippy::too_many_arguments,
            clippy::allow_attributes,
            reason = "type parameters name the variables, and the empty tuple uses less than the others"
        )]
        const _: () = {
            impl<$($argument: Cross),*> Arguments for ($($argument,)*) {
                const NAMES: &'static [crate::Text] = &[$(crate::Text::new($argument::NAME)),*];

                #[inline]
                unsafe fn call<R: Cross>(self, entry: Erased, this: *const (), refusal: *mut RawBytes) -> Return<R::Repr> {
                    type Entry<R, $($argument),*> = unsafe extern "C" fn(
                        *const (), $(<$argument as Cross>::Repr,)* *mut RawBytes,
                    ) -> Return<<R as Cross>::Repr>;
                    let ($(mut $argument,)*) = self;
                    // SAFETY: the caller says that the entry has these argument and result types.
                    let entry = unsafe { std::mem::transmute::<Erased, Entry<R, $($argument),*>>(entry) };
                    // SAFETY: the arguments are lent for this call only, and live until it returns.
                    unsafe { entry(this, $($argument.lend(),)* refusal) }
                }

                #[inline]
                unsafe fn start<R: Cross>(
                    self,
                    entry: Erased,
                    this: *const (),
                    waker: WakerRef,
                    refusal: *mut RawBytes,
                    future: *mut RawFuture<R::Repr>,
                ) -> Return<R::Repr> {
                    type Entry<R, $($argument),*> = unsafe extern "C" fn(
                        *const (), $(<$argument as Cross>::Repr,)* WakerRef,
                        *mut RawBytes, *mut RawFuture<<R as Cross>::Repr>,
                    ) -> Return<<R as Cross>::Repr>;
                    let ($(mut $argument,)*) = self;
                    // SAFETY: the caller says that the entry has these argument and result types.
                    let entry = unsafe { std::mem::transmute::<Erased, Entry<R, $($argument),*>>(entry) };
                    // SAFETY: the arguments are lent for this call only, and live until it returns.
                    unsafe { entry(this, $($argument.lend(),)* waker, refusal, future) }
                }
            }

            unsafe extern "C" fn blocking<T, M, $($argument: Cross),*>(
                this: *const (), $($argument: $argument::Repr,)* refusal: *mut RawBytes,
            ) -> Return<<M::Output as Cross>::Repr>
            where
                M: Call<T, Arguments = ($($argument,)*)>,
            {
                shim::answer(refusal, || {
                    // SAFETY: each argument was lent for this call, and is received once.
                    let arguments = unsafe { ($($argument::receive($argument),)*) };
                    // SAFETY: the host passes the object that the constructor of `T` made, and keeps it alive.
                    M::call(unsafe { &*this.cast::<T>() }, arguments)
                })
            }

            impl<T, M, $($argument: Cross),*> BlockingShim<T, M> for ($($argument,)*)
            where
                M: Call<T, Arguments = ($($argument,)*)>,
            {
                // SAFETY: only `Arguments::call` of the same tuple uses it, and restores this type.
                const SHIM: Erased = unsafe {
                    std::mem::transmute::<
                        unsafe extern "C" fn(
                            *const (), $($argument::Repr,)* *mut RawBytes,
                        ) -> Return<<M::Output as Cross>::Repr>,
                        Erased,
                    >(blocking::<T, M, $($argument),*>)
                };
            }

            unsafe extern "C" fn asynchronous<T, M, $($argument: Cross),*>(
                this: *const (), $($argument: $argument::Repr,)* waker: WakerRef,
                refusal: *mut RawBytes,
                future: *mut RawFuture<<M::Output as Cross>::Repr>,
            ) -> Return<<M::Output as Cross>::Repr>
            where
                T: 'static,
                M: CallAsync<T, Arguments = ($($argument,)*)>,
            {
                shim::begin(waker, refusal, future, || {
                    // SAFETY: each argument was lent for this call, and is received once.
                    let arguments = unsafe { ($($argument::receive($argument),)*) };
                    // SAFETY: the host passes the object that the constructor of `T` made, and keeps it alive
                    // until the future has ended.
                    runtime::place(this, M::call(unsafe { &*this.cast::<T>() }, arguments))
                })
            }

            impl<T, M, $($argument: Cross),*> AsyncShim<T, M> for ($($argument,)*)
            where
                T: 'static,
                M: CallAsync<T, Arguments = ($($argument,)*)>,
            {
                // SAFETY: only `Arguments::start` of the same tuple uses it, and restores this type.
                const SHIM: Erased = unsafe {
                    std::mem::transmute::<
                        unsafe extern "C" fn(
                            *const (), $($argument::Repr,)* WakerRef,
                            *mut RawBytes,
                            *mut RawFuture<<M::Output as Cross>::Repr>,
                        ) -> Return<<M::Output as Cross>::Repr>,
                        Erased,
                    >(asynchronous::<T, M, $($argument),*>)
                };
            }
        };
    };
}

arguments!();
arguments!(A);
arguments!(A, B);
arguments!(A, B, C);
arguments!(A, B, C, D);
arguments!(A, B, C, D, E);
arguments!(A, B, C, D, E, F);
arguments!(A, B, C, D, E, F, G);
arguments!(A, B, C, D, E, F, G, H);
arguments!(A, B, C, D, E, F, G, H, I);
arguments!(A, B, C, D, E, F, G, H, I, J);
arguments!(A, B, C, D, E, F, G, H, I, J, K);
arguments!(A, B, C, D, E, F, G, H, I, J, K, L);
