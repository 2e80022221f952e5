//! Go's gob as a stream: which messages make a value, and how much of them is accepted.
//!
//! What stands *in* a message is the business of the `gobwire` crate, whose `Gob` derive also says how a Rust type looks
//! in Go. This room cuts the stream into messages, bounds them, and knows the one thing that every value of net/rpc has
//! in front: its head.

mod error;
mod head;
mod reader;

pub use self::error::GobError;
pub(crate) use self::head::{Answer, AnswerHead, Empty, Refused, Request, RequestHead};
pub(crate) use self::reader::Reader;

#[doc(hidden)]
pub use self::reader::fuzz;
