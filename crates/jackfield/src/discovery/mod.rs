//! Discovery: what could be loaded, from what lies in a directory. No plugin code runs here.

mod directory;
mod file;
mod os;
mod settle;

pub use self::directory::Directory;

pub(crate) use self::file::{File, Stamp, scan};
pub(crate) use self::settle::{Found, Settling};
