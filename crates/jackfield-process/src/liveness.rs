//! Tells a plugin that is busy from one that is wedged, and kills the wedged one.

use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::PathAndQuery;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::child::ChildHandle;
use crate::grpc::Connection;
use crate::start::{End, tell};

/// A plugin, and how long it may leave a question unanswered.
pub(crate) struct Liveness {
    pub(crate) patience: Duration,
    /// Whoever holds the plugin decides how long it lives.
    pub(crate) child: Weak<ChildHandle>,
    pub(crate) ending: watch::Sender<Option<End>>,
}

impl Liveness {
    /// Asks again and again, until the plugin is let go, or leaves a question unanswered. Then it is killed.
    ///
    /// It does not matter what is answered: an error is a sign of life too, and of what is broken others hear.
    pub(crate) async fn keep_asking<F: Future>(self, ask: impl Fn() -> F) {
        let Self { patience, child, ending } = self;
        let Some(died) = child.upgrade().map(|child| child.died()) else { return };
        let mut end = ending.subscribe();
        let ended = async { drop(end.wait_for(Option::is_some).await) };
        let unanswered = async {
            loop {
                sleep(patience).await;
                if !is_answered(patience, ask()).await {
                    return;
                }
            }
        };
        tokio::select! {
            () = unanswered => {
                // First the reason, which is that of all calls that end now.
                tell(&ending, End::Wedged(patience));
                child.upgrade().iter().for_each(|child| child.kill());
            }
            _ = died => {}
            () = ended => {}
        }
    }
}

/// Whether an answer comes in time. One that has come and was not read counts: where this runs, others may have kept the
/// thread busy for so long.
async fn is_answered(patience: Duration, asking: impl Future) -> bool {
    let mut asking = pin!(asking);
    if timeout(patience, &mut asking).await.is_ok() {
        return true;
    }
    for _ in 0..TURNS {
        // What can be read by now is read before this goes on.
        yield_now().await;
        if asking.as_mut().now_or_never().is_some() {
            return true;
        }
    }
    false
}

/// Asks over gRPC, for a method that no plugin has: the library that a plugin is written with says so by itself, in
/// whichever language, while every method and all of its threads for them are busy. A health check would have to wait for
/// one of these in Python. A PING of HTTP/2 is answered there too, but grpc-go and gRPC's core hang up on whoever sends more
/// than a few of them in five minutes.
///
/// A plugin that takes only so many calls at once is not asked: this one might have to wait for the others.
pub(crate) async fn ask(connection: Connection) {
    if connection.is_limited() {
        return;
    }
    let _answer = connection.unary(PathAndQuery::from_static(UNKNOWN), Bytes::new()).await;
}

/// How often the others on the thread may go on before an answer is given up: more often than it passes from one to the next.
const TURNS: usize = 16;
const UNKNOWN: &str = "/jackfield.Liveness/Ask";
