//! Reads the kernel's rings of limit events, without haste: a flood of forged SYNs may fill a ring, but not the agent's time.

use std::{io, time::Duration};

use mailwall_common::LimitEvent;
use tokio::{io::unix::AsyncFd, sync::mpsc, time::sleep};
use tracing::warn;

use super::limits::Ring;

/// Most events that are read at once.
const BATCH_MAX: usize = 256;
/// How long the rest then waits. What finds no room in the ring meanwhile is counted by the kernel.
const PAUSE: Duration = Duration::from_millis(250);

/// Hands over what comes into `ring`, until nobody is there to take it.
pub async fn follow(ring: Ring, events: mpsc::Sender<Vec<LimitEvent>>) {
    if let Err(error) = try_follow(ring, &events).await {
        warn!(%error, "limit events are not read any more");
    }
}

async fn try_follow(ring: Ring, events: &mpsc::Sender<Vec<LimitEvent>>) -> io::Result<()> {
    // SAFETY: the descriptor is that of the ring, which is in there with it.
    let mut ring = unsafe { AsyncFd::register(ring.0) }?;
    loop {
        let mut ready = ring.readable_mut().await?;
        let mut batch = Vec::new();
        let mut is_empty = false;
        while batch.len() < BATCH_MAX {
            let Some(record) = ready.get_inner_mut().next() else {
                is_empty = true;
                break;
            };
            batch.extend(LimitEvent::from_bytes(&record));
        }
        if is_empty {
            ready.clear_ready();
        }
        if !batch.is_empty() && events.send(batch).await.is_err() {
            return Ok(());
        }
        if !is_empty {
            sleep(PAUSE).await;
        }
    }
}
