//! The way back to the caller of a request.

use tokio::sync::mpsc;

use super::protocol::Answer;

/// Answers that may wait for a follower to read them; one that falls further behind is let go.
pub const QUEUE_MAX: usize = 4096;

/// Answers one request: once, or with a stream. Dropped without an answer, it tells the caller that the agent is stopping.
#[derive(Debug)]
pub struct Reply {
    outgoing: mpsc::Sender<Outgoing>,
}

/// What the connection is to write.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// The only answer.
    Only(Answer),
    /// One of a stream.
    Next(Answer),
    /// The end of a stream, because the queue was full.
    TooSlow,
}

impl Reply {
    pub(super) fn channel() -> (Self, mpsc::Receiver<Outgoing>) {
        // One place is kept for `TooSlow`.
        let (outgoing, incoming) = mpsc::channel(QUEUE_MAX + 1);
        (Self { outgoing }, incoming)
    }

    /// Answers, and ends the connection. Never waits; whether the caller is still there does not matter.
    pub fn answer(self, answer: Answer) {
        let _ = self.outgoing.try_send(Outgoing::Only(answer));
    }

    /// Sends one answer of a stream. Never waits; `false` once the caller is gone or too slow: then drop it.
    pub fn stream(&self, answer: Answer) -> bool {
        if self.outgoing.capacity() > 1 {
            return self.outgoing.try_send(Outgoing::Next(answer)).is_ok();
        }
        let _ = self.outgoing.try_send(Outgoing::TooSlow);
        false
    }
}
