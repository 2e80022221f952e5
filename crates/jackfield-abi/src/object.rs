//! A constructed plugin at the host, and its methods in the host's order.

use std::any::TypeId;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::Context as TaskContext;

use bytes::Bytes;

use crate::buffer::Keep;
use crate::context::Context;
use crate::cross::{Arguments, Cross};
use crate::entry::Export;
use crate::future::{Running, WakerRef};
use crate::method::{Lane, MethodSpec, Mode, signature};
use crate::shim::{self, Erased, Refusal, RefusalPlace, Reply, Return};

/// A plugin's object. It keeps its library mapped, and ends in the library's own code.
pub struct Object {
    data: *mut c_void,
    export: Export,
    keep: Keep,
}

impl Object {
    /// Constructs the object of an export.
    ///
    /// # Errors
    ///
    /// The plugin refused or panicked. The refusal's bytes are the host's own.
    pub fn create(export: &Export, context: &Context, keep: Keep) -> Reply<Arc<Self>> {
        let data = export.construct(context).map_err(|refusal| Refusal {
            // The bytes belong to a library that may go before they do.
            bytes: Bytes::copy_from_slice(&refusal.bytes),
            ..refusal
        })?;
        Ok(Arc::new(Self { data, export: *export, keep }))
    }

    pub(crate) fn keep(&self) -> &Keep {
        &self.keep
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the export made it, it is dropped once, and `keep` is dropped after it.
        unsafe { self.export.destroy(self.data) }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("data", &self.data).finish_non_exhaustive()
    }
}

// SAFETY: `Export::new` takes only types that are `Send`.
unsafe impl Send for Object {}
// SAFETY: `Export::new` takes only types that are `Sync`.
unsafe impl Sync for Object {}

/// An object with its methods in the order in which the host knows them. Clones share both.
#[derive(Clone, Debug)]
pub struct Bound {
    object: Arc<Object>,
    methods: Arc<[BoundMethod]>,
}

#[derive(Debug)]
struct BoundMethod {
    /// The types and mode that were compared when the method was bound: a call that goes directly brings the same.
    /// It is the identity of [`Encoded`], which no call brings, where the method can only be called encoded.
    id: TypeId,
    direct: Erased,
    encoded: Erased,
    mode: Option<Mode>,
}

/// A blocking method whose types on both sides were compared.
#[derive(Debug)]
pub struct Direct<'a, A, R> {
    entry: Erased,
    object: &'a Object,
    _types: PhantomData<fn(A) -> R>,
}

impl<A: Arguments, R: Cross> Direct<'_, A, R> {
    /// Calls the method. What a refusal means is worked out out of line, so that a result is near.
    ///
    /// # Errors
    ///
    /// What `refused` makes of a refusal.
    #[inline(always)]
    pub fn call<E>(self, arguments: A, refused: fn(&Refusal) -> E) -> Result<R, E> {
        let mut place = RefusalPlace::uninit();
        let this = self.object.data.cast_const().cast();
        // SAFETY: `Bound::blocking` compared the types, and the object is borrowed.
        let returned = unsafe { arguments.call::<R>(self.entry, this, place.as_mut_ptr()) };
        if returned.is_ok() {
            // SAFETY: this is the outcome of the call above.
            return Ok(unsafe { shim::read_value::<R>(returned, &self.object.keep) });
        }
        // SAFETY: this is the outcome of the call above.
        unsafe { read_refused(returned, &place, self.object, refused) }
    }
}

/// # Safety
/// As for [`shim::read`].
#[cold]
#[inline(never)]
unsafe fn read_refused<R: Cross, E>(
    returned: Return<R::Repr>,
    place: &RefusalPlace,
    object: &Object,
    refused: fn(&Refusal) -> E,
) -> Result<R, E> {
    // SAFETY: passed on.
    let reply = unsafe { shim::read::<R>(returned, place, &object.keep) };
    reply.unwrap_or_else(|| Err(stray_pending())).map_err(|refusal| refused(&refusal))
}

/// What starting an asynchronous method came to.
#[derive(Debug)]
pub enum Started<R: Cross> {
    /// It answered at once.
    Ready(Reply<R>),
    /// It goes on.
    Pending(Running<R>),
}

/// The identity of a method without a direct lane.
enum Encoded {}

/// A host's method cannot be called on a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindError {
    /// The plugin has no method of this name.
    Missing {
        /// The method.
        method: &'static str,
    },
    /// One side blocks where the other returns a future.
    Mode {
        /// The method.
        method: &'static str,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { method } => write!(f, "the plugin's table lacks the method `{method}`"),
            Self::Mode { method } => {
                write!(f, "method `{method}` is `async` on one side and blocking on the other")
            }
        }
    }
}

impl std::error::Error for BindError {}

impl Bound {
    /// Binds each method that the host expects to the plugin's method of the same name.
    ///
    /// `prefer` is [`Lane::Direct`] save in tests of the encoded lane.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the first method that cannot be called.
    pub fn bind(object: Arc<Object>, specs: &[MethodSpec], prefer: Lane) -> Result<Self, BindError> {
        let methods =
            specs.iter().map(|spec| bind(&object.export, spec, prefer)).collect::<Result<_, _>>()?;
        Ok(Self { object, methods })
    }

    /// Binds all methods of an export in the plugin's own order, for encoded calls only.
    pub fn encoded(object: Arc<Object>) -> Self {
        let methods = object.export.methods().iter().map(|entry| BoundMethod {
            id: TypeId::of::<Encoded>(),
            mode: entry.mode(),
            direct: entry.entry(Lane::Direct),
            encoded: entry.entry(Lane::Encoded),
        });
        let methods = methods.collect();
        Self { object, methods }
    }

    /// The lane on which calls of a method go.
    pub fn lane(&self, index: usize) -> Option<Lane> {
        let method = self.methods.get(index)?;
        Some(if method.id == TypeId::of::<Encoded>() { Lane::Encoded } else { Lane::Direct })
    }

    /// The object, which is shared with every call that has not ended.
    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// The direct lane of a blocking method, if it has one for these types.
    #[inline(always)]
    pub fn blocking<A: Arguments, R: Cross>(&self, index: usize) -> Option<Direct<'_, A, R>> {
        let entry = self.direct::<A, R, true>(index)?;
        Some(Direct { entry, object: &self.object, _types: PhantomData })
    }

    /// Starts an asynchronous method directly, or gives the arguments back if they have to be encoded.
    ///
    /// # Errors
    ///
    /// The arguments, where the method has no direct lane for these types.
    pub fn start<A: Arguments, R: Cross>(
        &self,
        index: usize,
        arguments: A,
        context: &mut TaskContext<'_>,
    ) -> Result<Started<R>, A> {
        match self.direct::<A, R, false>(index) {
            // SAFETY: `direct` compared the types.
            Some(entry) => Ok(unsafe { self.start_entry(entry, arguments, context) }),
            None => Err(arguments),
        }
    }

    /// Calls a blocking method with an encoded request.
    ///
    /// # Errors
    ///
    /// The plugin refused or panicked, or has no such blocking method.
    pub fn call_encoded(&self, index: usize, request: Bytes) -> Reply<Bytes> {
        let entry = self.encoded_entry(index, Mode::Blocking)?;
        let mut place = RefusalPlace::uninit();
        // SAFETY: the encoded lane of every method has these types.
        let returned = unsafe {
            (request,).call::<Bytes>(entry, self.object.data.cast_const().cast(), place.as_mut_ptr())
        };
        // SAFETY: this is the outcome of the call above.
        unsafe { shim::read::<Bytes>(returned, &place, &self.object.keep) }
            .unwrap_or_else(|| Err(stray_pending()))
    }

    /// Starts an asynchronous method with an encoded request.
    ///
    /// # Errors
    ///
    /// The method does not exist or is a blocking one.
    pub fn start_encoded(
        &self,
        index: usize,
        request: Bytes,
        context: &mut TaskContext<'_>,
    ) -> Reply<Started<Bytes>> {
        let entry = self.encoded_entry(index, Mode::Async)?;
        // SAFETY: the encoded lane of every method has these types.
        Ok(unsafe { self.start_entry(entry, (request,), context) })
    }

    /// # Safety
    /// The entry is an asynchronous shim of this object with these types.
    unsafe fn start_entry<A: Arguments, R: Cross>(
        &self,
        entry: Erased,
        arguments: A,
        context: &mut TaskContext<'_>,
    ) -> Started<R> {
        let mut place = RefusalPlace::uninit();
        let mut future = MaybeUninit::uninit();
        let waker = WakerRef::new(context.waker());
        let (to_place, to_future) = (place.as_mut_ptr(), future.as_mut_ptr());
        // SAFETY: passed on; the places and the waker outlive the call.
        let returned = unsafe {
            arguments.start::<R>(entry, self.object.data.cast_const().cast(), waker, to_place, to_future)
        };
        // SAFETY: this is the outcome of the call above.
        match unsafe { shim::read::<R>(returned, &place, &self.object.keep) } {
            Some(reply) => Started::Ready(reply),
            None => {
                // SAFETY: a pending shim has written the future.
                let future = unsafe { future.assume_init() };
                // SAFETY: it was written for this call.
                Started::Pending(unsafe { Running::new(future, self.object.clone()) })
            }
        }
    }

    #[inline(always)]
    fn direct<A: Arguments, R: Cross, const BLOCKING: bool>(&self, index: usize) -> Option<Erased> {
        let method = self.methods.get(index)?;
        if method.id == signature::<A, R, BLOCKING>() { Some(method.direct) } else { None }
    }

    fn encoded_entry(&self, index: usize, mode: Mode) -> Reply<Erased> {
        match self.methods.get(index) {
            Some(method) if method.mode == Some(mode) => Ok(method.encoded),
            _ => Err(Refusal::new(shim::RefusalKind::Malformed, format!("there is no such method: {index}"))),
        }
    }
}

impl Export {
    /// Checks that a host's methods can be bound, before anything is constructed.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the first method that cannot be called.
    pub fn check(&self, specs: &[MethodSpec]) -> Result<(), BindError> {
        specs.iter().try_for_each(|spec| bind(self, spec, Lane::Direct).map(drop))
    }
}

fn bind(export: &Export, spec: &MethodSpec, prefer: Lane) -> Result<BoundMethod, BindError> {
    let method = spec.name;
    let entry =
        export.methods().iter().find(|entry| entry.name() == method).ok_or(BindError::Missing { method })?;
    if entry.mode() != Some(spec.mode) {
        return Err(BindError::Mode { method });
    }
    let is_direct = prefer == Lane::Direct && entry.lane(spec) == Lane::Direct;
    Ok(BoundMethod {
        id: if is_direct { (spec.id)() } else { TypeId::of::<Encoded>() },
        mode: Some(spec.mode),
        direct: entry.entry(Lane::Direct),
        encoded: entry.entry(Lane::Encoded),
    })
}

#[cold]
fn stray_pending() -> Refusal {
    Refusal::new(shim::RefusalKind::Unknown, "a blocking method answered that it is pending")
}
