//! Streams.

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jackfield::Streaming;
use studio_interface::Studio as _;

use super::{Cell, Mechanism, studio};

/// From the plugin to the host.
pub(in super::super) async fn out(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, studio) = studio(mechanism).await?;
    let counted: Vec<u32> = studio.count(1000, None)?.try_collect().await?;
    ensure!(counted == (0..1000).collect::<Vec<_>>(), "it counts {counted:?}");
    Ok(Cell::yes())
}

/// From the host to the plugin.
pub(in super::super) async fn into(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, studio) = studio(mechanism).await?;
    let total = studio.total((1..=1000).collect()).await?;
    ensure!(total == 500_500, "it sums up to {total}");
    Ok(Cell::yes())
}

/// One item there, one back, and so on.
pub(in super::super) async fn both(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, studio) = studio(mechanism).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let numbers = Streaming::new(stream::unfold(receiver, |mut receiver| async {
        let number = receiver.recv().await?;
        Some((Ok(number), receiver))
    }));
    let mut sums = studio.sums(0, numbers).await?;
    for (number, expected) in [(1, 1), (2, 3), (3, 6)] {
        sender.send(number).await?;
        let sum = sums.next().await.transpose()?;
        ensure!(sum == Some(expected), "it sums up to {sum:?}");
    }
    drop(sender);
    ensure!(sums.next().await.is_none(), "the stream does not end");
    Ok(Cell::yes())
}
