//! The caller's end of HTTP/2.
//!
//! A request's head and its first piece leave in one write, so that the other side is woken once. What a general client
//! does (a queue before the connection, a task for each answer, the head before anything else) costs a small call more
//! than the call itself.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::{AbortHandle, FutureExt as _, abortable};
use h2::client::{self, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use tokio::sync::{oneshot, watch};
use tonic::body::Body;

use super::connect::Socket;
use super::{CONNECTION_WINDOW, MAX_FRAME, MAX_HEADERS, SEND_BUFFER, STREAM_WINDOW};
use crate::tasks::Tasks;

/// Starts HTTP/2 on a socket. The future drives the connection until its end.
///
/// # Errors
/// What listens does not speak it.
pub(crate) async fn start(
    socket: Socket,
    executor: Executor,
) -> Result<(Sender, impl Future<Output = ()> + Send), h2::Error> {
    let handshake = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(MAX_HEADERS)
        .enable_push(false)
        .handshake(socket);
    let (sender, connection) = handshake.await?;
    let (ours, all_dropped) = oneshot::channel();
    let closed = Arc::new(watch::Sender::new(false));
    let closing = Closing(Arc::clone(&closed));
    let breach = Arc::new(OnceLock::new());
    let found = Arc::clone(&breach);
    let driver = async move {
        let _closing = closing;
        if let Err(error) = drive(connection, all_dropped).await {
            tracing::debug!(%error, "the connection to a plugin ended");
            if error.is_library() {
                let _the_first = found.set(name_breach(&error));
            }
        }
    };
    Ok((Sender { sender, closed, breach, executor, _alive: Arc::new(ours) }, driver))
}

/// What the other side did, for which this one gave the connection up.
fn name_breach(error: &h2::Error) -> String {
    let words = error.to_string();
    // A head in more pieces, or larger, than `MAX_HEADERS` allows. What else may be too much has a name of its own.
    let is_head =
        error.reason() == Some(Reason::ENHANCE_YOUR_CALM) && !OTHERS.iter().any(|name| words.contains(name));
    if is_head { TOO_MUCH.to_owned() } else { words }
}

/// What h2 calls what may be too much besides.
const OTHERS: [&str; 3] = ["too_many_data_frames", "too_many_internal_resets", "too_many_resets"];

const TOO_MUCH: &str = "an answer was more than HTTP/2 bears, as an error or metadata is that is too long\n\
    (hint: the words of an error of Go's may have 300 KiB, in which a letter beyond ASCII takes six bytes or more; send \
    what is longer as an answer)";

/// The connection closes itself when nobody can use it any more, but only looks when it is asked.
async fn drive(
    mut connection: client::Connection<Socket, Bytes>,
    all_dropped: oneshot::Receiver<Infallible>,
) -> Result<(), h2::Error> {
    let mut all_dropped = all_dropped.fuse();
    poll_fn(|context| {
        let _look = all_dropped.poll_unpin(context);
        Pin::new(&mut connection).poll(context)
    })
    .await
}

/// Where requests are sent; clones share the connection. The fields drop in this order.
#[derive(Clone)]
pub(crate) struct Sender {
    sender: SendRequest<Bytes>,
    closed: Arc<watch::Sender<bool>>,
    breach: Arc<OnceLock<String>>,
    executor: Executor,
    /// The driver hears when the last is gone.
    _alive: Arc<oneshot::Sender<Infallible>>,
}

/// Marks the end of a driver, also of one that was dropped.
struct Closing(Arc<watch::Sender<bool>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// What sends the rest of a request whose first piece was not all of it.
#[derive(Clone, Debug)]
pub(crate) enum Executor {
    /// The runtime in which the request is made.
    Here,
    /// The runtime on which the connection lives. What is asked for the rest may be a stream of the user's, which is no
    /// work for a thread that happens to make another call.
    Of(Tasks),
}

impl Executor {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Here => drop(tokio::spawn(work)),
            Self::Of(tasks) => tasks.keep(work),
        }
    }
}

impl Sender {
    /// Whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// What the other side did, if this one gave the connection up for it. It is known once that is closed, which whoever
    /// holds this does not keep it from.
    pub(crate) fn breach(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.breach)
    }

    /// Whether the other side may let a request wait until others have ended.
    pub(crate) fn is_limited(&self) -> bool {
        self.sender.current_max_send_streams() < i32::MAX as usize
    }

    /// Ends when nothing can be sent any more; what is under way may go on.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closed = self.closed.subscribe();
        // Without a sender there is nobody either who could send.
        async move { drop(closed.wait_for(|is_closed| *is_closed).await) }
    }

    /// Sends a request, and waits for the head of its response. Dropping the future gives the request up.
    ///
    /// # Errors
    /// The connection or the request broke.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Received>, h2::Error> {
        let (head, body) = request.into_parts();
        let is_empty = body.is_end_stream();
        let mut sender = self.sender.clone().ready().await.inspect_err(|_| {
            // The other side takes no more requests, or their numbers are used up: that does not change any more.
            self.closed.send_replace(true);
        })?;
        let (response, stream) = sender.send_request(Request::from_parts(head, ()), is_empty)?;
        let rest = if is_empty { None } else { self.begin(body, stream).await };
        let response = response.await?;
        rest.into_iter().for_each(Rest::go_on);
        Ok(response.map(|stream| Received { stream }))
    }

    /// Sends what is there of a body, and gives the rest away.
    async fn begin(&self, body: Body, stream: SendStream<Bytes>) -> Option<Rest> {
        let mut sending = Box::pin(send_body(body, stream));
        let polled = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        polled.is_pending().then(|| {
            let (sending, given_up) = abortable(sending);
            self.executor.spawn(async move {
                if let Ok(Err(error)) = sending.await {
                    tracing::debug!(%error, "a request broke off");
                }
            });
            Rest(Some(given_up))
        })
    }
}

/// What is left to be sent of a request. Dropping it gives the request up.
struct Rest(Option<AbortHandle>);

impl Rest {
    /// Lets it be sent in its own time.
    fn go_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(given_up) = &self.0 {
            given_up.abort();
        }
    }
}

/// Sends a body, piece by piece, as the other side has room for it.
async fn send_body(mut body: Body, mut stream: SendStream<Bytes>) -> Result<(), h2::Error> {
    // As long as the head has not left there is no room for anything; what waits with it leaves with it.
    let mut is_first = true;
    loop {
        let frame = poll_fn(|context| {
            // Nobody waits for the rest of a request that the other side has reset.
            if let Poll::Ready(reset) = stream.poll_reset(context) {
                return Poll::Ready(Err(reset.map_or_else(|error| error, h2::Error::from)));
            }
            Pin::new(&mut body).poll_frame(context).map(Ok)
        });
        let frame = match frame.await? {
            None => return stream.send_data(Bytes::new(), true),
            Some(Ok(frame)) => frame,
            Some(Err(_)) => {
                // Whoever made the body knows what is wrong with it.
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
        };
        match frame.into_data() {
            Ok(piece) => {
                let is_last = body.is_end_stream();
                if !is_first && !piece.is_empty() {
                    room(&mut stream).await?;
                }
                is_first = false;
                stream.send_data(piece, is_last)?;
                if is_last {
                    return Ok(());
                }
            }
            Err(frame) => return stream.send_trailers(frame.into_trailers().unwrap_or_default()),
        }
    }
}

/// Waits for room for some of the next piece; what it is too long for waits in the stream.
async fn room(stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(capacity) => capacity?,
            None => return Err(Reason::CANCEL.into()),
        };
    }
    Ok(())
}

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Received {
    stream: RecvStream,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.stream.poll_data(context)) {
            Some(Ok(data)) => {
                // Whoever reads slowly lets the other side wait. It is an error only where nothing is left to be read.
                let _released = self.stream.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            // The other side wants nothing more of the request, and has said all that it has to say.
            Some(Err(error)) if matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL)) => {
                Poll::Ready(None)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                let trailers = ready!(self.stream.poll_trailers(context));
                Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

    use super::*;
    use crate::grpc::Message;

    /// A socket that counts what is written.
    struct Counted {
        socket: DuplexStream,
        writes: Arc<AtomicUsize>,
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.socket).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.socket).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.socket).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.socket).poll_shutdown(context)
        }
    }

    fn request() -> Request<Body> {
        let body = Body::new(Message::new(Bytes::from_static(b"16"), None));
        Request::post("http://unused/a.B/C").body(body).unwrap()
    }

    /// Answers every request with its own body.
    async fn echo(socket: DuplexStream) {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let mut body = request.into_body();
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                while let Some(data) = body.data().await {
                    stream.send_data(data.unwrap(), false).unwrap();
                }
                stream.send_data(Bytes::new(), true).unwrap();
            });
        }
    }

    #[tokio::test]
    async fn a_small_request_leaves_in_one_write() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(echo(theirs));
        let writes = Arc::new(AtomicUsize::new(0));
        let socket = Counted { socket: ours, writes: Arc::clone(&writes) };
        let (sender, driver) = start(Box::new(socket), Executor::Here).await.unwrap();
        let driver = tokio::spawn(driver);
        let ask = async || {
            let response = sender.send(request()).await.unwrap();
            let mut frames = crate::grpc::Frames::new(response.into_body(), crate::grpc::Limit::default());
            assert_eq!(frames.next().await.unwrap().unwrap(), "16");
            assert_eq!(frames.next().await.unwrap(), None);
        };
        // With the first, both sides' settings are settled.
        ask().await;
        tokio::task::yield_now().await;
        let before = writes.load(Ordering::Relaxed);
        ask().await;
        assert_eq!(writes.load(Ordering::Relaxed) - before, 1);

        // Nobody can send any more, so the connection closes.
        drop(sender);
        driver.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_nobody_drives_is_closed() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(echo(theirs));
        let (sender, driver) = start(Box::new(ours), Executor::Here).await.unwrap();
        assert!(!sender.is_closed());
        drop(driver);
        assert!(sender.is_closed());
        sender.send(request()).await.unwrap_err();
    }
}
