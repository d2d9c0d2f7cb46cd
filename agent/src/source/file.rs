//! Follows a log file: reads when there is something new, hands it over, waits when nobody takes it.

use std::{io, path::PathBuf};

use tokio::{sync::mpsc::Sender, task::yield_now};

use super::{
    Checkpoint, Notice, SourceId, SourceState,
    tail::{Step, Tail},
    wake::Wake,
};

/// Follows the file at `path` from where `from` says, until nobody listens any more. Without a checkpoint, a file that is
/// there is followed from its end, one that appears later from its start.
pub async fn follow(id: SourceId, path: PathBuf, from: Option<Checkpoint>, out: Sender<Notice>) {
    let mut follower = Follower {
        id,
        wake: Wake::new(&path),
        tail: Tail::new(path, from),
        told: None,
        out,
    };
    while follower.advance().await.is_ok() {}
}

/// Nobody listens any more.
struct Gone;

struct Follower {
    id: SourceId,
    tail: Tail,
    wake: Wake,
    /// The state that was told last.
    told: Option<SourceState>,
    out: Sender<Notice>,
}

impl Follower {
    /// One step, and the wait after it if it was the last for now.
    async fn advance(&mut self) -> Result<(), Gone> {
        let state = match self.tail.step() {
            Ok(Step::Batch(batch)) => {
                // Who still writes to a file that was renamed has not brought the log back.
                if self.told != Some(SourceState::Waiting) {
                    self.tell(SourceState::Following).await?;
                }
                let notice = Notice::Batch {
                    source: self.id,
                    lines: batch.lines,
                    cut: batch.cut,
                    position: batch.checkpoint.offset,
                    checkpoint: batch.checkpoint,
                    lag_bytes: batch.lag_bytes,
                };
                return self.send(notice).await;
            }
            Ok(Step::More) => {
                yield_now().await;
                return Ok(());
            }
            Ok(Step::Idle) => SourceState::Following,
            Ok(Step::Missing) => SourceState::Waiting,
            Err(error) => SourceState::Failed(failure(&error)),
        };
        self.tell(state).await?;
        // What happened before a watch was set is seen by another look.
        if !self.wake.watch(&self.tail) {
            tokio::select! {
                () = self.wake.wait() => {}
                () = self.out.closed() => return Err(Gone),
            }
        }
        Ok(())
    }

    async fn tell(&mut self, state: SourceState) -> Result<(), Gone> {
        if self.told.as_ref() == Some(&state) {
            return Ok(());
        }
        self.told = Some(state.clone());
        let source = self.id;
        self.send(Notice::State { source, state }).await
    }

    /// Waits while the channel is full.
    async fn send(&self, notice: Notice) -> Result<(), Gone> {
        self.out.send(notice).await.map_err(|_closed| Gone)
    }
}

fn failure(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

#[cfg(test)]
mod tests;
