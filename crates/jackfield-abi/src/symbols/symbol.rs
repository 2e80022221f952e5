//! One entry of a plugin's symbol table.

use std::ffi::c_void;
use std::fmt;

use super::exported::{Function, Get, Set, Update, Variable};
use super::func::Func;
use super::portable::Portable;
use super::signature::{Exporting, Signature};
use crate::buffer::{Keep, Text};
use crate::shim::{Erased, Reply};

/// One entry of a plugin's symbol table: a function or a variable under a name, with the text of its type.
///
/// Each of the functions takes `data` before its own arguments and a place for a refusal behind them, catches panics,
/// and may be called on any thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Symbol {
    pub(crate) name: Text,
    pub(crate) ty: Text,
    pub(crate) kind: u32,
    pub(crate) reserved: u32,
    pub(crate) data: *const c_void,
    /// Of a function: to call it. Of a variable: to get, to set and to update it.
    pub(crate) functions: [Option<Erased>; 3],
}

/// What a symbol is.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A function.
    Function = 0,
    /// A variable.
    Variable = 1,
}

impl Symbol {
    /// The entry of a function.
    pub const fn function<M: Function>() -> Self
    where
        M::Signature: Exporting<M>,
    {
        let call = <M::Signature as Exporting<M>>::EXPORTED;
        Self::new(M::NAME, <M::Signature as Signature>::NAME, Kind::Function, [Some(call), None, None])
    }

    /// The entry of a variable.
    pub const fn variable<M: Variable>() -> Self {
        let functions = [
            Some(<fn() -> M::Value as Exporting<Get<M>>>::EXPORTED),
            Some(<fn(M::Value) as Exporting<Set<M>>>::EXPORTED),
            Some(<fn(Func<fn(M::Value) -> M::Value>) as Exporting<Update<M>>>::EXPORTED),
        ];
        Self::new(M::NAME, <M::Value as Portable>::NAME, Kind::Variable, functions)
    }

    const fn new(name: &'static str, ty: &'static str, kind: Kind, functions: [Option<Erased>; 3]) -> Self {
        let data = std::ptr::NonNull::<()>::dangling().as_ptr().cast_const().cast();
        Self { name: Text::new(name), ty: Text::new(ty), kind: kind as u32, reserved: 0, data, functions }
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The text of the type: of a function, or of a variable's value.
    pub fn ty(&self) -> &str {
        self.ty.as_str()
    }

    /// What it is; `None` if the table says something that this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        match self.kind {
            0 => Some(Kind::Function),
            1 => Some(Kind::Variable),
            _ => None,
        }
    }

    /// What a host calls, if the entry has all that its kind has.
    pub fn target(&self) -> Option<Target> {
        let [first, second, third] = self.functions;
        let first = first?;
        let (second, third) = match self.kind()? {
            Kind::Function => (first, first),
            Kind::Variable => (second?, third?),
        };
        Some(Target { data: self.data, functions: [first, second, third] })
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbol")
            .field("name", &self.name())
            .field("ty", &self.ty())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

// SAFETY: an entry is a constant, and its functions may be called on any thread.
unsafe impl Send for Symbol {}
// SAFETY: as above.
unsafe impl Sync for Symbol {}

/// What a host calls of a symbol.
#[derive(Clone, Copy)]
pub struct Target {
    data: *const c_void,
    functions: [Erased; 3],
}

/// Which function of a symbol is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Calls a function, or reads a variable.
    Call = 0,
    /// Writes a variable.
    Set = 1,
    /// Changes a variable under its lock.
    Update = 2,
}

impl Target {
    pub(super) fn of_function(data: *const c_void, call: Erased) -> Self {
        Self { data, functions: [call; 3] }
    }

    /// Calls one of the functions, as a function of the type `S`.
    ///
    /// # Errors
    ///
    /// It refused or panicked.
    ///
    /// # Safety
    ///
    /// The symbol is of the kind that has this operation, with this type; its library is mapped during the call, and `peer`
    /// keeps it so for values that [need it](super::Portable::NEEDS_PEER).
    #[inline(always)]
    pub unsafe fn call<S: Signature>(
        &self,
        operation: Operation,
        arguments: S::Arguments,
        peer: &Keep,
    ) -> Reply<S::Output> {
        // SAFETY: the caller says so.
        unsafe { S::call(arguments, self.functions[operation as usize], self.data, peer) }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("data", &self.data).finish_non_exhaustive()
    }
}

// SAFETY: the functions may be called on any thread.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}
