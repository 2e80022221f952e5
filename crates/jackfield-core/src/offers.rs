//! What a host offers to its plugins by name, where a wire lies between the two.

use std::fmt;
use std::sync::Arc;

use jackfield_abi::{Context, Passed};

use crate::parcel::Offer;
use crate::schema::Schema;
use crate::{Channel, Service};

/// An object that a host offers by name, at its end of a wire.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OfferedObject {
    /// The name.
    pub name: String,
    /// Answers the plugin's calls.
    pub service: Service,
}

/// What the host offers in a context, in its order.
///
/// ```
/// # use jackfield_core::{Context, Error, Handle, offered_objects, interface};
/// #[interface(service = "example.Clock", version = "1.0")]
/// pub trait Clock {
///     fn now(&self) -> Result<u64, Error>;
/// }
///
/// # struct Fixed;
/// # impl Clock for Fixed { fn now(&self) -> Result<u64, Error> { Ok(7) } }
/// let clock = Handle::<dyn Clock>::new(Fixed);
/// let context = Handle::offer(&clock, Context::new("diary", []), "clock");
/// let offers = offered_objects(&context);
/// assert_eq!((offers[0].name.as_str(), offers[0].service.schema().service), ("clock", "example.Clock"));
/// ```
pub fn offered_objects(context: &Context) -> Vec<OfferedObject> {
    let offers = context.attachments().filter_map(|(name, attachment)| {
        let Made { schema, make } = attachment.downcast_ref()?;
        let service = Offer::new(schema, make()).into_service().ok()?;
        Some(OfferedObject { name: name.to_owned(), service })
    });
    offers.collect()
}

/// A context in which a plugin finds an object of its host's under a name, by [`Handle::of_host`](crate::Handle::of_host):
/// one of the interface `service`, at the other end of a wire.
#[must_use]
pub fn with_host_object(
    context: Context,
    name: impl Into<String>,
    service: impl Into<String>,
    channel: Arc<dyn Channel>,
) -> Context {
    context.attach(name, Arc::new(HostObject { service: service.into(), channel }))
}

/// An object of the host's own that it offers.
struct Made {
    schema: &'static Schema,
    make: Arc<dyn Fn() -> Passed + Send + Sync>,
}

/// An object at the other end of a wire.
#[derive(Debug)]
pub(crate) struct HostObject {
    pub(crate) service: String,
    pub(crate) channel: Arc<dyn Channel>,
}

/// Offers an object in this process and over wires.
pub(crate) fn offer(
    context: Context,
    name: &str,
    schema: &'static Schema,
    make: impl Fn() -> Passed + Send + Sync + 'static,
) -> Context {
    let make: Arc<dyn Fn() -> Passed + Send + Sync> = Arc::new(make);
    let here = make.clone();
    context.with_object(name, move || here()).attach(name, Arc::new(Made { schema, make }))
}

/// What is at the other end of a wire under this name.
pub(crate) fn host_object<'a>(context: &'a Context, name: &str) -> Option<&'a HostObject> {
    let (_, attachment) = context.attachments().find(|(other, _)| *other == name)?;
    attachment.downcast_ref()
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("service", &self.schema.service).finish_non_exhaustive()
    }
}
