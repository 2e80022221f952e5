//! What a user's types are on the wire, against prost's own, and bytes that nobody has checked.

mod codec;
mod compile;
mod object;
mod schema;
mod types;
