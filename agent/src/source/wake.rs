//! Knows when there may be something new: inotify says so at once, and a slow tick catches what inotify cannot see.

use std::{
    future::poll_fn,
    io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_stream::{Stream as _, StreamExt as _};
use tracing::warn;

use super::{reading::FileId, tail::Tail};

/// How often the file is looked at when nothing was heard of it.
const TICK: Duration = Duration::from_secs(1);
/// Bytes of inotify events taken at once: some dozens.
const EVENTS: usize = 4096;

pub(super) struct Wake {
    path: PathBuf,
    events: Option<EventStream<[u8; EVENTS]>>,
    tick: Interval,
    /// The watches of the open files.
    watched: Vec<(FileId, WatchDescriptor)>,
    /// The watch of the directory.
    directory: Option<WatchDescriptor>,
    /// Whether the path may lead to another directory by now.
    directory_is_old: bool,
}

impl Wake {
    pub(super) fn new(path: &Path) -> Self {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = Inotify::init()
            .and_then(|inotify| inotify.into_event_stream([0; EVENTS]))
            .inspect_err(|error| {
                warn!(path = %path.display(), "no inotify, so it is looked at once a second: {error}");
            });
        Self {
            path: path.to_owned(),
            events: events.ok(),
            tick,
            watched: Vec::new(),
            directory: None,
            directory_is_old: true,
        }
    }

    /// Watches what `tail` reads. Whether a watch is new: then something may have been missed before it.
    pub(super) fn watch(&mut self, tail: &Tail) -> bool {
        let Some(events) = &self.events else {
            return false;
        };
        let mut watches = events.watches();
        let mut is_new = false;
        if self.directory_is_old {
            let directory = self.path.parent().unwrap_or(Path::new("/"));
            let mask = WatchMask::CREATE
                | WatchMask::DELETE
                | WatchMask::MOVED_FROM
                | WatchMask::MOVED_TO
                | WatchMask::ONLYDIR;
            // A directory that is watched already has the same descriptor again.
            let descriptor = watches.add(directory, mask).ok();
            is_new |= descriptor.is_some() && descriptor != self.directory;
            self.directory = descriptor;
            self.directory_is_old = false;
        }
        self.watched.retain(|(id, descriptor)| {
            let is_open = tail.files().any(|(open, _)| open == *id);
            if !is_open {
                // The watch of a deleted file is gone already.
                let _ = watches.remove(descriptor.clone());
            }
            is_open
        });
        for (id, fd) in tail.files() {
            // The very file that is open, whatever its name is by now.
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            if self.watched.iter().all(|(watched, _)| *watched != id)
                && let Ok(descriptor) = watches.add(path, WatchMask::MODIFY)
            {
                self.watched.push((id, descriptor));
                is_new = true;
            }
        }
        is_new
    }

    /// Until there may be something new.
    pub(super) async fn wait(&mut self) {
        let Some(events) = &mut self.events else {
            self.tick.tick().await;
            return;
        };
        let heard = tokio::select! {
            heard = events.next() => heard,
            _ = self.tick.tick() => {
                self.directory_is_old = true;
                return;
            }
        };
        if let Some(Err(error)) = take_all(events, heard).await {
            warn!(path = %self.path.display(), "inotify failed, so it is looked at once a second: {error}");
            self.events = None;
        }
    }
}

/// Takes all events that wait: one look at the file answers them all.
async fn take_all<T>(
    events: &mut EventStream<[u8; EVENTS]>,
    first: Option<io::Result<T>>,
) -> Option<io::Result<()>> {
    if let Some(Err(error)) = first {
        return Some(Err(error));
    }
    poll_fn(|context| {
        loop {
            match Pin::new(&mut *events).poll_next(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) | Poll::Pending => return Poll::Ready(None),
            }
        }
    })
    .await
}
