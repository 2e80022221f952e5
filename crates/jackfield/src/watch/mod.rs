//! Watching: the plugins of a directory come, change and go with its files, and come back when they end.

mod handle;
mod life;
mod sleep;
mod watcher;

pub use self::handle::{Watch, WatchError};
pub(crate) use self::life::random;
pub(crate) use self::sleep::{First, first, sleep_until};
