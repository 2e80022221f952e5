//! The plugin's end: the program's own standard input and output.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdout, stderr, stdin, stdout};
use tokio::net::unix::pipe;

use crate::netrpc::{Client, Codec, Connection, RpcError, Server, connect_halves};

/// Answers the host with `server`, until it closes this program's standard input.
///
/// What the program prints goes to its standard error from now on: the standard output belongs to the answers. Must be
/// called in a runtime of `tokio` with I/O.
///
/// # Errors
/// If the standard input and output are no pipes, or what comes is no call.
pub async fn provide<C: Codec>(server: &Server<C>) -> Result<(), RpcError> {
    let (input, output) = pipes()?;
    server.serve_halves(input, output).await
}

/// Calls the host, which serves something to this program.
///
/// What the program prints goes to its standard error from now on. Must be called in a runtime of `tokio` with I/O.
///
/// # Errors
/// If the standard input and output are no pipes.
pub fn consumer<C: Codec>(codec: C) -> io::Result<(Client<C>, Connection)> {
    let (input, output) = pipes()?;
    Ok(connect_halves(input, output, codec))
}

pub(super) type Input = pipe::Receiver;
pub(super) type Output = pipe::Sender;

/// Takes the pipes away from whatever else would read or print.
pub(super) fn pipes() -> io::Result<(Input, Output)> {
    let input: OwnedFd = fcntl_dupfd_cloexec(stdin(), 3)?;
    let output: OwnedFd = fcntl_dupfd_cloexec(stdout(), 3)?;
    dup2_stdout(stderr())?;
    Ok((pipe::Receiver::from_owned_fd(input)?, pipe::Sender::from_owned_fd(output)?))
}
