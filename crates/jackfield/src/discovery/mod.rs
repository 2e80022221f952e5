//! Discovery: what could be loaded, from what lies in a directory. No plugin code runs here.

mod changes;
mod described;
mod directory;
mod file;
mod git;
pub(crate) mod manifest;
mod notice;
mod offered;
mod os;
mod settle;

pub use self::changes::Changes;
pub use self::described::Described;
pub use self::directory::Directory;
pub use self::file::Kind as FileKind;
pub use self::offered::Offered;

pub(crate) use self::directory::{Looking, Taking};
#[cfg(test)]
pub(crate) use self::file::Stamp;
pub(crate) use self::file::{File, Scanner};
pub(crate) use self::git::is_busy;
pub(crate) use self::notice::Listener;
pub(crate) use self::settle::{Found, Settling};
