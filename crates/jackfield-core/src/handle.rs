//! What callers hold.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use jackfield_abi::{self as abi, Bound, CallOptions};

use crate::codec::DecodeError;
use crate::generated::Exposes;
use crate::offers::{self, HostObject};
use crate::parcel::Peer;
use crate::slot::Slot;
use crate::{Code, Context, Error, Failure, Generation, Interface, Lane};

/// What callers hold of a plugin: it implements the interface `I` by calling whatever is in the slot.
///
/// It survives a swap of the plugin underneath: a call that has begun ends on the instance on which it began, the
/// next one goes to the new instance. After the plugin was unloaded every call returns
/// [`CallError::Closed`](crate::CallError::Closed) at once.
///
/// Cloning is cheap, and clones share the slot.
pub struct Handle<I: ?Sized> {
    slot: Arc<Slot>,
    options: Option<Arc<CallOptions>>,
    _interface: PhantomData<fn(&I)>,
}

impl<I: Interface + ?Sized> Handle<I> {
    /// A handle to a slot of this interface.
    pub(crate) fn from_slot(slot: Arc<Slot>) -> Self {
        Self { slot, options: None, _interface: PhantomData }
    }

    /// A handle to an object of one's own, to be passed to a plugin, or returned from one.
    ///
    /// ```
    /// # use jackfield_core::{Error, Handle, interface};
    /// #[interface(service = "example.Listener", version = "1.0")]
    /// pub trait Listener {
    ///     fn notify(&self, event: &str) -> Result<(), Error>;
    /// }
    ///
    /// struct Printer;
    ///
    /// impl Listener for Printer {
    ///     fn notify(&self, event: &str) -> Result<(), Error> {
    ///         println!("{event}");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let listener = Handle::<dyn Listener>::new(Printer);
    /// listener.notify("hello")?;
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Never: the methods of a type that implements the trait are those of the interface.
    pub fn new<T: Send + Sync + 'static>(object: T) -> Self
    where
        I: Exposes<T>,
    {
        let passed = abi::Passed::new(I::SCHEMA.service, I::METHODS, object);
        match passed.into_object() {
            Some(object) => Self::from_peer(Peer::Bound(object)),
            None => Err(DecodeError::Missing { number: 0 }),
        }
        .expect("the methods of a type are those of its interface")
    }

    /// A handle to an object that came from the other side.
    pub(crate) fn from_peer(peer: Peer) -> Result<Self, DecodeError> {
        let lane = match peer {
            Peer::Bound(object) => {
                Lane::Bound(Bound::bind(object, I::SPECS, abi::Lane::Direct).map_err(|error| {
                    DecodeError::Interface { reason: format!("`{}`: {error}", I::SCHEMA.service) }
                })?)
            }
            Peer::Channel(channel) => Lane::Channel(channel),
            Peer::Offered(offer) => {
                let service = offer.into_service()?;
                Lane::Bound(
                    Bound::bind(service.into_object(), I::SPECS, abi::Lane::Direct)
                        .map_err(|error| DecodeError::Interface { reason: error.to_string() })?,
                )
            }
        };
        let slot = Arc::new(Slot::new::<I>(lane));
        slot.watch_peer();
        Ok(Self::from_slot(slot))
    }

    /// Offers an object to a plugin: a context in which the plugin finds it under this name, by
    /// [`of_host`](Self::of_host).
    ///
    /// A plugin in this process finds it when it is constructed; one in a process of its own may call it from then on.
    ///
    /// ```
    /// # use jackfield_core::{Context, Error, Handle, interface};
    /// #[interface(service = "example.Clock", version = "1.0")]
    /// pub trait Clock {
    ///     fn now(&self) -> Result<u64, Error>;
    /// }
    ///
    /// # struct Fixed;
    /// # impl Clock for Fixed { fn now(&self) -> Result<u64, Error> { Ok(7) } }
    /// // In the host:
    /// let clock = Handle::<dyn Clock>::new(Fixed);
    /// let context = Handle::offer(&clock, Context::new("diary", []), "clock");
    ///
    /// // In the plugin's constructor:
    /// let clock = Handle::<dyn Clock>::of_host(&context, "clock")?;
    /// assert_eq!(clock.now()?, 7);
    /// # Ok::<_, Error>(())
    /// ```
    pub fn offer(handle: &Self, context: Context, name: &str) -> Context
    where
        I: Exposes<Self>,
    {
        let handle = handle.clone();
        let make = move || abi::Passed::new(I::SCHEMA.service, I::METHODS, handle.clone());
        offers::offer(context, name, I::SCHEMA, make)
    }

    /// The object that the host offers to this plugin under a name.
    ///
    /// # Errors
    ///
    /// The host offers none of this name, or one of another interface.
    pub fn of_host(context: &Context, name: &str) -> Result<Self, Error> {
        let wrong = |reason: String| {
            Failure::with_code(Code::FAILED_PRECONDITION, format!("the host's `{name}`: {reason}"))
        };
        if let Some(HostObject { service, channel }) = offers::host_object(context, name) {
            if service != I::SCHEMA.service {
                return Err(wrong(format!("expected a `{}`, found a `{service}`", I::SCHEMA.service)).into());
            }
            let handle = Self::from_peer(Peer::Channel(channel.clone()));
            return Ok(handle.map_err(|error| wrong(error.to_string()))?);
        }
        let Some(object) = context.object(name) else {
            let offered: Vec<_> = context.offered().map(|name| format!("`{name}`")).collect();
            let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
            let message = format!("the host offers no `{name}`\n(hint: it offers {offered})");
            return Err(Failure::with_code(Code::NOT_FOUND, message).into());
        };
        Ok(Self::from_peer(Peer::Bound(object)).map_err(|error| wrong(error.to_string()))?)
    }

    /// The same plugin, called under these options: with a deadline, with metadata. The plugin finds them in
    /// [`CallOptions::current`].
    ///
    /// A deadline bounds methods that are `async`, until they return: a stream that they return may go on, save that
    /// gRPC in other languages bounds that too. A blocking method of a plugin in this process runs on the caller's
    /// thread and cannot be cut off. Nor does anything wake the calls that a shared library itself makes of the host's
    /// objects: their deadline is noticed when they are polled for another reason.
    ///
    /// This is no method, so that the interface may have one of this name.
    pub fn with(handle: &Self, options: CallOptions) -> Self {
        Self { options: Some(Arc::new(options)), ..handle.clone() }
    }

    /// The number of the current generation: 1 for the first, one more after each swap.
    ///
    /// This is no method, so that the interface may have one of this name.
    pub fn generation(handle: &Self) -> u64 {
        handle.slot.enter().number()
    }

    /// What the next call would use.
    #[doc(hidden)]
    pub fn current(handle: &Self) -> Arc<Generation> {
        handle.slot.enter().share()
    }

    #[inline(always)]
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    #[inline(always)]
    pub(crate) fn options(&self) -> Option<&CallOptions> {
        self.options.as_deref()
    }
}

/// A handle of whose methods one is not there: so its default in the trait runs, on the plugin's other methods.
#[doc(hidden)]
#[derive(Debug)]
pub struct Without<I: ?Sized, M> {
    handle: Handle<I>,
    _method: PhantomData<fn(M)>,
}

impl<I: ?Sized, M> Without<I, M> {
    /// The handle without the method `M`.
    pub fn new(handle: &Handle<I>) -> Self {
        Self { handle: handle.clone(), _method: PhantomData }
    }

    /// The handle.
    pub fn handle(&self) -> &Handle<I> {
        &self.handle
    }
}

impl<I: ?Sized> Clone for Handle<I> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), options: self.options.clone(), _interface: PhantomData }
    }
}

impl<I: ?Sized> fmt::Debug for Handle<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("slot", &self.slot).finish()
    }
}
