//! Follows a log file: reads when there is something new, hands it over, waits when nobody takes it.

use std::{io, path::PathBuf};

use tokio::task::{spawn_blocking, yield_now};

use super::{
    Checkpoint, SourceState, Start,
    outlet::{Gone, Lines, Outlet},
    tail::{Step, Tail},
    wake::Wake,
};

/// Follows the file at `path` until nobody listens any more.
pub(super) async fn follow(path: PathBuf, start: Start, outlet: Outlet) {
    let tail = match start {
        Start::Checkpoint(Checkpoint::File(position)) => Tail::new(path.clone(), Some(position)),
        Start::Checkpoint(Checkpoint::Journal(_)) | Start::End => Tail::new(path.clone(), None),
        Start::Beginning => Tail::from_beginning(path.clone()),
    };
    let mut follower = Follower {
        wake: Wake::new(&path),
        tail,
        outlet,
    };
    while follower.advance().await.is_ok() {}
}

struct Follower {
    tail: Tail,
    wake: Wake,
    outlet: Outlet,
}

impl Follower {
    /// One step, and the wait after it if it was the last for now.
    async fn advance(&mut self) -> Result<(), Gone> {
        let state = match self.step().await {
            Ok(Step::Batch(batch)) => {
                // Who still writes to a file that was renamed has not brought the log back.
                if self.outlet.told() != Some(&SourceState::Waiting) {
                    self.outlet.tell(SourceState::Following).await?;
                }
                let lines = Lines {
                    lines: batch.lines,
                    cut: batch.cut,
                    lost: 0,
                    position: batch.checkpoint.offset,
                    checkpoint: Some(Checkpoint::File(batch.checkpoint)),
                    lag_bytes: Some(batch.lag_bytes),
                };
                return self.outlet.hand_over(lines).await;
            }
            Ok(Step::More) => {
                yield_now().await;
                return Ok(());
            }
            Ok(Step::Idle) => SourceState::Following,
            Ok(Step::Missing) => SourceState::Waiting,
            Err(error) => SourceState::Failed(failure(&error)),
        };
        self.outlet.tell(state).await?;
        // What happened before a watch was set is seen by another look.
        if !self.wake.watch(&self.tail) {
            tokio::select! {
                () = self.wake.wait() => {}
                () = self.outlet.closed() => return Err(Gone),
            }
        }
        Ok(())
    }

    /// Reads on; where that may mean to unpack a whole log, beside the agent's other work.
    async fn step(&mut self) -> io::Result<Step> {
        if !self.tail.may_take_long() {
            return self.tail.step();
        }
        let mut tail = std::mem::replace(&mut self.tail, Tail::from_beginning(PathBuf::new()));
        let stepped = spawn_blocking(move || {
            let step = tail.step();
            (tail, step)
        });
        let (tail, step) = stepped.await.map_err(io::Error::other)?;
        self.tail = tail;
        step
    }
}

fn failure(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

#[cfg(test)]
mod tests;
