//! An object's methods in the order in which its caller knows them, bound and ready to be called.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::Context as TaskContext;

use crate::cross::{Arguments, Output};
use crate::entry::Export;
use crate::future::{Running, WakerRef};
use crate::hot::Tally;
use crate::method::{Lane, MethodEntry, MethodSpec, Mode, identity};
use crate::object::Object;
use crate::options::CallOptions;
use crate::parcel::Parcel;
use crate::shim::{self, Erased, Refusal, RefusalPlace, Reply, Return};

/// An object with its methods in the order in which the host knows them, and who counts its calls. Clones share all.
#[derive(Clone, Debug)]
pub struct Bound {
    object: Arc<Object>,
    methods: Arc<[BoundMethod]>,
    tally: Option<Arc<Tally>>,
}

#[derive(Debug)]
struct BoundMethod {
    /// The types and mode that were compared when the method was bound: a call that goes directly brings the same.
    /// It is the identity of [`Encoded`], which no call brings, where the method can only be called encoded.
    id: TypeId,
    /// Both are [`lacking`] where the plugin lacks a method for which the host has a default.
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

impl<A: Arguments, R: Output> Direct<'_, A, R> {
    /// Calls the method. What a refusal means is worked out out of line, so that a result is near.
    ///
    /// # Errors
    ///
    /// What `refused` makes of a refusal.
    #[inline(always)]
    pub fn call<E>(self, arguments: A::Values<'_>, refused: impl FnOnce(&Refusal) -> E) -> Result<R, E> {
        let mut place = RefusalPlace::uninit();
        let (this, peer) = (self.object.data(), self.object.peer());
        // SAFETY: `Bound::blocking` compared the types, and the object is borrowed.
        let returned = unsafe { A::call::<R>(arguments, self.entry, this, place.as_mut_ptr(), peer) };
        if returned.is_ok() {
            // SAFETY: this is the outcome of the call above.
            return Ok(unsafe { shim::read_value::<R>(returned, peer) });
        }
        // SAFETY: this is the outcome of the call above.
        Err(unsafe { read_refused::<R, E>(returned, &place, self.object, refused) })
    }
}

/// # Safety
/// As for [`shim::read`].
#[cold]
#[inline(never)]
unsafe fn read_refused<R: Output, E>(
    returned: Return<R::Repr>,
    place: &RefusalPlace,
    object: &Object,
    refused: impl FnOnce(&Refusal) -> E,
) -> E {
    // SAFETY: passed on.
    match unsafe { shim::read::<R>(returned, place, object.peer()) } {
        Some(Err(refusal)) => refused(&refusal),
        // With a value the status is another one.
        Some(Ok(_)) | None => refused(&stray_pending()),
    }
}

/// An asynchronous method whose types on both sides were compared.
#[derive(Debug)]
pub struct DirectAsync<'a, A, R> {
    entry: Erased,
    bound: &'a Bound,
    _types: PhantomData<fn(A) -> R>,
}

impl<A: Arguments, R: Output> DirectAsync<'_, A, R> {
    /// Starts the method and polls it once.
    #[inline]
    pub fn start(self, arguments: A::Values<'_>, context: &mut TaskContext<'_>) -> Started<R> {
        // SAFETY: `Bound::asynchronous` compared the types.
        unsafe { self.bound.start_entry::<A, R>(self.entry, arguments, context) }
    }
}

/// What starting an asynchronous method came to.
#[derive(Debug)]
pub enum Started<R: Output> {
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
        let entries = object.table().methods();
        let methods = specs.iter().map(|spec| bind(entries, spec, prefer)).collect::<Result<_, _>>()?;
        Ok(Self { object, methods, tally: None })
    }

    /// Binds all methods of an export in the plugin's own order, for encoded calls only.
    pub fn encoded(object: Arc<Object>) -> Self {
        let methods = object.table().methods().iter().map(BoundMethod::encoded).collect();
        Self { object, methods, tally: None }
    }

    /// Binds the methods of these names for encoded calls only. One that the plugin lacks is [lacking](Self::lacks).
    pub fn by_name<'a>(object: Arc<Object>, names: impl IntoIterator<Item = &'a str>) -> Self {
        let entries = object.table().methods();
        let methods = names.into_iter().map(|name| match entries.iter().find(|entry| entry.name() == name) {
            Some(entry) => BoundMethod::encoded(entry),
            None => BoundMethod::lacking(),
        });
        let methods = methods.collect();
        Self { object, methods, tally: None }
    }

    /// Lets a tally count the calls. Whoever calls does that, by [`tally`](Self::tally).
    #[must_use]
    pub fn counted_by(self, tally: Arc<Tally>) -> Self {
        Self { tally: Some(tally), ..self }
    }

    /// Who counts the calls, if anybody does.
    #[inline(always)]
    pub fn tally(&self) -> Option<&Tally> {
        self.tally.as_deref()
    }

    /// Whether a method blocks; `None` if the plugin lacks it.
    pub fn mode(&self, index: usize) -> Option<Mode> {
        self.methods.get(index).and_then(|method| method.mode)
    }

    /// The lane on which calls of a method go.
    pub fn lane(&self, index: usize) -> Option<Lane> {
        let method = self.methods.get(index)?;
        Some(if method.id == TypeId::of::<Encoded>() { Lane::Encoded } else { Lane::Direct })
    }

    /// Whether the plugin lacks a method, for which the host has a default.
    pub fn lacks(&self, index: usize) -> bool {
        self.methods.get(index).is_none_or(|method| method.mode.is_none())
    }

    /// The object, which is shared with every call that has not ended.
    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// The direct lane of a blocking method, if it has one for these types.
    #[inline(always)]
    pub fn blocking<A: Arguments, R: Output>(&self, index: usize) -> Option<Direct<'_, A, R>> {
        let entry = self.direct::<A, R, true>(index)?;
        Some(Direct { entry, object: &self.object, _types: PhantomData })
    }

    /// The direct lane of an asynchronous method, if it has one for these types.
    #[inline(always)]
    pub fn asynchronous<A: Arguments, R: Output>(&self, index: usize) -> Option<DirectAsync<'_, A, R>> {
        let entry = self.direct::<A, R, false>(index)?;
        Some(DirectAsync { entry, bound: self, _types: PhantomData })
    }

    /// Runs a call under its options, so that the plugin finds them.
    #[inline]
    pub fn scope<V>(&self, options: Option<&CallOptions>, run: impl FnOnce() -> V) -> V {
        match options {
            None => run(),
            Some(options) => options.enter(self.object.table().scope, run),
        }
    }

    /// Calls a blocking method with an encoded request.
    ///
    /// # Errors
    ///
    /// The plugin refused or panicked, or has no such blocking method.
    pub fn call_encoded(&self, index: usize, request: Parcel) -> Reply<Parcel> {
        let entry = self.encoded_entry(index, Mode::Blocking)?;
        let mut place = RefusalPlace::uninit();
        // SAFETY: the encoded lane of every method has these types.
        let returned = unsafe {
            let (this, place) = (self.object.data(), place.as_mut_ptr());
            <(Parcel,)>::call::<Parcel>((request,), entry, this, place, self.object.peer())
        };
        // SAFETY: this is the outcome of the call above.
        unsafe { shim::read::<Parcel>(returned, &place, self.object.peer()) }
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
        request: Parcel,
        context: &mut TaskContext<'_>,
    ) -> Reply<Started<Parcel>> {
        let entry = self.encoded_entry(index, Mode::Async)?;
        // SAFETY: the encoded lane of every method has these types.
        Ok(unsafe { self.start_entry::<(Parcel,), Parcel>(entry, (request,), context) })
    }

    /// # Safety
    /// The entry is an asynchronous shim of this object with these types.
    #[inline]
    unsafe fn start_entry<A: Arguments, R: Output>(
        &self,
        entry: Erased,
        arguments: A::Values<'_>,
        context: &mut TaskContext<'_>,
    ) -> Started<R> {
        let mut place = RefusalPlace::uninit();
        let mut future = MaybeUninit::uninit();
        let waker = WakerRef::new(context.waker());
        let (to_place, to_future) = (place.as_mut_ptr(), future.as_mut_ptr());
        // SAFETY: passed on; the places and the waker outlive the call.
        let returned = unsafe {
            let (this, peer) = (self.object.data(), self.object.peer());
            A::start::<R>(arguments, entry, this, waker, to_place, to_future, peer)
        };
        // SAFETY: this is the outcome of the call above.
        match unsafe { shim::read::<R>(returned, &place, self.object.peer()) } {
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
    fn direct<A: Arguments, R: Output, const BLOCKING: bool>(&self, index: usize) -> Option<Erased> {
        let method = self.methods.get(index)?;
        if method.id == identity::<A, R, BLOCKING>() { Some(method.direct) } else { None }
    }

    fn encoded_entry(&self, index: usize, mode: Mode) -> Reply<Erased> {
        match self.methods.get(index) {
            Some(method) if method.mode == Some(mode) => Ok(method.encoded),
            _ => Err(Refusal::new(shim::RefusalKind::Malformed, format!("there is no such method: {index}"))),
        }
    }
}

impl Object {
    /// The first of these methods that the object is known to have with other types, though they cross alike.
    pub fn differs(&self, specs: &[MethodSpec]) -> Option<&'static str> {
        let entries = self.table().methods();
        let differs =
            |spec: &&MethodSpec| entries.iter().any(|entry| entry.name() == spec.name && entry.differs(spec));
        specs.iter().find(differs).map(MethodSpec::name)
    }
}

impl Export {
    /// Checks that a host's methods can be bound, before anything is constructed.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the first method that cannot be called.
    pub fn check(&self, specs: &[MethodSpec]) -> Result<(), BindError> {
        specs.iter().try_for_each(|spec| bind(self.methods(), spec, Lane::Direct).map(drop))
    }
}

fn bind(entries: &[MethodEntry], spec: &MethodSpec, prefer: Lane) -> Result<BoundMethod, BindError> {
    let method = spec.name;
    let Some(entry) = entries.iter().find(|entry| entry.name() == method) else {
        return if spec.is_optional {
            Ok(BoundMethod::lacking())
        } else {
            Err(BindError::Missing { method })
        };
    };
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

impl BoundMethod {
    /// A method that can only be called encoded, in the plugin's own mode.
    fn encoded(entry: &MethodEntry) -> Self {
        Self {
            id: TypeId::of::<Encoded>(),
            mode: entry.mode(),
            direct: entry.entry(Lane::Direct),
            encoded: entry.entry(Lane::Encoded),
        }
    }

    /// A method that the plugin lacks. Without a mode, it is never called.
    fn lacking() -> Self {
        Self { id: TypeId::of::<Encoded>(), direct: lacking, encoded: lacking, mode: None }
    }
}

unsafe extern "C" fn lacking() {}

#[cold]
fn stray_pending() -> Refusal {
    Refusal::new(shim::RefusalKind::Unknown, "a blocking method answered that it is pending")
}
