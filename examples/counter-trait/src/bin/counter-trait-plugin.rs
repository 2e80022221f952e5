//! A plugin that counts in files, and lets the host do the sums.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use counter_trait::{AddHelper, Counter, Peer, handshake};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jackfield_plugin::{ByteStream, Bytes, Code, Context, Error, Failure, Handle, export, plugin};
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    serve()
}

/// Counters, each of which is a file.
struct Files;

#[derive(Default, Deserialize, Serialize)]
struct Record {
    #[serde(rename = "Value")]
    value: i64,
}

impl Record {
    fn read(key: &str) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(format!("kv_{key}"))?)?)
    }

    fn write(&self, key: &str) -> std::io::Result<()> {
        std::fs::write(format!("kv_{key}"), serde_json::to_vec(self)?)
    }
}

#[plugin]
impl Counter for Files {
    async fn get(&self, key: &str) -> Result<i64, Error> {
        Ok(Record::read(key)?.value)
    }

    async fn put(&self, add_server: Handle<dyn AddHelper>, key: &str, value: i64) -> Result<(), Error> {
        let before = Record::read(key).unwrap_or_default();
        let value = add_server.sum(before.value, value).await?;
        Ok(Record { value }.write(key)?)
    }
}

/// Streams, and an object that the host calls.
struct Streams;

#[plugin]
impl Peer for Streams {
    async fn open(&self, key: &str) -> Result<Handle<dyn Counter>, Error> {
        Ok(Handle::new(Opened { prefix: key.to_owned() }))
    }

    async fn blob(&self, data: Bytes) -> Result<Bytes, Error> {
        Ok(data)
    }

    async fn upload(&self, data: ByteStream) -> Result<i64, Error> {
        data.try_fold(0, |count, piece| std::future::ready(Ok(count + piece.len() as i64))).await
    }

    async fn download(&self, count: i64) -> Result<ByteStream, Error> {
        let count = usize::try_from(count).unwrap_or_default();
        let piece = Bytes::from(vec![b'x'; 1024]);
        Ok(ByteStream::new(stream::iter(std::iter::repeat_n(piece, count)).map(Ok)))
    }

    async fn echo(&self, data: ByteStream) -> Result<ByteStream, Error> {
        Ok(data)
    }
}

/// A counter whose values are the lengths of its keys.
struct Opened {
    prefix: String,
}

#[plugin]
impl Counter for Opened {
    async fn get(&self, key: &str) -> Result<i64, Error> {
        Ok((self.prefix.len() + key.len()) as i64)
    }

    async fn put(&self, _: Handle<dyn AddHelper>, _: &str, _: i64) -> Result<(), Error> {
        Err(Failure::with_code(Code::UNIMPLEMENTED, "this counter cannot be set").into())
    }
}

fn open_files(_: &Context) -> Result<Files, Error> {
    Ok(Files)
}

fn open_streams(_: &Context) -> Result<Streams, Error> {
    Ok(Streams)
}

export!(open_files as dyn Counter, open_streams as dyn Peer, handshake = handshake());
