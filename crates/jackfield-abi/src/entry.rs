//! What a plugin exports: one entry, with an export for each interface.

use std::ffi::c_void;

use crate::buffer::{RawBytes, Slice};
use crate::context::{Context, RawContext};
use crate::host::{self, Attachment, HostTable};
use crate::method::{MethodEntry, Offered};
use crate::object::{Local, Table};
use crate::runtime::{self, Launch};
use crate::shim::{self, Refusal, RefusalKind, RefusalPlace, Reply, Return};
use crate::symbols::{InitHook, Symbol};

/// What a plugin exports under the symbol that its note names.
///
/// The host reads the note, which carries the same version, before it loads the library; `magic` and `size` catch
/// a symbol that belongs to something else.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    pub(crate) magic: [u8; 8],
    pub(crate) abi: u32,
    pub(crate) size: u32,
    pub(crate) note: Slice<u8>,
    pub(crate) exports: Slice<Export>,
    pub(crate) attach: unsafe extern "C" fn(*const Self, *const HostTable),
    pub(crate) detach: unsafe extern "C" fn(*const Self),
    /// What the plugin's door does at either: in the library's own code, and never called by the host.
    pub(crate) doors: [Option<extern "C" fn()>; 2],
    pub(crate) symbols: Slice<Symbol>,
    pub(crate) init: Option<InitHook>,
}

impl Entry {
    /// The entry of a plugin with this note and these exports.
    pub const fn new(note: &'static [u8], exports: &'static [Export]) -> Self {
        Self {
            magic: MAGIC,
            abi: ABI_VERSION,
            size: size_of::<Self>() as u32,
            note: Slice::new(note),
            exports: Slice::new(exports),
            attach: attach_library,
            detach: detach_library,
            doors: [None, None],
            symbols: Slice::new(&[]),
            init: None,
        }
    }

    /// Calls `attached` when the library has been attached to a host, and `detached` before it is unmapped. Neither is
    /// called for an entry that is linked statically.
    #[must_use]
    pub const fn with_doors(mut self, attached: extern "C" fn(), detached: extern "C" fn()) -> Self {
        self.doors = [Some(attached), Some(detached)];
        self
    }

    /// The entry with these symbols.
    #[must_use]
    pub const fn with_symbols(self, symbols: &'static [Symbol]) -> Self {
        Self { symbols: Slice::new(symbols), ..self }
    }

    /// Whether this is the entry of a plugin whose layout this version knows.
    pub fn is_known(&self) -> bool {
        self.magic == MAGIC && self.abi == ABI_VERSION && self.size as usize >= size_of::<Self>()
    }

    /// The plugin's own note.
    pub fn note(&self) -> &[u8] {
        self.note.as_slice()
    }

    /// The interfaces that the plugin implements.
    pub fn exports(&self) -> &[Export] {
        self.exports.as_slice()
    }

    /// The functions and variables that the plugin exports by name.
    pub fn symbols(&self) -> &[Symbol] {
        self.symbols.as_slice()
    }

    /// Prepares a library that was just loaded. The host calls it once, before anything else; it is not called for
    /// an entry that is linked statically, whose panic hook and log are the host's own.
    ///
    /// # Safety
    /// The attachment outlives everything that the library runs.
    pub unsafe fn attach(&self, host: &Attachment) {
        // SAFETY: the constructor took the function of the same build as the rest of the entry.
        unsafe { (self.attach)(self, host.table()) }
    }

    /// Lets a library give back what it holds for itself. Nothing of the plugin is left, save threads that it started.
    pub fn detach(&self) {
        // SAFETY: the constructor took the function of the same build as the rest of the entry.
        unsafe { (self.detach)(self) }
    }
}

unsafe extern "C" fn attach_library(entry: *const Entry, table: *const HostTable) {
    // SAFETY: the caller says so.
    unsafe { host::attach(table) };
    crate::panic::forward_panics();
    #[cfg(not(loom))]
    crate::hot::leave_threads_alone();
    // SAFETY: the host passes the entry whose function this is.
    if let Some(attached) = unsafe { &*entry }.doors[0] {
        attached();
    }
}

unsafe extern "C" fn detach_library(entry: *const Entry) {
    // SAFETY: the host passes the entry whose function this is.
    if let Some(detached) = unsafe { &*entry }.doors[1] {
        detached();
    }
    crate::panic::forget_all();
    runtime::forget_all();
    #[cfg(not(loom))]
    crate::hot::free_unused();
}

/// One interface of a plugin.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Export {
    pub(crate) table: Table,
    pub(crate) create: unsafe extern "C" fn(*const RawContext, *mut RawBytes) -> Return<*mut c_void>,
}

impl Export {
    /// An export of the interface `service`, whose objects of the type `T` are made by `create`, which must be a
    /// function or a closure without captures. They live at a runtime of the kind `L`.
    pub const fn new<T, E, F, L>(service: &'static str, methods: &'static [Offered<T>], create: F) -> Self
    where
        L: Launch,
        T: Send + Sync + 'static,
        E: Into<Refusal>,
        F: Fn(&Context) -> Result<T, E> + Copy + Send + Sync + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a constructor cannot capture anything") };
        let _ = create;
        Self { table: Table::new(service, methods), create: create_object::<T, E, F, L> }
    }

    /// The name of the interface.
    pub fn service(&self) -> &str {
        self.table.service()
    }

    /// The methods, in the plugin's order.
    pub fn methods(&self) -> &[MethodEntry] {
        self.table.methods()
    }

    /// Constructs the plugin's object.
    pub(crate) fn construct(&self, context: &Context, peer: &crate::Keep) -> Reply<*mut c_void> {
        let mut refusal = RefusalPlace::uninit();
        // SAFETY: both pointers are valid for the call.
        let returned = context.lend(peer, |raw| unsafe { (self.create)(raw, refusal.as_mut_ptr()) });
        // SAFETY: this is the outcome of the call above. A refusal is copied out of the library by the caller.
        match unsafe { shim::read::<Pointer>(returned, &refusal, &None) } {
            Some(reply) => reply.map(|pointer| pointer.0),
            None => Err(Refusal::new(RefusalKind::Unknown, "a constructor cannot be pending")),
        }
    }
}

unsafe extern "C" fn create_object<T, E, F, L>(
    context: *const RawContext,
    refusal: *mut RawBytes,
) -> Return<*mut c_void>
where
    E: Into<Refusal>,
    F: Fn(&Context) -> Result<T, E> + Copy + Send + Sync,
    L: Launch,
{
    shim::answer(refusal, &None, || {
        // SAFETY: the host lends the context for this call.
        let raw = unsafe { &*context };
        // SAFETY: as above.
        let context = unsafe { raw.receive() };
        // SAFETY: `Export::new` was given a value of this type, which is `Copy` and has no size: this is a copy.
        let create = unsafe { std::ptr::NonNull::<F>::dangling().read() };
        let make = || create(&context).map(|object| Local::hand_over(object, None)).map_err(Into::into);
        runtime::make::<L, c_void>(context.plugin(), make).map(Pointer)
    })
}

/// A pointer as a result.
struct Pointer(*mut c_void);

// SAFETY: it is a pointer, and both sides pass it on untouched.
unsafe impl crate::Output for Pointer {
    type Repr = *mut c_void;
    const NAME: &'static str = "pointer";

    fn give(self, _: &crate::Keep) -> *mut c_void {
        self.0
    }

    unsafe fn take(repr: *mut c_void, _: &crate::Keep) -> Self {
        Self(repr)
    }
}

crate::cross::argument_by_giving!(Pointer: Pointer(std::ptr::null_mut()));

/// The first bytes of every entry.
pub const MAGIC: [u8; 8] = *b"JACKFLD\n";

/// The version of this layout. Any change to a type that crosses changes it.
pub const ABI_VERSION: u32 = 2;
