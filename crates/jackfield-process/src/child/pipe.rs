//! Reads one output of a child as it comes.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

/// The reading end of a pipe, until it ends.
#[derive(Debug)]
pub(super) struct Pipe(Option<Receiver>);

/// What one read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// The pipe has ended.
    End,
    /// Nothing is there yet.
    Nothing,
}

impl Pipe {
    /// Wraps a reading end; `None` is a pipe that has ended.
    pub(super) fn new(end: Option<OwnedFd>) -> io::Result<Self> {
        end.map(Receiver::from_owned_fd).transpose().map(Self)
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Ends once a read would give something; never, if the pipe has ended.
    pub(super) async fn readable(&self) {
        match &self.0 {
            // A read shows the error, too.
            Some(receiver) => drop(receiver.readable().await),
            None => pending().await,
        }
    }

    /// Reads what is there.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> Chunk {
        let Some(receiver) = &self.0 else { return Chunk::End };
        match receiver.try_read(buffer) {
            Ok(length) if length > 0 => Chunk::Bytes(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Chunk::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Chunk::Nothing,
            Ok(_) | Err(_) => {
                self.0 = None;
                Chunk::End
            }
        }
    }
}
