//! What a plugin offers for a method, and what a host expects of it.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;

use crate::buffer::Text;
use crate::cross::{Arguments, AsyncShim, BlockingShim, Output};
use crate::future::BoxFuture;
use crate::parcel::Parcel;
use crate::shim::{Erased, Refusal, Reply};
use crate::signature;

/// A blocking method of the plugin type `T`.
pub trait Call<T>: 'static {
    /// The arguments after `&self`.
    type Arguments: Arguments;
    /// The result.
    type Output: Output;
    /// The error.
    type Error: Into<Refusal>;

    /// Calls the method.
    ///
    /// # Errors
    /// What the plugin refused to do.
    fn call(
        this: &T,
        arguments: <Self::Arguments as Arguments>::Values<'_>,
    ) -> Result<Self::Output, Self::Error>;
}

/// What becomes of the outcome of an asynchronous method.
pub trait Conclude: 'static {
    /// What the method's future yields.
    type Pending: Send + 'static;
    /// The result.
    type Output: Output;

    /// Makes what crosses of what the future yielded.
    ///
    /// # Errors
    /// What the plugin refused to do.
    fn conclude(pending: Self::Pending) -> Reply<Self::Output>;
}

/// An asynchronous method of the plugin type `T`.
pub trait CallAsync<T>: Conclude {
    /// The arguments after `&self`.
    type Arguments: Arguments;

    /// Starts the method.
    ///
    /// # Errors
    /// The arguments cannot be read.
    fn call<'a>(
        this: &'a T,
        arguments: <Self::Arguments as Arguments>::Values<'static>,
    ) -> Reply<BoxFuture<'a, Self::Pending>>;
}

/// Whether a method blocks its caller or returns a future.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `async fn`.
    Async = 1,
    /// `fn`.
    Blocking = 0,
}

/// How a call reaches the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Both sides agree on every type: the arguments cross as they are.
    Direct,
    /// They agree on the schema only: the arguments cross as an encoded message.
    Encoded,
}

/// One method of a plugin's table.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MethodEntry {
    pub(crate) name: Text,
    /// Stands for the types of arguments and result, and for the arguments' numbers on the wire.
    pub(crate) signature: u64,
    pub(crate) mode: u32,
    /// Stands for what arguments and result are in the schema, where that is known: what crosses as a message has one
    /// signature, whatever it holds. 0 if it is not known.
    pub(crate) types: u32,
    pub(crate) direct: Erased,
    pub(crate) encoded: Erased,
}

/// One method that a plugin of the type `T` offers. Only the two constructors make one, so its code fits the type.
#[repr(transparent)]
pub struct Offered<T> {
    pub(crate) entry: MethodEntry,
    _plugin: PhantomData<fn(&T)>,
}

impl<T> Offered<T> {
    /// A blocking method: `M` with its own types, `E` with encoded messages. `fields` stands for the numbers of the
    /// arguments on the wire, see [`signature::fields`], and `types` for what is in them, see [`signature::types`].
    pub const fn blocking<M, E>(name: &'static str, fields: u64, types: u32) -> Self
    where
        M: Call<T>,
        M::Arguments: BlockingShim<T, M>,
        E: Call<T, Arguments = (Parcel,), Output = Parcel>,
    {
        let direct = <M::Arguments as BlockingShim<T, M>>::SHIM;
        let encoded = <(Parcel,) as BlockingShim<T, E>>::SHIM;
        Self::new::<M::Arguments, M::Output>(name, [fields, types as u64], Mode::Blocking, [direct, encoded])
    }

    /// An asynchronous method: `M` with its own types, `E` with encoded messages.
    pub const fn asynchronous<M, E>(name: &'static str, fields: u64, types: u32) -> Self
    where
        T: 'static,
        M: CallAsync<T>,
        M::Arguments: AsyncShim<T, M>,
        E: CallAsync<T, Arguments = (Parcel,), Output = Parcel>,
    {
        let direct = <M::Arguments as AsyncShim<T, M>>::SHIM;
        let encoded = <(Parcel,) as AsyncShim<T, E>>::SHIM;
        Self::new::<M::Arguments, M::Output>(name, [fields, types as u64], Mode::Async, [direct, encoded])
    }

    const fn new<A: Arguments, R: Output>(
        name: &'static str,
        [fields, types]: [u64; 2],
        mode: Mode,
        [direct, encoded]: [Erased; 2],
    ) -> Self {
        let entry = MethodEntry {
            name: Text::new(name),
            signature: signature::method(A::SIGNATURE, <R as Output>::NAME, fields),
            mode: mode as u32,
            types: types as u32,
            direct,
            encoded,
        };
        Self { entry, _plugin: PhantomData }
    }
}

impl<T> Clone for Offered<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Offered<T> {}

impl<T> fmt::Debug for Offered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}

impl MethodEntry {
    /// The name of the method in the schema.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the method blocks; `None` if the table says something that this version does not know.
    pub fn mode(&self) -> Option<Mode> {
        match self.mode {
            0 => Some(Mode::Blocking),
            1 => Some(Mode::Async),
            _ => None,
        }
    }

    pub(crate) fn entry(&self, lane: Lane) -> Erased {
        match lane {
            Lane::Direct => self.direct,
            Lane::Encoded => self.encoded,
        }
    }

    /// The lane on which a host that expects `spec` can call this method.
    pub(crate) fn lane(&self, spec: &MethodSpec) -> Lane {
        if spec.signature == self.signature { Lane::Direct } else { Lane::Encoded }
    }
}

impl MethodEntry {
    /// Whether it is known to take or give other types than a caller that expects `spec`, though they cross alike.
    pub(crate) fn differs(&self, spec: &MethodSpec) -> bool {
        let is_known = self.types != 0 && spec.types != 0;
        is_known && self.types != spec.types
    }
}

impl fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodEntry")
            .field("name", &self.name())
            .field("signature", &self.signature)
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// What a host expects of one method.
#[derive(Clone, Copy, Debug)]
pub struct MethodSpec {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    signature: u64,
    types: u32,
    /// Whether a plugin may lack the method, since the host has a default for it.
    pub(crate) is_optional: bool,
    pub(crate) id: fn() -> TypeId,
}

impl MethodSpec {
    /// Describes a method by its types, what stands for its arguments' numbers, and for what is in them.
    pub const fn new<A: Arguments, R: Output>(
        name: &'static str,
        mode: Mode,
        fields: u64,
        types: u32,
    ) -> Self {
        let is_blocking = matches!(mode, Mode::Blocking);
        Self {
            name,
            mode,
            signature: signature::method(A::SIGNATURE, <R as Output>::NAME, fields),
            types,
            is_optional: false,
            id: if is_blocking { identity::<A, R, true> } else { identity::<A, R, false> },
        }
    }

    /// The same, of a method that a plugin may lack.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The name of the method in the schema.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the method blocks.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What stands for its types and its arguments' numbers, see [`signature`].
    pub const fn signature(&self) -> u64 {
        self.signature
    }
}

/// The identity of a method's types and mode inside one build; it never crosses.
#[inline(always)]
pub(crate) fn identity<A: Arguments, R: Output, const BLOCKING: bool>() -> TypeId {
    if BLOCKING { TypeId::of::<fn(A) -> R>() } else { TypeId::of::<fn(A) -> BoxFuture<'static, R>>() }
}
