//! The host's door against plugins that are linked in and plugins in shared libraries.

mod alone;
mod c;
mod cycles;
mod directory;
mod dynamic;
mod events;
mod examples;
mod home;
mod hostile;
mod hot;
mod logs;
mod manifest;
mod native;
mod reactor;
mod restartable;
mod scan_loop;
mod scenario;
mod seen;
mod slots;
mod support;
mod symbols;
mod threads;
mod versions;
mod workspaces;
