//! How much callers may have of the agent at once. Root has room of its own, so that no member of the group, however many connections
//! and requests it makes, keeps an operator out.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::peer::Peer;

/// Connections of root, and as many of the group's members, that are served at once; further ones are refused.
pub const CONNECTIONS_MAX: usize = 64;
/// Requests and answers that take much memory: one of root and one of the group's members at a time, the next one waits.
const LARGE_MAX: usize = 1;

/// What callers of one kind share.
#[derive(Clone, Debug)]
pub(super) struct Room {
    connections: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// All rooms.
#[derive(Debug)]
pub(super) struct Rooms {
    of_root: Room,
    of_members: Room,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self {
            of_root: Room::new(),
            of_members: Room::new(),
        }
    }

    /// The room of a caller.
    pub(super) fn of(&self, peer: Peer) -> &Room {
        match peer.is_root_or_self() {
            true => &self.of_root,
            false => &self.of_members,
        }
    }
}

impl Room {
    fn new() -> Self {
        Self {
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            large: Arc::new(Semaphore::new(LARGE_MAX)),
        }
    }

    /// Room for a connection, until it is dropped; `None` when there is none left.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// Waits for room for something large, which lasts until it is dropped.
    pub(super) async fn large(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.large)
            .acquire_owned()
            .await
            .expect("it is never closed")
    }
}
