//! The host's door against plugins that are linked in and plugins in shared libraries.

mod native;
mod slots;
mod support;
