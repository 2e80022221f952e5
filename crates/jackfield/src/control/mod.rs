//! Control: an operator asks a running host what its plugins are doing, and tells it what to do with them.

mod request;
mod socket;

pub use self::socket::{ControlError, ControlSocket};
