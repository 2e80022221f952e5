//! Values that cross the boundary without being encoded.

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes, View};
use crate::future::{RawFuture, WakerRef};
use crate::method::{Call, CallAsync};
use crate::object::Local;
use crate::runtime;
use crate::shim::{self, Erased, Refusal, RefusalKind, Return};
use crate::signature;
use crate::type_text::TypeText;

/// A type of result that crosses between host and library in a C representation of its own: it is *given* by the
/// callee and *taken* by the caller for good.
///
/// In all functions `peer` keeps the code of the other side mapped; a library holds nothing there, since its host
/// outlives it.
///
/// # Safety
///
/// `NAME` names exactly one `Repr`: two sides that agree on the name agree on layout and meaning.
pub unsafe trait Output: Sized + 'static {
    /// What crosses.
    type Repr: Copy + 'static;

    /// The text by which both sides compare what they mean.
    const NAME: &'static str;

    /// Makes the representation of a result.
    fn give(self, peer: &Keep) -> Self::Repr;

    /// Makes a result from its representation.
    ///
    /// # Safety
    /// The representation was given under the same `NAME` and is taken once; `peer` keeps the giver's code mapped.
    unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self;
}

/// A type of argument that crosses: it is *lent* by the caller and *received* by the callee while the call lasts.
///
/// # Safety
///
/// As for [`Output`].
pub unsafe trait Argument: 'static {
    /// What crosses.
    type Repr: Copy + 'static;

    /// What the caller lends, and what the callee receives.
    type Value<'a>;

    /// The text by which both sides compare what they mean.
    const NAME: &'static str;

    /// Makes the representation of an argument. The value outlives the call.
    fn lend(value: &mut Self::Value<'_>, peer: &Keep) -> Self::Repr;

    /// Makes an argument from its representation.
    ///
    /// # Errors
    /// The representation cannot be read, with the reason.
    ///
    /// # Safety
    /// The representation was lent under the same `NAME` for a call that lasts for `'a`, and is received once.
    unsafe fn receive<'a>(repr: Self::Repr, peer: &Keep) -> Result<Self::Value<'a>, &'static str>;
}

/// An argument that is the callee's own once it was received, so that it may outlive the call.
///
/// # Safety
///
/// `Value<'a>` borrows nothing.
pub unsafe trait Owned: Argument {}

/// A type that crosses as an argument and as a result, and is itself on both sides.
pub trait Cross: Output + Owned + for<'a> Argument<Value<'a> = Self> {
    /// The text by which both sides compare what they mean.
    const TYPE: &'static str = <Self as Output>::NAME;
}

impl<T: Output + Owned + for<'a> Argument<Value<'a> = T>> Cross for T {}

macro_rules! cross_by_copy {
    ($($type:ty = $name:literal),* $(,)?) => {$(
        // SAFETY: a primitive of this name has one layout on a target.
        unsafe impl Output for $type {
            type Repr = $type;
            const NAME: &'static str = $name;

            #[inline(always)]
            fn give(self, _: &Keep) -> $type {
                self
            }

            #[inline(always)]
            unsafe fn take(repr: $type, _: &Keep) -> $type {
                repr
            }
        }

        // SAFETY: as above.
        unsafe impl Argument for $type {
            type Repr = $type;
            type Value<'a> = $type;
            const NAME: &'static str = $name;

            #[inline(always)]
            fn lend(value: &mut $type, _: &Keep) -> $type {
                *value
            }

            #[inline(always)]
            unsafe fn receive<'a>(repr: $type, _: &Keep) -> Result<Self::Value<'a>, &'static str> {
                Ok(repr)
            }
        }

        // SAFETY: a primitive borrows nothing.
        unsafe impl Owned for $type {}
    )*};
}

cross_by_copy! {
    f32 = "f32", f64 = "f64", i8 = "i8", i16 = "i16", i32 = "i32", i64 = "i64",
    u8 = "u8", u16 = "u16", u32 = "u32", u64 = "u64",
}

/// An argument that is handed over: lending it gives it away, as a result is given.
macro_rules! argument_by_giving {
    ($($type:ty: $empty:expr),* $(,)?) => {$(
        #[allow(clippy::allow_attributes, clippy::mem_replace_with_default, reason = "not all of them have a default")]
        const _: () = {
        // SAFETY: as for the result of this type.
        unsafe impl $crate::Argument for $type {
            type Repr = <$type as $crate::Output>::Repr;
            type Value<'a> = $type;
            const NAME: &'static str = <$type as $crate::Output>::NAME;

            fn lend(value: &mut $type, peer: &$crate::Keep) -> Self::Repr {
                $crate::Output::give(std::mem::replace(value, $empty), peer)
            }

            unsafe fn receive<'a>(
                repr: Self::Repr,
                peer: &$crate::Keep,
            ) -> Result<Self::Value<'a>, &'static str> {
                // SAFETY: passed on.
                Ok(unsafe { <$type as $crate::Output>::take(repr, peer) })
            }
        }

        // SAFETY: what is handed over borrows nothing.
        unsafe impl $crate::Owned for $type {}
        };
    )*};
}

pub(crate) use argument_by_giving;

argument_by_giving!(bool: false, (): (), Bytes: Bytes::new(), Encoded: Encoded(Bytes::new()));

// SAFETY: a `bool` crosses as one byte. Received bytes other than 0 count as `true`, so no byte is invalid.
unsafe impl Output for bool {
    type Repr = u8;
    const NAME: &'static str = "bool";

    #[inline(always)]
    fn give(self, _: &Keep) -> u8 {
        u8::from(self)
    }

    #[inline(always)]
    unsafe fn take(repr: u8, _: &Keep) -> Self {
        repr != 0
    }
}

// SAFETY: nothing crosses; a zero byte stands for it, since C has no empty type.
unsafe impl Output for () {
    type Repr = u8;
    const NAME: &'static str = "()";

    #[inline(always)]
    fn give(self, _: &Keep) -> u8 {
        0
    }

    #[inline(always)]
    unsafe fn take(_: u8, _: &Keep) -> Self {}
}

// SAFETY: bytes are handed over with their owner in both directions.
unsafe impl Output for Bytes {
    type Repr = RawBytes;
    const NAME: &'static str = "bytes";

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

/// A value that crosses as an encoded message: both sides agree on its schema, though not on its layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is a name for bytes of a certain kind")]
pub struct Encoded(pub Bytes);

// SAFETY: as for the bytes, under another name.
unsafe impl Output for Encoded {
    type Repr = RawBytes;
    const NAME: &'static str = "encoded";

    fn give(self, peer: &Keep) -> RawBytes {
        self.0.give(peer)
    }

    unsafe fn take(repr: RawBytes, peer: &Keep) -> Self {
        // SAFETY: passed on.
        Self(unsafe { <Bytes as Output>::take(repr, peer) })
    }
}

/// The representation of a text or byte vector: a view as an argument, owned bytes as a result.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(hidden)]
pub union Sequence {
    view: View,
    owned: RawBytes,
}

impl Sequence {
    fn lend(bytes: &[u8]) -> Self {
        Self { view: View::new(bytes) }
    }

    /// # Safety
    /// It was lent for a call that lasts for `'a`.
    unsafe fn receive<'a>(self) -> &'a [u8] {
        // SAFETY: `lend` wrote the view.
        let view = unsafe { self.view };
        // SAFETY: the caller's value outlives the call.
        unsafe { view.as_slice() }
    }
}

impl std::fmt::Debug for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sequence")
    }
}

// SAFETY: a result is owned bytes.
unsafe impl Output for Vec<u8> {
    type Repr = Sequence;
    const NAME: &'static str = "vec<u8>";

    fn give(self, _: &Keep) -> Sequence {
        Sequence { owned: RawBytes::from_bytes(self.into()) }
    }

    unsafe fn take(repr: Sequence, peer: &Keep) -> Self {
        // SAFETY: `give` wrote the owned bytes.
        let owned = unsafe { repr.owned };
        // SAFETY: a result is taken once, and `peer` is passed on.
        unsafe { owned.into_bytes(peer) }.to_vec()
    }
}

// SAFETY: as for `Vec<u8>`; the bytes are checked to be UTF-8, since the other side is not this crate's build.
unsafe impl Output for String {
    type Repr = Sequence;
    const NAME: &'static str = "string";

    fn give(self, peer: &Keep) -> Sequence {
        self.into_bytes().give(peer)
    }

    unsafe fn take(repr: Sequence, peer: &Keep) -> Self {
        // SAFETY: passed on.
        let bytes = unsafe { <Vec<u8> as Output>::take(repr, peer) };
        // A result has no way to be refused. An honest peer holds text.
        Self::from_utf8(bytes).unwrap_or_else(|error| Self::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

// SAFETY: an argument is a view of the caller's bytes.
unsafe impl Argument for Vec<u8> {
    type Repr = Sequence;
    type Value<'a> = Self;
    const NAME: &'static str = <Self as Output>::NAME;

    fn lend(value: &mut Self, _: &Keep) -> Sequence {
        Sequence::lend(value)
    }

    unsafe fn receive<'a>(repr: Sequence, _: &Keep) -> Result<Self::Value<'a>, &'static str> {
        // SAFETY: passed on.
        Ok(unsafe { repr.receive() }.to_vec())
    }
}

// SAFETY: it is copied when it is received.
unsafe impl Owned for Vec<u8> {}

// SAFETY: an argument is a view of the caller's text.
unsafe impl Argument for String {
    type Repr = Sequence;
    type Value<'a> = Self;
    const NAME: &'static str = <Self as Output>::NAME;

    fn lend(value: &mut Self, _: &Keep) -> Sequence {
        Sequence::lend(value.as_bytes())
    }

    unsafe fn receive<'a>(repr: Sequence, _: &Keep) -> Result<Self::Value<'a>, &'static str> {
        // SAFETY: passed on.
        text(unsafe { repr.receive() }).map(str::to_owned)
    }
}

// SAFETY: it is copied when it is received.
unsafe impl Owned for String {}

/// The argument type `&str`: the callee reads the caller's text.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "it has no values")]
pub enum Str {}

// SAFETY: an argument is a view of the caller's text, as for `String`.
unsafe impl Argument for Str {
    type Repr = Sequence;
    type Value<'a> = &'a str;
    const NAME: &'static str = <String as Output>::NAME;

    #[inline(always)]
    fn lend(value: &mut &str, _: &Keep) -> Sequence {
        Sequence::lend(value.as_bytes())
    }

    unsafe fn receive<'a>(repr: Sequence, _: &Keep) -> Result<Self::Value<'a>, &'static str> {
        // SAFETY: passed on.
        text(unsafe { repr.receive() })
    }
}

/// The argument type `&[u8]`: the callee reads the caller's bytes.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "it has no values")]
pub enum Octets {}

// SAFETY: an argument is a view of the caller's bytes, as for `Vec<u8>`.
unsafe impl Argument for Octets {
    type Repr = Sequence;
    type Value<'a> = &'a [u8];
    const NAME: &'static str = <Vec<u8> as Output>::NAME;

    #[inline(always)]
    fn lend(value: &mut &[u8], _: &Keep) -> Sequence {
        Sequence::lend(value)
    }

    unsafe fn receive<'a>(repr: Sequence, _: &Keep) -> Result<Self::Value<'a>, &'static str> {
        // SAFETY: passed on.
        Ok(unsafe { repr.receive() })
    }
}

fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "expected a text, found bytes that are not UTF-8")
}

/// A field of a tuple in C layout.
macro_rules! tuple {
    ($repr:ident: $($field:ident $index:tt),*) => {
        /// The representation of a tuple.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[doc(hidden)]
        pub struct $repr<$($field),*>($($field),*);

        // SAFETY: the name of a tuple is made of those of its fields, in their order.
        unsafe impl<$($field: Output),*> Output for ($($field,)*) {
            type Repr = $repr<$($field::Repr),*>;
            const NAME: &'static str =
                const { &TypeText::new().push("(")$(.push_item($field::NAME, $index))*.push(")") }.as_str();

            #[inline]
            fn give(self, peer: &Keep) -> Self::Repr {
                $repr($(self.$index.give(peer)),*)
            }

            #[inline]
            unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self {
                // SAFETY: each field was given as a part of this tuple.
                ($(unsafe { $field::take(repr.$index, peer) },)*)
            }
        }

        // SAFETY: as above.
        unsafe impl<$($field: Argument),*> Argument for ($($field,)*) {
            type Repr = $repr<$($field::Repr),*>;
            type Value<'a> = ($($field::Value<'a>,)*);
            const NAME: &'static str =
                const { &TypeText::new().push("(")$(.push_item($field::NAME, $index))*.push(")") }.as_str();

            #[inline]
            fn lend(value: &mut Self::Value<'_>, peer: &Keep) -> Self::Repr {
                $repr($($field::lend(&mut value.$index, peer)),*)
            }

            #[inline]
            unsafe fn receive<'a>(repr: Self::Repr, peer: &Keep) -> Result<Self::Value<'a>, &'static str> {
                // All are received before one is refused, so that what was handed over finds an owner.
                // SAFETY: each field was lent as a part of this tuple.
                let received = ($(unsafe { $field::receive(repr.$index, peer) },)*);
                Ok(($(received.$index?,)*))
            }
        }

        // SAFETY: no field borrows anything.
        unsafe impl<$($field: Owned),*> Owned for ($($field,)*) {}
    };
}

tuple!(Tuple1: A 0);
tuple!(Tuple2: A 0, B 1);
tuple!(Tuple3: A 0, B 1, C 2);
tuple!(Tuple4: A 0, B 1, C 2, D 3);
tuple!(Tuple5: A 0, B 1, C 2, D 3, E 4);
tuple!(Tuple6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(Tuple7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(Tuple8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// The arguments of a method: a tuple of up to twelve types that cross.
///
/// The trait is sealed: its functions turn an erased function pointer back into one with these argument types.
pub trait Arguments: sealed::Sealed + 'static {
    /// What the caller lends, and what the callee receives.
    type Values<'a>;

    /// The number by which both sides compare what they mean.
    const SIGNATURE: u64;

    /// Calls a blocking method.
    ///
    /// # Safety
    /// `entry` is the shim of a blocking method with these arguments and the result `R`; `this` is its object.
    #[doc(hidden)]
    unsafe fn call<R: Output>(
        values: Self::Values<'_>,
        entry: Erased,
        this: *const (),
        refusal: *mut RawBytes,
        peer: &Keep,
    ) -> Return<R::Repr>;

    /// Starts an asynchronous method and polls it once.
    ///
    /// # Safety
    /// As for `call`, for an asynchronous method; the three pointers are valid for this call.
    #[doc(hidden)]
    #[expect(clippy::too_many_arguments, reason = "they are what crosses, one register each")]
    unsafe fn start<R: Output>(
        values: Self::Values<'_>,
        entry: Erased,
        this: *const (),
        waker: WakerRef,
        refusal: *mut RawBytes,
        future: *mut RawFuture<R::Repr>,
        peer: &Keep,
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

#[cold]
fn malformed(reason: &'static str) -> Refusal {
    Refusal::new(RefusalKind::Malformed, Bytes::from_static(reason.as_bytes()))
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! arguments {
    ($($argument:ident),*) => {
        impl<$($argument: Argument),*> sealed::Sealed for ($($argument,)*) {}

        #[allow(
            non_snake_case,
            unused_mut,
            unused_variables,
            unused_unsafe,
            clippy::unused_unit,
            clippy::too_many_arguments,
            clippy::allow_attributes,
            reason = "type parameters name the variables, and the empty tuple uses less than the others"
        )]
        const _: () = {
            impl<$($argument: Argument),*> Arguments for ($($argument,)*) {
                type Values<'a> = ($($argument::Value<'a>,)*);
                const SIGNATURE: u64 = signature::tuple(&[$(signature::of($argument::NAME)),*]);

                #[inline(always)]
                unsafe fn call<R: Output>(
                    values: Self::Values<'_>,
                    entry: Erased,
                    this: *const (),
                    refusal: *mut RawBytes,
                    peer: &Keep,
                ) -> Return<R::Repr> {
                    type Entry<R, $($argument),*> = unsafe extern "C" fn(
                        *const (), $(<$argument as Argument>::Repr,)* *mut RawBytes,
                    ) -> Return<<R as Output>::Repr>;
                    let ($(mut $argument,)*) = values;
                    // SAFETY: the caller says that the entry has these argument and result types.
                    let entry = unsafe { std::mem::transmute::<Erased, Entry<R, $($argument),*>>(entry) };
                    // SAFETY: the arguments are lent for this call only, and live until it returns.
                    unsafe { entry(this, $($argument::lend(&mut $argument, peer),)* refusal) }
                }

                #[inline]
                unsafe fn start<R: Output>(
                    values: Self::Values<'_>,
                    entry: Erased,
                    this: *const (),
                    waker: WakerRef,
                    refusal: *mut RawBytes,
                    future: *mut RawFuture<R::Repr>,
                    peer: &Keep,
                ) -> Return<R::Repr> {
                    type Entry<R, $($argument),*> = unsafe extern "C" fn(
                        *const (), $(<$argument as Argument>::Repr,)* WakerRef,
                        *mut RawBytes, *mut RawFuture<<R as Output>::Repr>,
                    ) -> Return<<R as Output>::Repr>;
                    let ($(mut $argument,)*) = values;
                    // SAFETY: the caller says that the entry has these argument and result types.
                    let entry = unsafe { std::mem::transmute::<Erased, Entry<R, $($argument),*>>(entry) };
                    // SAFETY: the arguments are lent for this call only, and live until it returns.
                    unsafe { entry(this, $($argument::lend(&mut $argument, peer),)* waker, refusal, future) }
                }
            }

            unsafe extern "C" fn blocking<T, M, $($argument: Argument),*>(
                this: *const (), $($argument: $argument::Repr,)* refusal: *mut RawBytes,
            ) -> Return<<M::Output as Output>::Repr>
            where
                M: Call<T, Arguments = ($($argument,)*)>,
            {
                // SAFETY: the caller passes an object of this type, and keeps it alive.
                let Local { value, peer } = unsafe { &*this.cast::<Local<T>>() };
                shim::answer(refusal, peer, || {
                    // All are received before one is refused, so that what was handed over finds an owner.
                    // SAFETY: each argument was lent for this call, and is received once.
                    let ($($argument,)*) = ($(unsafe { $argument::receive($argument, peer) },)*);
                    let arguments = ($($argument.map_err(malformed)?,)*);
                    M::call(value, arguments).map_err(shim::into_refusal)
                })
            }

            impl<T, M, $($argument: Argument),*> BlockingShim<T, M> for ($($argument,)*)
            where
                M: Call<T, Arguments = ($($argument,)*)>,
            {
                // SAFETY: only `Arguments::call` of the same tuple uses it, and restores this type.
                const SHIM: Erased = unsafe {
                    std::mem::transmute::<
                        unsafe extern "C" fn(
                            *const (), $($argument::Repr,)* *mut RawBytes,
                        ) -> Return<<M::Output as Output>::Repr>,
                        Erased,
                    >(blocking::<T, M, $($argument),*>)
                };
            }

            unsafe extern "C" fn asynchronous<T, M, $($argument: Owned),*>(
                this: *const (), $($argument: $argument::Repr,)* waker: WakerRef,
                refusal: *mut RawBytes,
                future: *mut RawFuture<<M::Output as Output>::Repr>,
            ) -> Return<<M::Output as Output>::Repr>
            where
                T: 'static,
                M: CallAsync<T, Arguments = ($($argument,)*)>,
            {
                // SAFETY: the caller passes an object of this type, and keeps it alive until the future has ended.
                let Local { value, peer } = unsafe { &*this.cast::<Local<T>>() };
                shim::begin::<M>((waker, peer), refusal, future, || {
                    // SAFETY: each argument was lent for this call, is received once, and borrows nothing.
                    let ($($argument,)*) = ($(unsafe { $argument::receive($argument, peer) },)*);
                    let arguments = ($($argument.map_err(malformed)?,)*);
                    Ok(runtime::place(this, M::call(value, arguments)?))
                })
            }

            impl<T, M, $($argument: Owned),*> AsyncShim<T, M> for ($($argument,)*)
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
                            *mut RawFuture<<M::Output as Output>::Repr>,
                        ) -> Return<<M::Output as Output>::Repr>,
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
