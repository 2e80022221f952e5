//! The answering end of a connection.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jackfield_core::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::codec::wire::Wire;
use super::codec::{Bound, Call, Codec, FromBody, ToBody};
use super::error::{BodyError, RpcError};
use super::refusal::Refusal;

/// A table of methods; clones share it.
pub struct Server<C: Codec> {
    codec: C,
    bound: Bound,
    methods: Arc<HashMap<String, Method<C>>>,
    services: Arc<HashSet<String>>,
}

/// Reads the argument, and then computes the result from it.
type Method<C> = Arc<dyn Fn(&mut <C as Wire>::Decoder) -> Result<Answering<C>, BodyError> + Send + Sync>;
type Answering<C> = BoxFuture<'static, Result<Box<dyn ToBody<C> + Send>, Refusal>>;

impl<C: Codec> Server<C> {
    /// A server without methods.
    pub fn new(codec: C) -> Self {
        Self { codec, bound: Bound::default(), methods: Arc::default(), services: Arc::default() }
    }

    /// Limits how long a call may be, in bytes, which is 2 GiB otherwise. A longer one ends its connection.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.bound = Bound::new(bytes);
        self
    }

    /// Adds the method `name`, such as `Arith.Multiply`; one of the same name is replaced.
    ///
    /// Methods run beside each other on the task that serves the connection, and should not block it.
    #[must_use]
    pub fn method<A, R, E, F>(self, name: &str, method: impl Fn(A) -> F + Send + Sync + 'static) -> Self
    where
        A: FromBody<C>,
        R: ToBody<C> + Send + 'static,
        E: Display,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.refusing_method(name, move |argument| {
            let answer = method(argument);
            async move { answer.await.map_err(|error| Refusal::new(error.to_string())) }
        })
    }

    /// As [`method`](Self::method), for methods that say more than a text when they refuse.
    pub(crate) fn refusing_method<A, R, F>(
        mut self,
        name: &str,
        method: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: FromBody<C>,
        R: ToBody<C> + Send + 'static,
        F: Future<Output = Result<R, Refusal>> + Send + 'static,
    {
        let answer = move |decoder: &mut C::Decoder| -> Result<Answering<C>, BodyError> {
            let answer = method(A::read(decoder)?);
            Ok(Box::pin(
                async move { answer.await.map(|result| Box::new(result) as Box<dyn ToBody<C> + Send>) },
            ))
        };
        if let Some((service, _)) = name.rsplit_once('.') {
            Arc::make_mut(&mut self.services).insert(service.to_owned());
        }
        Arc::make_mut(&mut self.methods).insert(name.to_owned(), Arc::new(answer));
        self
    }

    /// Answers the calls that come on `connection` until the other end closes it and all are answered.
    ///
    /// # Errors
    /// If the connection fails, or what comes is no call. An unknown method, or an argument that does not fit, is an
    /// answer to the caller.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and gives up the methods that run.
    pub async fn serve(&self, connection: impl AsyncRead + AsyncWrite + Send) -> Result<(), RpcError> {
        let (input, output) = tokio::io::split(connection);
        self.serve_halves(input, output).await
    }

    /// Answers the calls that come in on `input`, on `output`.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// As [`serve`](Self::serve).
    pub async fn serve_halves(
        &self,
        input: impl AsyncRead + Send,
        output: impl AsyncWrite + Send,
    ) -> Result<(), RpcError> {
        let mut input = std::pin::pin!(input);
        let mut output = std::pin::pin!(output);
        let (mut decoder, mut encoder) = (self.codec.decoder(self.bound.clone()), self.codec.encoder());
        let (mut buffer, mut out, mut sent) = (BytesMut::with_capacity(BUFFER), Vec::new(), 0);
        let mut running = FuturesUnordered::new();
        let (mut open, mut unflushed) = (true, false);
        while open || sent < out.len() || !running.is_empty() || unflushed {
            if sent == out.len() && sent > 0 {
                (sent, unflushed) = (0, true);
                out.clear();
                out.shrink_to(MAX_WAITING);
            }
            let reads = open && out.len() < MAX_WAITING && running.len() < MAX_RUNNING;
            tokio::select! {
                biased;
                Some((call, result)) = running.next() => {
                    write_answer::<C>(&mut encoder, &call, result, &mut out);
                }
                read = input.read_buf(&mut buffer), if reads => {
                    open = read? > 0;
                    while let Some(call) = C::read_call(&mut decoder, &mut buffer)? {
                        match self.begin(&call.method, &mut decoder) {
                            Ok(answer) => running.push(async move {
                                let result = AssertUnwindSafe(answer).catch_unwind().await;
                                (call, result.unwrap_or_else(|panic| Err(panicked(&*panic))))
                            }),
                            Err(error) => C::write_error(&mut encoder, &call, &error, &mut out),
                        }
                    }
                    buffer.reserve(BUFFER);
                }
                moved = push(output.as_mut(), &out[sent..]), if sent < out.len() || unflushed => match moved? {
                    0 => unflushed = false,
                    written => sent += written,
                },
            }
        }
        output.shutdown().await?;
        Ok(())
    }

    /// Begins to answer a call whose argument the decoder holds. The errors are in Go's words: programs look for them.
    fn begin(&self, method: &str, decoder: &mut C::Decoder) -> Result<Answering<C>, Refusal> {
        if let Some(answer) = self.methods.get(method) {
            let begun = std::panic::catch_unwind(AssertUnwindSafe(|| answer(decoder)));
            return begun.map_err(|panic| panicked(&*panic))?.map_err(|error| {
                Refusal::new(format!("the argument of `{method}` is not what was expected: {error}"))
            });
        }
        C::discard(decoder);
        Err(Refusal::new(match method.rsplit_once('.') {
            None => format!("rpc: service/method request ill-formed: {method}"),
            Some((service, _)) if self.services.contains(service) => {
                format!("rpc: can't find method {method}")
            }
            Some(_) => format!("rpc: can't find service {method}"),
        }))
    }
}

impl<C: Codec> Clone for Server<C> {
    fn clone(&self) -> Self {
        let Self { codec, bound, methods, services } = self;
        let (methods, services) = (Arc::clone(methods), Arc::clone(services));
        Self { codec: codec.clone(), bound: bound.clone(), methods, services }
    }
}

impl<C: Codec> fmt::Debug for Server<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

fn write_answer<C: Codec>(
    encoder: &mut C::Encoder,
    call: &Call<C::Id>,
    result: Result<Box<dyn ToBody<C> + Send>, Refusal>,
    out: &mut Vec<u8>,
) {
    let written = match result {
        Ok(result) => C::write_result(encoder, call, &|encoder, out| result.write(encoder, out), out)
            .map_err(|error| Refusal::new(error.to_string())),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        C::write_error(encoder, call, &error, out);
    }
}

/// Sends some of `bytes`, or flushes if there are none.
async fn push(mut output: Pin<&mut impl AsyncWrite>, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return output.flush().await.map(|()| 0);
    }
    match output.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Refusal {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Refusal { panic: text.to_owned(), ..Refusal::new(format!("the method panicked: {text}")) }
}

const BUFFER: usize = 16 * 1024;
/// How much of the answers waits to be sent before no more calls are read.
const MAX_WAITING: usize = 1024 * 1024;
/// How many methods run before no more calls are read.
const MAX_RUNNING: usize = 4096;
