//! The symbols of a plugin: functions and variables under names, each with a structural type.
//!
//! A host and a plugin share no code here: both write down what they mean, the text of the type crosses with the
//! symbol, and a host calls only what has the type that it asked for. The nouns:
//!
//! 1. [`Portable`]: a type that crosses, and [`TypeText`]: how it is written down. [`Signature`]: a function type, such
//!    as `fn(i64) -> String`.
//! 2. [`Var`]: a variable of a plugin. [`Func`]: a function as a value. [`Channel`]: a queue between the
//!    two sides, and [`Select`].
//! 3. [`Function`] and [`Variable`]: what a plugin exports. [`Symbol`]: the entry of one in its table.
//! 4. [`Init`]: what a plugin is given when it is loaded, and [`Host`]: who is asked then.
//! 5. [`Target`]: what a host calls of a symbol.

mod channel;
mod compound;
mod exported;
mod func;
mod init;
mod outcome;
mod portable;
mod queue;
mod signature;
mod symbol;
mod var;
mod wait;

pub use channel::{Channel, RawChannel, Receiving, Sending};
pub use compound::{Choice, CrossesAs};
pub use exported::{Exports, Function, Holds, Variable};
pub use func::{Func, Offered, RawFunc, Registered};
pub(crate) use init::InitHook;
#[cfg(test)]
pub(crate) use init::RawInit;
pub use init::{Host, Init};
pub use outcome::Outcome;
pub use portable::Portable;
pub use queue::Closed;
pub use signature::{Exporting, Signature};
pub use symbol::{Kind, Operation, Symbol, Target};
pub use var::Var;
pub use wait::Select;

pub use crate::type_text::TypeText;
