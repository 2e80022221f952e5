//! What the macro says of a trait.

use jackfield_abi::{MethodSpec, StaticRef};

use crate::error::{Error, Fault};
use crate::schema::Schema;

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
}

impl Description {
    /// The description of `I`.
    pub const fn of<I: Interface + ?Sized>() -> Self {
        Self { schema: I::SCHEMA, specs: I::SPECS }
    }

    /// The schema.
    pub const fn schema(&self) -> &'static Schema {
        self.schema
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
