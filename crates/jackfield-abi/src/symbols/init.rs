//! The hook that a plugin runs when it is loaded, and what it can ask of its host there.

use std::ffi::c_void;
use std::fmt;

use super::func::{Func, Offered, RawFunc, Registered};
use super::outcome::{self, Outcome};
use super::portable::Portable as _;
use super::signature::Signature;
use crate::buffer::{Keep, RawBytes, View};
use crate::context::{Context, RawContext};
use crate::entry::Entry;
use crate::shim::{Refusal, RefusalKind, RefusalPlace, Reply};

/// What a plugin is given when it is loaded: its context, the functions of its host, and a place to register its own.
pub struct Init<'a> {
    context: Context,
    raw: &'a RawInit,
}

impl Init<'_> {
    /// The plugin's name and configuration.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// A function that the host offers under this name.
    ///
    /// # Errors
    ///
    /// The host offers none of this name, or one of another type.
    pub fn host<S: Signature>(&self, name: &str) -> Reply<Func<S>> {
        let mut place = RefusalPlace::uninit();
        let (name, ty) = (View::new(name.as_bytes()), View::new(S::NAME.as_bytes()));
        // SAFETY: the host made the function for this value, and all is alive during the call.
        let outcome = unsafe { (self.raw.find)(self.raw.host, name, ty, place.as_mut_ptr()) };
        // SAFETY: this is the outcome of the call above.
        let raw = unsafe { outcome::read(outcome, &place, &None) }?;
        // SAFETY: the host gave a function of this type. It is the host's own, which outlives this library.
        Ok(unsafe { Func::take(raw, &None) })
    }

    /// Registers a function under a name: the host finds it there as if it were exported.
    ///
    /// # Errors
    ///
    /// The host has a function of this name already.
    pub fn register<S: Signature>(&mut self, name: &str, function: Func<S>) -> Reply<()> {
        let mut place = RefusalPlace::uninit();
        let (name, ty) = (View::new(name.as_bytes()), View::new(S::NAME.as_bytes()));
        let function = function.give(&None);
        // SAFETY: the host made the function for this value, and all is alive during the call.
        let outcome = unsafe { (self.raw.register)(self.raw.host, name, ty, function, place.as_mut_ptr()) };
        // SAFETY: this is the outcome of the call above.
        unsafe { outcome::read(outcome, &place, &None) }.map(drop)
    }
}

impl fmt::Debug for Init<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Init").field("context", &self.context).finish_non_exhaustive()
    }
}

/// What a plugin's `init` can ask of its host.
pub trait Host: Sync {
    /// A function of this name and type.
    ///
    /// # Errors
    ///
    /// Why there is none, for people.
    fn find(&self, name: &str, ty: &str) -> Result<Offered, String>;

    /// Keeps a function of the plugin under a name.
    ///
    /// # Errors
    ///
    /// Why it cannot, for people.
    fn register(&self, name: &str, function: Registered) -> Result<(), String>;
}

/// The hook: it is lent what an [`Init`] is made of, and a place for a refusal.
pub(crate) type InitHook = unsafe extern "C" fn(*const RawInit, *mut RawBytes) -> Outcome<u8>;

/// An [`Init`] in C layout, lent for one call. `size` lets a later version append fields.
#[repr(C)]
pub(crate) struct RawInit {
    pub(crate) size: usize,
    pub(crate) context: *const RawContext,
    pub(crate) host: *const c_void,
    pub(crate) find: unsafe extern "C" fn(*const c_void, View, View, *mut RawBytes) -> Outcome<RawFunc>,
    pub(crate) register:
        unsafe extern "C" fn(*const c_void, View, View, RawFunc, *mut RawBytes) -> Outcome<u8>,
}

impl Entry {
    /// The entry with a hook that runs when the plugin is loaded. `init` must be a function or a closure without
    /// captures.
    #[must_use]
    pub const fn with_init<E, F>(self, init: F) -> Self
    where
        E: Into<Refusal>,
        F: Fn(&mut Init<'_>) -> Result<(), E> + Copy + Send + Sync + 'static,
    {
        const { assert!(size_of::<F>() == 0, "`init` cannot capture anything") };
        let _ = init;
        Self { init: Some(run::<E, F>), ..self }
    }

    /// Runs the plugin's hook, if it has one. A host calls it once for each load, before anything else of the plugin.
    ///
    /// # Errors
    ///
    /// The plugin refused or panicked. The refusal's bytes are the host's own.
    pub fn init(&self, context: &Context, host: &dyn Host, keep: &Keep) -> Reply<()> {
        let Some(init) = self.init else { return Ok(()) };
        let asked = Asked { host, keep };
        let mut place = RefusalPlace::uninit();
        let outcome = context.lend(keep, |context| {
            let host = (&raw const asked).cast();
            let raw = RawInit { size: size_of::<RawInit>(), context, host, find, register };
            // SAFETY: everything is alive during the call.
            unsafe { init(&raw const raw, place.as_mut_ptr()) }
        });
        // SAFETY: this is the outcome of the call above.
        unsafe { outcome::read(outcome, &place, keep) }.map(drop)
    }
}

/// Whom a plugin asks, and what keeps the plugin mapped.
struct Asked<'a> {
    host: &'a dyn Host,
    keep: &'a Keep,
}

/// Runs the hook inside the library.
unsafe extern "C" fn run<E, F>(raw: *const RawInit, refusal: *mut RawBytes) -> Outcome<u8>
where
    E: Into<Refusal>,
    F: Fn(&mut Init<'_>) -> Result<(), E> + Copy,
{
    outcome::answer(refusal, || {
        // SAFETY: the host lends it for this call.
        let raw = unsafe { &*raw };
        // SAFETY: as above.
        let context = unsafe { &*raw.context };
        // SAFETY: as above.
        let context = unsafe { context.receive() };
        // SAFETY: `with_init` was given a value of this type, which is `Copy` and has no size: this is a copy.
        let init = unsafe { std::ptr::NonNull::<F>::dangling().read() };
        init(&mut Init { context, raw }).map(|()| 0).map_err(Into::into)
    })
}

unsafe extern "C" fn find(
    host: *const c_void,
    name: View,
    ty: View,
    place: *mut RawBytes,
) -> Outcome<RawFunc> {
    outcome::answer(place, || {
        // SAFETY: `init` lends it for the call that is running.
        let asked = unsafe { &*host.cast::<Asked<'_>>() };
        // SAFETY: the plugin lends both texts for this call.
        let [name, ty] = [name, ty].map(|text| unsafe { read(text) });
        asked.host.find(&name, &ty).map(|function| function.give(asked.keep)).map_err(refused)
    })
}

unsafe extern "C" fn register(
    host: *const c_void,
    name: View,
    ty: View,
    function: RawFunc,
    place: *mut RawBytes,
) -> Outcome<u8> {
    outcome::answer(place, || {
        // SAFETY: `init` lends it for the call that is running.
        let asked = unsafe { &*host.cast::<Asked<'_>>() };
        // SAFETY: the plugin lends both texts for this call.
        let [name, ty] = [name, ty].map(|text| unsafe { read(text) });
        // SAFETY: the plugin gave the function, of this type, for good; `keep` is its library.
        let function = unsafe { Registered::take(&ty, function, asked.keep) };
        asked.host.register(&name, function).map(|()| 0).map_err(refused)
    })
}

/// # Safety
/// The text is lent for the call that is running.
unsafe fn read(text: View) -> String {
    // SAFETY: the caller says so.
    String::from_utf8_lossy(unsafe { text.as_slice() }).into_owned()
}

fn refused(reason: String) -> Refusal {
    Refusal::new(RefusalKind::Fault, reason)
}

impl fmt::Debug for RawInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawInit").field("size", &self.size).finish_non_exhaustive()
    }
}
