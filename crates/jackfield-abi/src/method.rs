//! What a plugin offers for a method, and what a host expects of it.

use std::any::TypeId;
use std::fmt;

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
    type Output: Cross;
    /// The error.
    type Error: Into<Refusal> + 'static;

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
    pub(crate) direct: Erased,
    pub(crate) encoded: Erased,
}

impl MethodEntry {
    /// The entry of a blocking method: `M` with its own types, `E` with encoded messages.
    pub const fn blocking<T, M, E>(name: &'static str) -> Self
    where
        M: Call<T>,
        M::Arguments: BlockingShim<T, M>,
        E: Call<T, Arguments = (Bytes,), Output = Bytes>,
    {
        Self {
            name: Text::new(name),
            arguments: Slice::new(M::Arguments::NAMES),
            output: Text::new(M::Output::NAME),
            mode: Mode::Blocking as u32,
            reserved: 0,
            direct: <M::Arguments as BlockingShim<T, M>>::SHIM,
            encoded: <(Bytes,) as BlockingShim<T, E>>::SHIM,
        }
    }

    /// The entry of an asynchronous method: `M` with its own types, `E` with encoded messages.
    pub const fn asynchronous<T, M, E>(name: &'static str) -> Self
    where
        T: 'static,
        M: CallAsync<T>,
        M::Arguments: AsyncShim<T, M>,
        E: CallAsync<T, Arguments = (Bytes,), Output = Bytes>,
    {
        Self {
            name: Text::new(name),
            arguments: Slice::new(M::Arguments::NAMES),
            output: Text::new(M::Output::NAME),
            mode: Mode::Async as u32,
            reserved: 0,
            direct: <M::Arguments as AsyncShim<T, M>>::SHIM,
            encoded: <(Bytes,) as AsyncShim<T, E>>::SHIM,
        }
    }

    /// The name of the method in the schema.
    pub fn name(&self) -> &'static str {
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
        let mut arguments = self.arguments.as_slice().iter().map(Text::as_str);
        let same =
            spec.arguments.iter().map(Text::as_str).eq(&mut arguments) && spec.output == self.output.as_str();
        if same { Lane::Direct } else { Lane::Encoded }
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
    pub(crate) id: fn() -> TypeId,
}

impl MethodSpec {
    /// Describes a method by its types.
    pub const fn new<A: Arguments, R: Cross>(name: &'static str, mode: Mode) -> Self {
        let is_blocking = matches!(mode, Mode::Blocking);
        Self {
            name,
            mode,
            arguments: A::NAMES,
            output: R::NAME,
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
