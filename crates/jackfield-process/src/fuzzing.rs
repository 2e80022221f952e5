//! What the fuzz targets reach of this crate. It exists under `cfg(fuzzing)` alone.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use bytes::Bytes;
use prost::Message as _;

use crate::child::{fuzz_executable, fuzz_logs};
use crate::fate::Fate;
use crate::grpc::generated::go_plugin::ConnInfo;
use crate::grpc::{Broker, Brokered, Limit, Mux, Splitter};
use crate::handshake::{Announcement, PluginOffer};
use crate::serve::Place;
use crate::tasks::Tasks;

pub use crate::netrpc::{fuzz_gob as gob, fuzz_json as json};
pub use crate::yamux::fuzz as yamux;

/// Reads a plugin's first line.
///
/// # Panics
///
/// What was read is written as something else.
pub fn handshake(bytes: &[u8]) {
    let Ok(announcement) = String::from_utf8_lossy(bytes).parse::<Announcement>() else { return };
    // What is about as short as what is taken for none may be written as none, since it is written without padding.
    if announcement.certificate.as_ref().is_some_and(|certificate| certificate.len() < 40) {
        return;
    }
    let written = announcement.to_string();
    let again: Announcement = written.parse().expect("what is written is read");
    assert_eq!(written, again.to_string());
}

/// Reads what a host tells a plugin in its environment: `name=value`, each up to a zero byte.
pub fn environment(bytes: &[u8]) {
    let variable = |name: &str| {
        bytes.split(|byte| *byte == 0).find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(OsString::from_vec(value.to_vec()))
        })
    };
    let (offer, invalid) = PluginOffer::read(variable);
    assert!(offer.versions.len() + invalid.len() <= bytes.len(), "more versions than there are");
}

/// Reads what runs a file.
pub fn executable(bytes: &[u8]) {
    fuzz_executable(bytes);
}

/// Reads what a plugin writes to its standard error, in pieces of any size.
///
/// # Panics
///
/// More is kept than there is room for.
pub fn logs(bytes: &[u8]) {
    fuzz_logs(bytes);
}

/// Reads messages between two brokers, each with a byte for its length before it, on either kind of connection.
pub fn broker(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for mux in [None, Some(Mux::default().into())] {
            let (tasks, _kept) = Tasks::here();
            let fate = Fate::of_host(tasks.clone());
            let (tls, translator, place) = (None, None, Place::default());
            let broker =
                Broker::new(Brokered { tasks, place, tls, translator, fate, mux, limit: Limit::default() });
            let mut rest = bytes;
            while let Some((length, more)) = rest.split_first() {
                let (message, more) = more.split_at(usize::from(*length).min(more.len()));
                rest = more;
                if let Ok(info) = ConnInfo::decode(message) {
                    crate::grpc::fuzz_address(&info);
                    broker.hear(info);
                }
            }
        }
    });
}

/// Finds the messages of a stream of gRPC, whatever the pieces.
///
/// # Panics
///
/// The messages depend on the pieces.
pub fn frames(bytes: &[u8]) {
    let found = |size: usize| {
        let (mut splitter, mut messages) = (Splitter::default(), Vec::new());
        for piece in bytes.chunks(size) {
            splitter.push(Bytes::copy_from_slice(piece));
            loop {
                match splitter.next() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(_) => return messages,
                }
            }
        }
        messages
    };
    assert_eq!(found(bytes.len().max(1)), found(1 + bytes.len() % 61));
}
