//! A reference to a static that constants may hold, also in a circle.

use std::fmt;
use std::ops::Deref;

/// A reference to a static. A constant that holds it does not look into the static, as it would through a `&'static T`:
/// so the description of a type may lead back to itself.
pub struct StaticRef<T: 'static>(*const T);

impl<T> StaticRef<T> {
    /// Refers to a static.
    pub const fn new(target: &'static T) -> Self {
        Self(target)
    }

    /// The static.
    pub const fn get(self) -> &'static T {
        // SAFETY: the only constructor was given a `&'static T`.
        unsafe { &*self.0 }
    }
}

impl<T> Clone for StaticRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StaticRef<T> {}

impl<T> Deref for StaticRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.get()
    }
}

/// It does not show the static, which may lead back to itself.
impl<T> fmt::Debug for StaticRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticRef")
    }
}

// SAFETY: it is a `&'static T`.
unsafe impl<T: Sync> Send for StaticRef<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for StaticRef<T> {}
