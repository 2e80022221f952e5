//! A plugin that writes and reads files in pieces.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use files::{Files, MAX_MESSAGE, handshake};
use futures_util::{StreamExt as _, stream};
use jackfield_plugin::{ByteStream, Context, Error, ServeConfig, export, plugin};

fn main() -> ExitCode {
    jackfield_plugin::serve(ServeConfig::new(handshake()).max_message(MAX_MESSAGE), &PLUGIN)
}

/// Files of the working directory.
struct Disk;

#[plugin]
impl Files for Disk {
    async fn write(&self, path: &str, mut content: ByteStream) -> Result<u64, Error> {
        let mut file = File::create(path)?;
        let mut pieces = 0;
        while let Some(piece) = content.next().await {
            file.write_all(&piece?)?;
            pieces += 1;
        }
        Ok(pieces)
    }

    async fn read(&self, path: &str, size: u32) -> Result<ByteStream, Error> {
        let mut file = File::open(path)?;
        let pieces = std::iter::from_fn(move || {
            let mut piece = Vec::new();
            match (&mut file).take(size.into()).read_to_end(&mut piece) {
                Ok(0) => None,
                Ok(_) => Some(Ok(piece.into())),
                Err(error) => Some(Err(error.into())),
            }
        });
        Ok(ByteStream::new(stream::iter(pieces)))
    }
}

fn open(_: &Context) -> Result<Disk, Error> {
    Ok(Disk)
}

export!(open as dyn Files);
