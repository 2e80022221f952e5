//! Objects that have an interface: those of this side, those of the other, and how one crosses.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::{Keep, Slice, Text};
use crate::context::Context;
use crate::cross::{Output, argument_by_giving};
use crate::entry::Export;
use crate::method::{MethodEntry, Offered};
use crate::options::{self, RawOptions};
use crate::runtime;
use crate::shim::{self, Reply};

/// What can be done with the objects of one type: the methods of its interface, and their end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub(crate) service: Text,
    pub(crate) methods: Slice<MethodEntry>,
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
    /// Sets what a method finds as the options of its call on this thread, and returns what was set before.
    pub(crate) scope: unsafe extern "C" fn(*const RawOptions) -> *const RawOptions,
}

impl Table {
    /// The table of the type `T`.
    pub const fn new<T: Send + Sync + 'static>(
        service: &'static str,
        methods: &'static [Offered<T>],
    ) -> Self {
        // SAFETY: an offered method is an entry and nothing else, and the types of all of them are those of `T`.
        let methods = unsafe { std::slice::from_raw_parts(methods.as_ptr().cast(), methods.len()) };
        Self {
            service: Text::new(service),
            methods: Slice::new(methods),
            drop: Local::<T>::drop,
            scope: options::enter,
        }
    }

    /// The name of the interface.
    pub fn service(&self) -> &str {
        self.service.as_str()
    }

    /// The methods, in the order of the side that made the table.
    pub fn methods(&self) -> &[MethodEntry] {
        self.methods.as_slice()
    }
}

/// An object of this side, with what keeps the code of the side that calls it mapped.
pub(crate) struct Local<T> {
    pub(crate) value: T,
    pub(crate) peer: Keep,
}

impl<T> Local<T> {
    /// Puts an object where the other side can hold it.
    pub(crate) fn hand_over(value: T, peer: Keep) -> *mut c_void {
        Box::into_raw(Box::new(Self { value, peer })).cast()
    }

    pub(crate) unsafe extern "C" fn drop(object: *mut c_void) {
        let address = object.expose_provenance();
        runtime::drop_object(object, move || {
            let object = std::ptr::with_exposed_provenance_mut::<Self>(address);
            // SAFETY: `hand_over` boxed it with this type, and the other side drops it once.
            shim::discard(unsafe { Box::from_raw(object) });
        });
    }
}

/// An object as its caller holds it. It keeps the code behind it mapped, and ends in that code.
pub struct Object {
    data: *mut c_void,
    table: Table,
    peer: Keep,
}

impl Object {
    /// Constructs the object of an export.
    ///
    /// # Errors
    ///
    /// The plugin refused or panicked. The refusal's bytes are the host's own.
    pub fn create(export: &Export, context: &Context, peer: Keep) -> Reply<Arc<Self>> {
        let data = export.construct(context, &peer).map_err(|refusal| shim::Refusal {
            // The bytes belong to a library that may go before they do.
            bytes: Bytes::copy_from_slice(&refusal.bytes),
            ..refusal
        })?;
        Ok(Arc::new(Self { data, table: export.table, peer }))
    }

    pub(crate) fn data(&self) -> *const () {
        self.data.cast_const().cast()
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// What keeps the code of the object's side mapped.
    pub fn peer(&self) -> &Keep {
        &self.peer
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: whoever made the table made the object, it is dropped once, and `peer` is dropped after it.
        unsafe { (self.table.drop)(self.data) }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("service", &self.table.service()).finish_non_exhaustive()
    }
}

// SAFETY: `Table::new` takes only types that are `Send`.
unsafe impl Send for Object {}
// SAFETY: `Table::new` takes only types that are `Sync`.
unsafe impl Sync for Object {}

/// An object on its way: one that is about to be handed over, or one that was.
pub struct Passed(State);

enum State {
    /// It is made when it is known who will hold it.
    Made(Box<dyn FnOnce(Keep) -> RawObject + Send>),
    Received(Arc<Object>),
    Gone,
}

impl Passed {
    /// An object of this side's, which implements the interface `service` by these methods.
    pub fn new<T: Send + Sync + 'static>(
        service: &'static str,
        methods: &'static [Offered<T>],
        value: T,
    ) -> Self {
        let (table, runtime) = (Table::new(service, methods), runtime::of_result());
        Self(State::Made(Box::new(move |peer| {
            let data = Local::hand_over(value, peer);
            runtime::settle(data, runtime);
            RawObject { data, table }
        })))
    }

    /// The object, for a caller on this side. `None` if it was handed over.
    pub fn into_object(self) -> Option<Arc<Object>> {
        match self.0 {
            State::Made(make) => {
                let RawObject { data, table } = make(None);
                Some(Arc::new(Object { data, table, peer: None }))
            }
            State::Received(object) => Some(object),
            State::Gone => None,
        }
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Received(object) => f.debug_tuple("Passed").field(object).finish(),
            State::Made(_) | State::Gone => f.write_str("Passed"),
        }
    }
}

/// An object in C layout: whoever holds it calls the table's functions, and ends it once.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct RawObject {
    pub(crate) data: *mut c_void,
    pub(crate) table: Table,
}

// SAFETY: the representation names the functions of the side that made the object.
unsafe impl Output for Passed {
    type Repr = RawObject;
    const NAME: &'static str = "object";

    fn give(self, peer: &Keep) -> RawObject {
        match self.0 {
            State::Made(make) => make(peer.clone()),
            // Its methods can only be called by whoever received it, who passes on an object of his own instead.
            State::Received(_) | State::Gone => {
                RawObject { data: Local::hand_over((), peer.clone()), table: Table::new::<()>("", &[]) }
            }
        }
    }

    unsafe fn take(RawObject { data, table }: RawObject, peer: &Keep) -> Self {
        Self(State::Received(Arc::new(Object { data, table, peer: peer.clone() })))
    }
}

argument_by_giving!(Passed: Passed(State::Gone));
