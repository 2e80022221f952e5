//! A cgroup (of version 2) around one plugin and all that it starts, which bounds their memory together.
//!
//! This process is never moved itself, and nothing is done where somebody else divides the cgroups.

mod group;
mod place;

pub(super) use self::group::MemoryGroup;
