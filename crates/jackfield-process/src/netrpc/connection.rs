//! Reads the answers of a connection and sends what its callers could not.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::client::{Calls, Client};
use super::codec::{Bound, Codec};
use super::error::RpcError;

/// Begins to call the server at the other end of `connection`.
pub fn connect<C: Codec>(
    connection: impl AsyncRead + AsyncWrite + Send + 'static,
    codec: C,
) -> (Client<C>, Connection) {
    let (input, output) = tokio::io::split(connection);
    connect_halves(input, output, codec)
}

/// Begins to call the server that reads `output` and writes `input`, such as a child process.
pub fn connect_halves<C: Codec>(
    input: impl AsyncRead + Send + 'static,
    output: impl AsyncWrite + Send + 'static,
    codec: C,
) -> (Client<C>, Connection) {
    connect_within(Bound::default(), (input, output), codec)
}

/// As [`connect_halves`], for a server whose answers are within a bound.
pub(crate) fn connect_within<C: Codec>(
    bound: Bound,
    (input, output): (impl AsyncRead + Send + 'static, impl AsyncWrite + Send + 'static),
    codec: C,
) -> (Client<C>, Connection) {
    let calls = Arc::new(Calls::new(&codec, output));
    let guard = Guard(Arc::clone(&calls));
    let work = Box::pin(async move { work(guard, Box::pin(input), codec.decoder(bound)).await });
    (Client::new(calls), Connection { work })
}

/// The work of a connection. It ends with the connection and says why; the connection ends when it is dropped.
#[must_use = "calls are not answered unless their connection is polled"]
pub struct Connection {
    work: Pin<Box<dyn Future<Output = RpcError> + Send>>,
}

impl Future for Connection {
    type Output = RpcError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RpcError> {
        self.work.as_mut().poll(context)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

async fn work<C: Codec>(
    calls: Guard<C>,
    mut input: Pin<Box<dyn AsyncRead + Send>>,
    mut decoder: C::Decoder,
) -> RpcError {
    let Guard(calls) = &calls;
    let mut buffer = BytesMut::with_capacity(BUFFER);
    let end = loop {
        tokio::select! {
            end = poll_fn(|context| poll_output(calls, context)) => break end,
            read = input.read_buf(&mut buffer) => match read {
                Ok(0) => break RpcError::Gone,
                Ok(_) => match calls.receive(&mut decoder, &mut buffer) {
                    Ok(()) => buffer.reserve(BUFFER),
                    Err(error) => break error.into(),
                },
                Err(error) => break error.into(),
            },
        }
    };
    calls.finish(end);
    calls.end().unwrap_or(RpcError::Closed)
}

/// Ends if the output fails, or once this end has closed the connection and everything was sent.
fn poll_output<C: Codec>(calls: &Calls<C>, context: &mut Context<'_>) -> Poll<RpcError> {
    let end = calls.end();
    // A caller that was just answered may be sending its next call: the end of what it sends is not waited for.
    let sent = if end.is_some() { calls.poll_send(context) } else { calls.poll_left(context) };
    match (sent, end) {
        (Poll::Ready(Err(error)), _) => Poll::Ready(error.into()),
        (Poll::Ready(Ok(())), Some(end)) => calls.poll_shutdown(context).map(|_| end),
        (Poll::Ready(Ok(())), None) | (Poll::Pending, _) => Poll::Pending,
    }
}

/// Ends the calls with the connection, however it ends.
struct Guard<C: Codec>(Arc<Calls<C>>);

impl<C: Codec> Drop for Guard<C> {
    fn drop(&mut self) {
        self.0.finish(RpcError::Closed);
        self.0.close();
    }
}

const BUFFER: usize = 16 * 1024;
