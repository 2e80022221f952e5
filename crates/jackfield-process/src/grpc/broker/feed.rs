//! Passes this side's messages to the stream between the two brokers.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::grpc::generated::go_plugin::ConnInfo;

/// What this side says, kept until there is a stream to say it on.
#[derive(Debug, Default)]
pub(super) struct Feed {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Open(mpsc::UnboundedSender<ConnInfo>),
    Waiting(Vec<ConnInfo>),
}

impl Feed {
    /// Says `info`.
    pub(super) fn say(&self, info: ConnInfo) {
        // Nothing panics under the lock.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Waiting(kept) => kept.push(info),
            State::Open(stream) => {
                // The stream ended. There may be another, such as that of a host that attached itself anew.
                if let Err(mpsc::error::SendError(info)) = stream.send(info) {
                    *state = State::Waiting(vec![info]);
                }
            }
        }
    }

    /// What is to be said on a new stream, which takes the place of any older one.
    pub(super) fn open(&self) -> mpsc::UnboundedReceiver<ConnInfo> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Waiting(kept) = &mut *state {
            for info in kept.drain(..) {
                // The receiver is right here.
                let _kept = sender.send(info);
            }
        }
        *state = State::Open(sender);
        receiver
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_before_a_stream_or_between_two_is_kept() {
        let feed = Feed::default();
        let info = |service_id| ConnInfo { service_id, ..ConnInfo::default() };
        feed.say(info(1));
        let mut first = feed.open();
        feed.say(info(2));
        assert_eq!(first.recv().await, Some(info(1)));
        assert_eq!(first.recv().await, Some(info(2)));
        drop(first);
        feed.say(info(3));
        assert_eq!(feed.open().recv().await, Some(info(3)));
    }
}
