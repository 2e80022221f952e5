//! Measures how long it takes to encode and decode a struct of ten fields in gobs, as calls of net/rpc do.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use gobwire::{Decoder, Encoder, Gob, Progress, parse_length_prefix};
use jackfield_benches::{batches, median, print};

#[derive(Clone, Debug, Default, PartialEq, Gob)]
struct Record {
    name: String,
    text: String,
    number: i64,
    other: i64,
    size: u32,
    count: u32,
    ratio: f64,
    ready: bool,
    data: Vec<u8>,
    words: Vec<String>,
}

/// Both ends of a stream, which define the type once.
#[derive(Default)]
struct Stream {
    encoder: Encoder,
    decoder: Decoder,
    bytes: Vec<u8>,
}

impl Stream {
    fn pass(&mut self, record: &Record) -> anyhow::Result<Record> {
        self.bytes.clear();
        self.encoder.encode_into(record, &mut self.bytes)?;
        let mut rest = &self.bytes[..];
        loop {
            let (width, length) = parse_length_prefix(rest)?.context("a message is missing")?;
            let (message, behind) = rest[width..].split_at(length);
            rest = behind;
            if self.decoder.push_message(message)? == Progress::Ready {
                return Ok(self.decoder.decode()?);
            }
        }
    }
}

fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).context("usage: measure-gob SECONDS")?.parse()?;
    let record = Record {
        name: "a name".into(),
        text: "some longer text, as there is".into(),
        number: -5,
        other: 1 << 40,
        size: 7,
        count: 70_000,
        ratio: 1.5,
        ready: true,
        data: vec![7; 16],
        words: ["one", "two", "three"].map(str::to_owned).to_vec(),
    };
    let mut stream = Stream::default();
    ensure!(stream.pass(&record)? == record, "what came is not what was sent");
    let ns = batches(Duration::from_secs_f64(seconds), |count| {
        for _ in 0..count {
            let came = stream.pass(std::hint::black_box(&record)).expect("it passed before");
            std::hint::black_box(came);
        }
    });
    Ok(print(&serde_json::json!({ "ns": median(ns) }))?)
}
