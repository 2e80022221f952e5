//! Plugins that talk over their standard input and output, as [natefinch/pie] has them: the simplest there can be.
//!
//! Any program will do, in any language, that reads a call from its standard input and writes the answer to its standard
//! output. What it says on its standard error is its log. In JSON a call is one line:
//!
//! ```text
//! {"method":"Plugin.SayHi","params":["bob"],"id":0}
//! {"id":0,"result":"Hi bob","error":null}
//! ```
//!
//! A [`StdioPlugin`] *provides* something when it is loaded, and the host calls it; or it *consumes* what the host
//! serves to it, if it is given a server to [`consume`](StdioPlugin::consume). A program of one's own is the other half:
//! [`serve`] for a plugin's interfaces, [`provide`] and [`consumer`] for what is no plugin.
//!
//! [natefinch/pie]: https://github.com/natefinch/pie

mod host;
mod instance;
mod program;
mod serve;

pub use self::host::{StdioCodec, StdioPlugin};
pub use self::instance::Consumer;
pub use self::program::{consumer, provide};
pub use self::serve::serve;
