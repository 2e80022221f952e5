//! Tells a plugin that is busy from one that is wedged, and kills the wedged one.

use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::sync::watch;
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
                if timeout(patience, ask()).await.is_err() {
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

const UNKNOWN: &str = "/jackfield.Liveness/Ask";
