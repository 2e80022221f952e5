//! An object that crosses by name, whose interface is still to be asserted.

use std::fmt;
use std::sync::Arc;

use jackfield_abi::symbols::CrossesAs;
use jackfield_abi::{self as abi, BindError, Bound, Passed};

use crate::generated::Exposes;
use crate::slot::Slot;
use crate::{Handle, Interface, Lane};

/// An object with methods, as the value of a variable or the result of a function. Whoever gets one asserts it to an
/// interface of their own: what counts are the names and types of the methods that this interface has.
///
/// ```
/// use jackfield_core::symbols::Object;
/// use jackfield_core::{Error, interface};
///
/// #[interface(service = "example.Driver", version = "1.0")]
/// trait Driver {
///     fn name(&self) -> Result<String, Error>;
/// }
///
/// struct MyDriver;
///
/// impl Driver for MyDriver {
///     fn name(&self) -> Result<String, Error> {
///         Ok("mydriver".to_owned())
///     }
/// }
///
/// let object = Object::new::<dyn Driver, _>(MyDriver);
/// assert_eq!(object.assert::<dyn Driver>()?.name()?, "mydriver");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Cloning is cheap, and clones are the same object. One that came from the other side cannot be handed over again.
#[derive(Clone)]
pub struct Object(Origin);

#[derive(Clone)]
enum Origin {
    Here(Arc<dyn Fn() -> Passed + Send + Sync>),
    There(Arc<abi::Object>),
    /// It was handed over without an object.
    Nowhere,
}

impl Object {
    /// An object of one's own, with the methods of the interface `I`.
    pub fn new<I, T>(object: T) -> Self
    where
        I: Interface + Exposes<T> + Exposes<Handle<I>> + ?Sized,
        T: Send + Sync + 'static,
    {
        let handle = Handle::<I>::new(object);
        let methods = <I as Exposes<Handle<I>>>::METHODS;
        let pass = move || Passed::new(I::SCHEMA.service, methods, handle.clone());
        Self(Origin::Here(Arc::new(pass)))
    }

    /// The object as one of the interface `I`, which this side declares.
    ///
    /// # Errors
    ///
    /// The object lacks a method of the interface, or has it with other types. The error names it.
    pub fn assert<I: Interface + ?Sized>(&self) -> Result<Handle<I>, AssertError> {
        let error = |reason: String| AssertError { expected: I::SCHEMA.service, reason };
        let object = match &self.0 {
            Origin::Here(pass) => pass().into_object(),
            Origin::There(object) => Some(object.clone()),
            Origin::Nowhere => None,
        };
        let object = object.ok_or_else(|| error("it was handed over twice".to_owned()))?;
        let other = object.differs(I::SPECS);
        let bound = Bound::bind(object, I::SPECS, abi::Lane::Direct).map_err(|bind| error(reason(&bind)))?;
        let is_other = |index: &usize| !bound.lacks(*index) && bound.lane(*index) != Some(abi::Lane::Direct);
        let crosses_otherwise = || (0..I::SPECS.len()).find(is_other).map(|index| I::SPECS[index].name());
        if let Some(method) = other.or_else(crosses_otherwise) {
            return Err(error(format!("its method `{method}` has other types")));
        }
        let slot = Arc::new(Slot::new::<I>(Lane::Bound(bound)));
        // The library from which the object came closes the handle before it goes.
        slot.watch_peer();
        Ok(Handle::from_slot(slot))
    }
}

fn reason(error: &BindError) -> String {
    match error {
        BindError::Missing { method } => format!("it has no method `{method}`"),
        BindError::Mode { method } => {
            format!("its method `{method}` is `async` on one side and blocking on the other")
        }
    }
}

impl CrossesAs for Object {
    type As = Passed;
    const NAME: &'static str = "Object";

    fn into_other(self) -> Passed {
        match self.0 {
            Origin::Here(pass) => pass(),
            // Nobody else can call its methods: whoever asserts it finds none.
            Origin::There(_) | Origin::Nowhere => Passed::new("", &[], ()),
        }
    }

    fn from_other(passed: Passed) -> Self {
        Self(passed.into_object().map_or(Origin::Nowhere, Origin::There))
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::There(object) => f.debug_tuple("Object").field(object).finish(),
            Origin::Here(_) | Origin::Nowhere => f.write_str("Object"),
        }
    }
}

/// An object is not of the interface that it was asserted to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssertError {
    /// The interface.
    pub expected: &'static str,
    /// What the object lacks.
    pub reason: String,
}

impl fmt::Display for AssertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the object is no `{}`: {}", self.expected, self.reason)
    }
}

impl std::error::Error for AssertError {}
