//! What one generation of a plugin saves, on its way to the next.
//!
//! It needs no layout of its own. An object that saves has one more method in its table, under a name that no method of an
//! interface has, and what was saved is offered to the next constructor as an object with this very method.

use std::future::ready;
use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};

use bytes::Bytes;

use crate::bound::{Bound, Started};
use crate::context::Context;
use crate::future::BoxFuture;
use crate::method::{CallAsync, Conclude, Offered};
use crate::object::{Object, Passed};
use crate::parcel::Parcel;
use crate::shim::Reply;

/// The name of the method by which an object saves. It takes an empty message, and answers with what it saved.
pub const SAVE: &str = "jackfield.Save";

/// The name under which what was saved is offered.
pub const SAVED: &str = "jackfield.saved";

impl Context {
    /// The same, for a constructor that is to go on from what an older generation saved.
    #[must_use]
    pub fn with_saved(self, saved: Bytes) -> Self {
        const METHODS: &[Offered<Saved>] = &[Offered::asynchronous::<Give, Give>(SAVE, 0, 0)];
        self.with_object(SAVED, move || Passed::new(SAVED, METHODS, Saved(saved.clone())))
    }

    /// The same, for a constructor that is to begin anew.
    #[must_use]
    pub fn without_saved(mut self) -> Self {
        self.forget(SAVED);
        self
    }

    /// What the generation before this one saved, if it did and this one replaces it.
    ///
    /// ```
    /// use jackfield_abi::{Bytes, Context};
    ///
    /// let context = Context::new("counter", []);
    /// assert_eq!(context.saved(), None);
    /// assert_eq!(context.with_saved(Bytes::from_static(b"7")).saved(), Some(Bytes::from_static(b"7")));
    /// ```
    pub fn saved(&self) -> Option<Bytes> {
        let bound = saver(self.object(SAVED)?);
        let mut context = TaskContext::from_waker(Waker::noop());
        match bound.start_encoded(0, Parcel::default(), &mut context) {
            Ok(Started::Ready(Ok(saved))) => Some(saved.bytes),
            _ => None,
        }
    }
}

/// An object's method that saves, as the first; it is [lacking](Bound::lacks) where the object does not save.
pub fn saver(object: Arc<Object>) -> Bound {
    Bound::by_name(object, [SAVE])
}

/// What was saved.
struct Saved(Bytes);

struct Give;

impl Conclude for Give {
    type Pending = Bytes;
    type Output = Parcel;

    fn conclude(saved: Bytes) -> Reply<Parcel> {
        Ok(saved.into())
    }
}

impl CallAsync<Saved> for Give {
    type Arguments = (Parcel,);

    fn call<'a>(this: &'a Saved, (_,): (Parcel,)) -> Reply<BoxFuture<'a, Bytes>> {
        Ok(Box::pin(ready(this.0.clone())))
    }
}
