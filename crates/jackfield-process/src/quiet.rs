//! A Unix socket that wakes its thread for what came, and for nothing else.
//!
//! Whenever the other side has read something, a Unix socket says that it can be written again. tokio's own sockets hear
//! of that, so that with one call after the other each side is woken twice per call. Here it is listened for only after
//! a write that did not fit.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::runtime::Handle;

use crate::busy_poll;

/// The socket, which lives on the runtime on which it was made. Any thread may write.
#[derive(Debug)]
pub(crate) struct QuietSocket {
    /// The socket, which is no pipe, but read like one: tokio listens to what comes only.
    input: Receiver,
    /// As long as a write waits, tokio listens to the other direction of another descriptor of it.
    output: Output,
    runtime: Handle,
}

/// The other descriptor. It is there from the beginning: a process that has as many as it may have writes on.
#[derive(Debug)]
enum Output {
    Free(OwnedFd),
    Full(Sender),
    /// While it passes from one to the other.
    Between,
}

impl QuietSocket {
    /// Takes over a socket. Must be called on the runtime.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let output = Output::Free(socket.try_clone()?.into());
        let input = Receiver::from_owned_fd_unchecked(OwnedFd::from(socket))?;
        Ok(Self { input, output, runtime: Handle::current() })
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        send: impl Fn(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Output::Full(full) = &self.output {
                ready!(full.poll_write_ready(context))?;
                self.pass(|output| match output {
                    Output::Full(full) => full.into_nonblocking_fd().map(Output::Free),
                    other => Ok(other),
                })?;
            }
            match retry_on_intr(|| send(self.input.as_fd())) {
                // Listening begins with how it is now, so that nothing is missed in between.
                Err(Errno::AGAIN) => {
                    let runtime = self.runtime.clone();
                    let _entered = runtime.enter();
                    self.pass(|output| match output {
                        Output::Free(free) => Sender::from_owned_fd_unchecked(free).map(Output::Full),
                        other => Ok(other),
                    })?;
                }
                sent => return Poll::Ready(Ok(sent?)),
            }
        }
    }
}

impl QuietSocket {
    fn pass(&mut self, change: impl FnOnce(Output) -> io::Result<Output>) -> io::Result<()> {
        self.output = change(std::mem::replace(&mut self.output, Output::Between))?;
        Ok(())
    }
}

impl AsyncRead for QuietSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.input).poll_read(context, buffer);
        if read.is_ready() {
            busy_poll::heard();
        }
        read
    }
}

impl AsyncWrite for QuietSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |socket| send(socket, bytes, SendFlags::NOSIGNAL))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |socket| {
            sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(self.input.as_fd(), Shutdown::Write) {
            // The other end was faster.
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

    use super::*;

    fn pair() -> (QuietSocket, QuietSocket) {
        let (one, other) = UnixStream::pair().unwrap();
        (QuietSocket::new(one).unwrap(), QuietSocket::new(other).unwrap())
    }

    #[tokio::test]
    async fn both_directions_are_full_at_once() {
        let (one, other) = pair();
        let sent: Vec<u8> = (0..5_000_000_u32).map(|index| index as u8).collect();
        let pass = async |socket: QuietSocket| {
            let (mut input, mut output) = split(socket);
            let mut came = Vec::new();
            let send = async {
                output.write_all(&sent).await.unwrap();
                output.shutdown().await.unwrap();
            };
            let (read, ()) = tokio::join!(input.read_to_end(&mut came), send);
            read.unwrap();
            assert!(came == sent, "what came is not what was sent");
        };
        tokio::join!(pass(one), pass(other));
    }

    /// A thread without a runtime writes more than fits; the runtime's own hears when more does.
    #[tokio::test]
    async fn any_thread_may_write() {
        let (mut one, mut other) = pair();
        let writer = std::thread::spawn(move || {
            let written = one.write_all(&[1; 3_000_000]).now_or_never();
            assert!(written.is_none(), "so much does not fit");
            one
        });
        let mut one = writer.join().unwrap();
        let mut buffer = vec![0; 1 << 20];
        assert!(other.read(&mut buffer).await.unwrap() > 0);
        one.write_all(b"more").await.unwrap();
        drop(one);
        let mut rest = Vec::new();
        other.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"more"));
    }

    #[tokio::test]
    async fn the_end_is_an_error_for_who_writes() {
        let (mut one, other) = pair();
        drop(other);
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(one.read(&mut [0]).await.unwrap(), 0);
    }
}
