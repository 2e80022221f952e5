//! Discovery: what could be loaded, from what lies in a directory. No plugin code runs here.

mod directory;
mod file;
pub(crate) mod manifest;
mod notice;
mod os;
mod settle;

pub use self::directory::Directory;

#[cfg(test)]
pub(crate) use self::file::Stamp;
pub(crate) use self::file::{File, Scanner};
pub(crate) use self::notice::Listener;
pub(crate) use self::settle::{Found, Settling};
