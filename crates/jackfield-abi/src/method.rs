//! What a plugin offers for a method, and what a host expects of it.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;

use crate::buffer::{Slice, Text};
use crate::cross::{Arguments, AsyncShim, BlockingShim, Cross};
use crate::future::BoxFuture;
use crate::shim::{Erased, Refusal};

/// A blocking method of the plugin type `T`.
pub trait Call<T>: 'static {
    /// The arguments after `&self`.
    type Arguments: Arguments;
    /// The result.
    type Output: Cross;
    /// The error.
    type Error: Into<Refusal>;

    /// Calls the method.
    ///
    /// # Errors
    /// What the plugin refused to do.
    fn call(this: &T, arguments: Self::Arguments) -> Result<Self::Output, Self::Error>;
}

/// An asynchronous method of the plugin type `T`.
pub trait CallAsync<T>: 'static {
    /// The arguments after `&self`.
    type Arguments: Arguments;
    /// The result.
    type Output: Cross + Send;
    /// The error.
    type Error: Into<Refusal> + Send + 'static;

    /// Starts the method.
    fn call(this: &T, arguments: Self::Arguments) -> BoxFuture<'_, Result<Self::Output, Self::Error>>;
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
    pub(crate) arguments: Slice<Text>,
    pub(crate) output: Text,
    pub(crate) mode: u32,
    pub(crate) reserved: u32,
    pub(crate) fields: u64,
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
    /// arguments on the wire, see [`fingerprint`].
    pub const fn blocking<M, E>(name: &'static str, fields: u64) -> Self
    where
        M: Call<T>,
        M::Arguments: BlockingShim<T, M>,
        E: Call<T, Arguments = (Bytes,), Output = Bytes>,
    {
        let direct = <M::Arguments as BlockingShim<T, M>>::SHIM;
        let encoded = <(Bytes,) as BlockingShim<T, E>>::SHIM;
        Self::new::<M::Arguments, M::Output>(name, fields, Mode::Blocking, [direct, encoded])
    }

    /// An asynchronous method: `M` with its own types, `E` with encoded messages.
    pub const fn asynchronous<M, E>(name: &'static str, fields: u64) -> Self
    where
        T: 'static,
        M: CallAsync<T>,
        M::Arguments: AsyncShim<T, M>,
        E: CallAsync<T, Arguments = (Bytes,), Output = Bytes>,
    {
        let direct = <M::Arguments as AsyncShim<T, M>>::SHIM;
        let encoded = <(Bytes,) as AsyncShim<T, E>>::SHIM;
        Self::new::<M::Arguments, M::Output>(name, fields, Mode::Async, [direct, encoded])
    }

    const fn new<A: Arguments, R: Cross>(
        name: &'static str,
        fields: u64,
        mode: Mode,
        [direct, encoded]: [Erased; 2],
    ) -> Self {
        let entry = MethodEntry {
            name: Text::new(name),
            arguments: Slice::new(A::NAMES),
            output: Text::new(R::NAME),
            mode: mode as u32,
            reserved: 0,
            fields,
            direct,
            encoded,
        };
        Self { entry, _plugin: PhantomData }
    }
}

impl<T> fmt::Debug for Offered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}

/// Stands for a list of field numbers (FNV-1a, 64 bits): arguments in another order must not cross directly, where
/// only their place counts.
pub const fn fingerprint(fingerprint: u64, number: u32) -> u64 {
    let mut hash = fingerprint;
    let bytes = number.to_le_bytes();
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

/// The fingerprint of no field at all.
pub const NO_FIELDS: u64 = 0xcbf2_9ce4_8422_2325;

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
        let arguments = self.arguments.as_slice().iter().map(Text::as_str);
        let is_same = spec.arguments.iter().map(Text::as_str).eq(arguments)
            && spec.output == self.output.as_str()
            && spec.fields == self.fields;
        if is_same { Lane::Direct } else { Lane::Encoded }
    }
}

impl fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodEntry")
            .field("name", &self.name())
            .field("arguments", &self.arguments)
            .field("output", &self.output.as_str())
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// What a host expects of one method.
#[derive(Clone, Copy, Debug)]
pub struct MethodSpec {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    arguments: &'static [Text],
    output: &'static str,
    fields: u64,
    pub(crate) id: fn() -> TypeId,
}

impl MethodSpec {
    /// Describes a method by its types and the [`fingerprint`] of its arguments' numbers.
    pub const fn new<A: Arguments, R: Cross>(name: &'static str, mode: Mode, fields: u64) -> Self {
        let is_blocking = matches!(mode, Mode::Blocking);
        Self {
            name,
            mode,
            arguments: A::NAMES,
            output: R::NAME,
            fields,
            id: if is_blocking { signature::<A, R, true> } else { signature::<A, R, false> },
        }
    }

    /// The name of the method in the schema.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the method blocks.
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}

/// The identity of a method's types and mode inside one build; it never crosses.
#[inline(always)]
pub(crate) fn signature<A: Arguments, R: Cross, const BLOCKING: bool>() -> TypeId {
    if BLOCKING { TypeId::of::<fn(A) -> R>() } else { TypeId::of::<fn(A) -> BoxFuture<'static, R>>() }
}
