//! Takes over the standard output: its first line is the handshake's, the rest goes to the host by gRPC.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::thread;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stdout, stdout};

use super::kept::{Keeper, Pieces, kept};
use super::termination::insist;

/// The standard output, taken over.
#[derive(Debug)]
pub(super) struct Redirected {
    /// Where the handshake goes.
    pub(super) original: File,
    /// What is printed from now on.
    pub(super) printed: Pieces,
    /// Where to write that the process should end: if it does not, the same thread sees to it.
    pub(super) end: OwnedFd,
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
        let (ended, end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let thread = thread::Builder::new().name("jackfield-stdout".into());
        thread.spawn(move || {
            let is_asked = pump(reader.into(), &ended, &keeper);
            if !is_asked && wait_for(&mut [PollFd::new(&ended, PollFlags::IN)]) {
                insist();
            }
        })?;
        Ok(Self { original, printed, end })
    }
}

/// Passes on what is printed, until nobody can print any more. Whether the process was asked to end meanwhile.
fn pump(mut reader: File, ended: &OwnedFd, keeper: &Keeper) -> bool {
    let mut buffer = [0; CHUNK];
    let (mut lost, mut is_asked) = (false, false);
    loop {
        if !is_asked {
            let both = &mut [PollFd::new(ended, PollFlags::IN), PollFd::new(&reader, PollFlags::IN)];
            if wait_for(both) {
                is_asked = true;
                insist();
                continue;
            }
        }
        let length = match reader.read(&mut buffer) {
            Ok(0) => return is_asked,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return is_asked,
        };
        if !keeper.keep(Bytes::copy_from_slice(&buffer[..length])) && !lost {
            lost = true;
            tracing::warn!("the host does not read what this plugin prints; some of it is lost");
        }
    }
}

/// Waits for any of them, and says whether it is the first.
fn wait_for(files: &mut [PollFd<'_>]) -> bool {
    while poll(files, None) == Err(Errno::INTR) {}
    files.first().is_some_and(|file| file.revents().contains(PollFlags::IN))
}

const CHUNK: usize = 4 * 1024;
