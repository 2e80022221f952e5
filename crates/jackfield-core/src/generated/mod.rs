//! What the text of the macros calls: a method as a type, on the plugin's side and on the host's.

mod answer;
mod argument;
mod arguments;
mod host;
mod method;
mod plugin;

pub use answer::Answer;
pub use argument::{Argument, Ref};
pub use arguments::Arguments;
pub(crate) use host::refusal_error;
pub use host::{call, call_or, constructor_error, start, start_or};
pub use method::{Given, Held, MethodOf, give, result, spec};
pub use plugin::{
    Asynchronous, Blocking, Direct, Encoded, Exposes, asynchronous, blocking, export, export_at,
};
