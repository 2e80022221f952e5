//! The steps of a load.

use std::fmt;

/// A step of a load, in their order. A backend takes those that it has: what is linked in is neither read nor started,
/// and a process runs its `init` and its constructor as a part of its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Its name is entered.
    Register,
    /// Calls of the old one, which hands over what it holds, come to their end.
    Drain,
    /// The old one saves what it holds.
    Save,
    /// What is there is read: its file, its manifest, its digest.
    Read,
    /// It is mapped, or its process starts and is connected.
    Start,
    /// It is asked whether it is well, where it can be: a process that serves gRPC's health checks, or net/rpc.
    Health,
    /// What it says of itself is compared with what this host needs: its ABI, the interfaces that it serves. A library says
    /// it in its file, before its start.
    Check,
    /// Its `init` runs.
    Init,
    /// Its constructor runs.
    Construct,
}

/// One word, for people and for scripts.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Drain => "drain",
            Self::Save => "save",
            Self::Read => "read",
            Self::Start => "start",
            Self::Health => "health",
            Self::Check => "check",
            Self::Init => "init",
            Self::Construct => "construct",
        })
    }
}
