//! The host's door against plugins that are linked in and plugins in shared libraries.

mod alone;
mod hostile;
mod logs;
mod native;
mod reactor;
mod seen;
mod slots;
mod support;
mod symbols;
mod threads;
