//! What the measuring programs of `cargo xtask compare` share.
//!
//! Each program below `bin` measures one thing and prints one JSON object; `xtask` runs it next to its peer.

mod burst;
mod chunks;
mod clock;
pub mod generated;
mod processes;
mod report;
mod soak;
mod values;
mod wire;

pub use burst::{Client, Start, started, unary};
pub use chunks::{CHUNK, Chunks};
pub use clock::{alternate, batches, median, ns_per_call};
pub use processes::{children_of, resident_kb, running_ns};
pub use report::print;
pub use soak::soak;
pub use values::value;
pub use wire::Wire;
