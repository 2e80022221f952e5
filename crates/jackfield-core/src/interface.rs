//! What the macro says of a trait.

use jackfield_abi::{MethodSpec, StaticRef};

use crate::LoadErrorKind;
use crate::dynamic::DynamicInterface;
use crate::error::{Error, Fault};
use crate::schema::{Descriptor, Method, Schema, Untyped};

/// A trait under `#[interface]`, as the type `dyn Trait`. The macro implements it.
pub trait Interface: Send + Sync + 'static {
    /// The description of the interface.
    const SCHEMA: &'static Schema;

    /// The same for constants that may lead back to it: an interface may pass objects of its own kind.
    #[doc(hidden)]
    const SCHEMA_REF: StaticRef<Schema> = StaticRef::new(Self::SCHEMA);

    /// The methods as a shared library has them.
    #[doc(hidden)]
    const SPECS: &'static [MethodSpec];
}

/// The description of an interface whose type has been left behind.
///
/// ```
/// use jackfield_core::{Description, Error, interface};
///
/// #[interface(service = "example.Clock", version = "1.0")]
/// trait Clock {
///     fn now(&self) -> Result<u64, Error>;
/// }
///
/// assert_eq!(Description::of::<dyn Clock>().schema().service, "example.Clock");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Description {
    schema: &'static Schema,
    specs: &'static [MethodSpec],
    known: Known,
}

/// How much a host knows of an interface.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// What it read at run time.
    Descriptor(&'static DynamicInterface),
    /// Nothing yet: whatever the plugin serves will do.
    Nothing,
    /// Its trait.
    Trait,
}

impl Description {
    /// The description of `I`.
    pub const fn of<I: Interface + ?Sized>() -> Self {
        Self { schema: I::SCHEMA, specs: I::SPECS, known: Known::Trait }
    }

    /// No interface: the host loads a plugin whatever it serves, and asks it for that afterwards, by
    /// [`Instance::interfaces`](crate::Instance::interfaces).
    pub const fn any() -> Self {
        const ANY: &Schema = &Schema { service: "any interface", version: "", methods: &[] };
        Self { schema: ANY, specs: &[], known: Known::Nothing }
    }

    /// The description of an interface that is known only at run time.
    ///
    /// What is described is kept for as long as the program runs, once for equal descriptions.
    pub fn dynamic(interface: &Descriptor) -> Self {
        let kept = DynamicInterface::keep(interface);
        Self { schema: kept.schema, specs: &[], known: Known::Descriptor(kept) }
    }

    /// The schema. That of an interface which is known only at run time has the methods, and says of their fields what is
    /// a stream.
    pub const fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// What was read of the interface, if it is known only at run time.
    pub const fn descriptor(&self) -> Option<&'static Descriptor> {
        match self.known {
            Known::Descriptor(kept) => Some(&kept.descriptor),
            Known::Nothing | Known::Trait => None,
        }
    }

    /// A method with the types of its fields, which the [schema](Self::schema) of an interface that is known only at run
    /// time lacks: for wires that carry something else than protobuf messages. Any other method is returned as it is.
    ///
    /// # Errors
    ///
    /// The method has something for which there is no type here.
    pub fn typed(&self, method: &'static Method) -> Result<&'static Method, Untyped> {
        match self.known {
            Known::Descriptor(kept) => kept.typed(method),
            Known::Nothing | Known::Trait => Ok(method),
        }
    }

    /// Whether it is that of no interface.
    pub const fn is_any(&self) -> bool {
        matches!(self.known, Known::Nothing)
    }

    /// Finds the interface among those that a plugin serves, and checks that the plugin can serve the host's.
    ///
    /// # Errors
    ///
    /// The plugin has no such interface, or another of the same name.
    pub fn check(&self, served: &[Descriptor]) -> Result<(), LoadErrorKind> {
        if self.is_any() {
            return Ok(());
        }
        let Some(found) = served.iter().find(|found| found.service == self.schema.service) else {
            let found = served.iter().map(|found| found.service.clone()).collect();
            return Err(LoadErrorKind::Interface { expected: self.schema.service, found });
        };
        let checked = match self.descriptor() {
            Some(descriptor) => descriptor.check(found),
            None => self.schema.check(found),
        };
        Ok(checked?)
    }

    /// The methods as a shared library has them.
    #[doc(hidden)]
    pub const fn specs(&self) -> &'static [MethodSpec] {
        self.specs
    }
}

/// What a method of an interface returns.
#[diagnostic::on_unimplemented(
    message = "a method of an interface must return `Result<T, Error>`, but returns `{Self}`",
    label = "expected `Result<T, jackfield_core::Error>`",
    note = "a call can always fail: the plugin may have been unloaded, or may have crashed"
)]
pub trait Outcome {
    /// The result.
    type Output;
    /// The plugin's own error.
    type Fault;
}

impl<T, E: Fault> Outcome for Result<T, Error<E>> {
    type Output = T;
    type Fault = E;
}
