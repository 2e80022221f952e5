//! The plugin's side of Jackfield.

pub use jackfield_macros::{export, plugin};

pub use jackfield_core::{BoxFuture, Bytes, CallError, Code, Context, Error, Failure, Fault, Plugin};

/// What generated code calls. Nothing here is for people, and none of it is stable.
#[doc(hidden)]
pub mod __private {
    pub use jackfield_core::__private::*;
}
