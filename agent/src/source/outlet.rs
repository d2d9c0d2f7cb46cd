//! What a source's task tells the daemon.

use tokio::sync::mpsc::Sender;

use super::{Checkpoint, LineList, Notice, SourceId, SourceState};

/// Nobody listens any more.
pub(super) struct Gone;

/// A source's way to the daemon.
pub(super) struct Outlet {
    id: SourceId,
    /// The state that was told last.
    told: Option<SourceState>,
    out: Sender<Notice>,
}

/// Lines, and what is to be told with them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) lines: LineList,
    pub(super) cut: u64,
    pub(super) lost: u64,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) position: u64,
    pub(super) lag_bytes: Option<u64>,
}

impl Outlet {
    pub(super) const fn new(id: SourceId, out: Sender<Notice>) -> Self {
        let told = None;
        Self { id, told, out }
    }

    pub(super) const fn told(&self) -> Option<&SourceState> {
        self.told.as_ref()
    }

    /// Tells the state, if it is another than before.
    pub(super) async fn tell(&mut self, state: SourceState) -> Result<(), Gone> {
        if self.told.as_ref() == Some(&state) {
            return Ok(());
        }
        self.told = Some(state.clone());
        let source = self.id;
        self.send(Notice::State { source, state }).await
    }

    /// Hands lines over; waits while the channel is full.
    pub(super) async fn hand_over(&self, lines: Lines) -> Result<(), Gone> {
        let Lines {
            lines,
            cut,
            lost,
            checkpoint,
            position,
            lag_bytes,
        } = lines;
        self.send(Notice::Batch {
            source: self.id,
            lines,
            cut,
            lost,
            checkpoint,
            position,
            lag_bytes,
        })
        .await
    }

    /// Until nobody listens any more.
    pub(super) async fn closed(&self) {
        self.out.closed().await;
    }

    async fn send(&self, notice: Notice) -> Result<(), Gone> {
        self.out.send(notice).await.map_err(|_closed| Gone)
    }
}
