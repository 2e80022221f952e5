//! Keeps what a plugin prints until a host reads it, within bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Where pieces come in.
#[derive(Debug)]
pub(super) struct Keeper {
    pieces: mpsc::UnboundedSender<Bytes>,
    room: Arc<AtomicUsize>,
}

/// Where they are read, in the same order.
#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    room: Arc<AtomicUsize>,
    begun: bool,
}

/// Keeps a megabyte for a host that has not begun to read, and 64 of them for one that has.
pub(super) fn kept() -> (Keeper, Pieces) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(AtomicUsize::new(UNREAD));
    (Keeper { pieces: sender, room: Arc::clone(&room) }, Pieces { pieces: receiver, room, begun: false })
}

impl Keeper {
    /// Keeps a piece, if there is room.
    pub(super) fn keep(&self, piece: Bytes) -> bool {
        let length = piece.len();
        let taken =
            self.room.fetch_update(Ordering::AcqRel, Ordering::Acquire, |room| room.checked_sub(length));
        taken.is_ok() && self.pieces.send(piece).is_ok()
    }
}

impl Pieces {
    /// Waits for the next piece; `None` once there can be no more.
    ///
    /// Cancel safe: a piece is taken or left.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            self.room.fetch_add(READ - UNREAD, Ordering::AcqRel);
        }
        let piece = self.pieces.recv().await?;
        self.room.fetch_add(piece.len(), Ordering::AcqRel);
        Some(piece)
    }
}

const UNREAD: usize = 1024 * 1024;
const READ: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_more_room_once_somebody_reads() {
        let (keeper, mut pieces) = kept();
        assert!(keeper.keep(vec![1; UNREAD].into()));
        assert!(!keeper.keep(vec![2; 1].into()));
        assert_eq!(pieces.next().await.unwrap().len(), UNREAD);
        assert!(keeper.keep(vec![3; READ].into()));
        assert!(!keeper.keep(vec![4; 1].into()));
        assert_eq!(pieces.next().await.unwrap().len(), READ);
        drop(keeper);
        assert_eq!(pieces.next().await, None);
    }
}
