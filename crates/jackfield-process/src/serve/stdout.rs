//! Takes over the standard output: its first line is the handshake's, the rest goes to the host by gRPC.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;

use super::kept::{Keeper, Pieces, kept};
use bytes::Bytes;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stdout, stdout};

/// The standard output, taken over.
#[derive(Debug)]
pub(super) struct Redirected {
    /// Where the handshake goes.
    pub(super) original: File,
    /// What is printed from now on.
    pub(super) printed: Pieces,
}

impl Redirected {
    /// Puts a pipe in the place of the standard output, and a thread at its other end.
    ///
    /// The thread waits for nobody, least of all for a runtime that may itself be stuck in a `println!`: what
    /// is printed faster than a host reads is [kept](kept), and lost only beyond that.
    pub(super) fn take() -> io::Result<Self> {
        let original = File::from(fcntl_dupfd_cloexec(stdout(), 3)?);
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        dup2_stdout(&writer)?;
        // What was printed without a line feed lies in a buffer; now it cannot get in front of the handshake.
        io::stdout().flush()?;
        let (keeper, printed) = kept();
        thread::Builder::new().name("jackfield-stdout".into()).spawn(move || pump(reader.into(), &keeper))?;
        Ok(Self { original, printed })
    }
}

fn pump(mut reader: File, keeper: &Keeper) {
    let mut buffer = [0; CHUNK];
    let mut lost = false;
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if !keeper.keep(Bytes::copy_from_slice(&buffer[..length])) && !lost {
            lost = true;
            tracing::warn!("the host does not read what this plugin prints; some of it is lost");
        }
    }
}

const CHUNK: usize = 4 * 1024;
