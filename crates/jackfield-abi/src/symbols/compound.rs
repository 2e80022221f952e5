//! Values that are made of others: tuples, choices, and types of the user's own.

use std::fmt;
use std::mem::MaybeUninit;

use super::portable::Portable;
use crate::buffer::Keep;
use crate::type_text::TypeText;

/// A type that crosses as another one, under a text of its own. `#[derive(Portable)]` implements it for a struct, which
/// crosses as the tuple of its fields.
///
/// A type of this trait is [`Portable`].
pub trait CrossesAs: Sized + Send + 'static {
    /// What it crosses as.
    type As: Portable;
    /// The text of the type. It says at least what the text of the other type says.
    const NAME: &'static str;

    /// The other value.
    fn into_other(self) -> Self::As;

    /// The value again.
    fn from_other(other: Self::As) -> Self;
}

// SAFETY: the text says at least what that of the other type says, whose representation it is.
unsafe impl<T: CrossesAs> Portable for T {
    type Repr = <T::As as Portable>::Repr;
    const NAME: &'static str = T::NAME;
    const NEEDS_PEER: bool = T::As::NEEDS_PEER;

    fn give(self, peer: &Keep) -> Self::Repr {
        self.into_other().give(peer)
    }

    unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self {
        // SAFETY: passed on.
        Self::from_other(unsafe { T::As::take(repr, peer) })
    }
}

macro_rules! tuple {
    ($repr:ident: $($field:ident $index:tt),*) => {
        /// The representation of a tuple.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[doc(hidden)]
        pub struct $repr<$($field),*>($($field),*);

        // SAFETY: the text names the fields in their order, each of which has one representation.
        unsafe impl<$($field: Portable),*> Portable for ($($field,)*) {
            type Repr = $repr<$($field::Repr),*>;
            const NAME: &'static str = const {
                &TypeText::new().push("(")$(.push_item($field::NAME, $index))*.push(")")
            }
            .as_str();
            const NEEDS_PEER: bool = false $(|| $field::NEEDS_PEER)*;

            fn give(self, peer: &Keep) -> Self::Repr {
                $repr($(self.$index.give(peer)),*)
            }

            unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self {
                // SAFETY: each field was given as a part of this tuple.
                ($(unsafe { $field::take(repr.$index, peer) },)*)
            }
        }
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
tuple!(Tuple9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(Tuple10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(Tuple11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(Tuple12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

/// The representation of one of two values: the first where `which` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Choice<A: Copy, B: Copy> {
    pub(crate) which: u32,
    pub(crate) first: MaybeUninit<A>,
    pub(crate) second: MaybeUninit<B>,
}

impl<A: Copy, B: Copy> Choice<A, B> {
    fn first(value: A) -> Self {
        Self { which: 0, first: MaybeUninit::new(value), second: MaybeUninit::uninit() }
    }

    fn second(value: B) -> Self {
        Self { which: 1, first: MaybeUninit::uninit(), second: MaybeUninit::new(value) }
    }
}

impl<A: Copy, B: Copy> fmt::Debug for Choice<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice").field("which", &self.which).finish_non_exhaustive()
    }
}

// SAFETY: the text names both types, each of which has one representation.
unsafe impl<T: Portable, E: Portable> Portable for Result<T, E> {
    type Repr = Choice<T::Repr, E::Repr>;
    const NAME: &'static str =
        const { &TypeText::new().push("Result<").push(T::NAME).push(", ").push(E::NAME).push(">") }.as_str();
    const NEEDS_PEER: bool = T::NEEDS_PEER || E::NEEDS_PEER;

    fn give(self, peer: &Keep) -> Self::Repr {
        match self {
            Ok(value) => Choice::first(value.give(peer)),
            Err(error) => Choice::second(error.give(peer)),
        }
    }

    unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self {
        if repr.which == 0 {
            // SAFETY: `give` wrote the first.
            let value = unsafe { repr.first.assume_init() };
            // SAFETY: it was given as a part of this one.
            Ok(unsafe { T::take(value, peer) })
        } else {
            // SAFETY: `give` wrote the second.
            let error = unsafe { repr.second.assume_init() };
            // SAFETY: it was given as a part of this one.
            Err(unsafe { E::take(error, peer) })
        }
    }
}

// SAFETY: as for a `Result` whose error is nothing, under another name.
unsafe impl<T: Portable> Portable for Option<T> {
    type Repr = <Result<T, ()> as Portable>::Repr;
    const NAME: &'static str = const { &TypeText::new().push("Option<").push(T::NAME).push(">") }.as_str();
    const NEEDS_PEER: bool = T::NEEDS_PEER;

    fn give(self, peer: &Keep) -> Self::Repr {
        self.ok_or(()).give(peer)
    }

    unsafe fn take(repr: Self::Repr, peer: &Keep) -> Self {
        // SAFETY: passed on.
        unsafe { Result::<T, ()>::take(repr, peer) }.ok()
    }
}
