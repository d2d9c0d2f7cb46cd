//! The follower as the daemon sees it. Each wait has a deadline; how fast it is, is for the benchmark.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::Duration,
};

use tokio::{
    sync::mpsc::{Receiver, channel},
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::source::{BATCH_LINES_MAX, Notice, SourceId};

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn lines_come_as_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail.log");
    append(&path, "old\n");
    let mut listener = Listener::new(&path, None, 16);
    assert_eq!(listener.state().await, SourceState::Following);
    assert_eq!(listener.lines(0).await, "");
    append(&path, "a\nb\n");
    assert_eq!(listener.lines(2).await, "a b");
    fs::rename(&path, dir.path().join("mail.log.1")).unwrap();
    append(&path, "c\n");
    assert_eq!(listener.lines(1).await, "c");
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    append(&path, "d\n");
    assert_eq!(listener.lines(1).await, "d");
    let checkpoint = listener.checkpoint.clone();
    listener.task.abort();
    append(&path, "e\n");
    let mut listener = Listener::new(&path, checkpoint, 16);
    assert_eq!(listener.lines(1).await, "e");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log/mail.log");
    let mut listener = Listener::new(&path, None, 16);
    assert_eq!(listener.state().await, SourceState::Waiting);
    fs::create_dir(dir.path().join("log")).unwrap();
    append(&path, "a\n");
    assert_eq!(listener.lines(1).await, "a");
    assert_eq!(listener.state().await, SourceState::Following);
    fs::remove_file(&path).unwrap();
    assert_eq!(listener.state().await, SourceState::Waiting);
}

#[tokio::test]
async fn what_cannot_be_read_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail.log");
    fs::create_dir(&path).unwrap();
    let mut listener = Listener::new(&path, None, 16);
    let failed = SourceState::Failed("cannot be read: not a regular file".to_owned());
    assert_eq!(listener.state().await, failed);
    fs::remove_dir(&path).unwrap();
    assert_eq!(listener.state().await, SourceState::Waiting);
    append(&path, "a\n");
    assert_eq!(listener.lines(1).await, "a");
}

#[tokio::test]
async fn it_waits_for_a_listener_that_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail.log");
    append(&path, "");
    let mut listener = Listener::new(&path, None, 1);
    listener.lines(0).await;
    let lines = 10 * BATCH_LINES_MAX;
    append(&path, &"l\n".repeat(lines));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(listener.notices.len(), 1, "no more than the channel holds");
    listener.lines(lines).await;
    assert_eq!(listener.lag_bytes, 0);
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let mut listener = Listener::new(&dir.path().join("mail.log"), None, 1);
    listener.state().await;
    drop(listener.notices);
    timeout(DEADLINE, listener.task).await.unwrap().unwrap();
}

struct Listener {
    notices: Receiver<Notice>,
    task: JoinHandle<()>,
    checkpoint: Option<Checkpoint>,
    lag_bytes: u64,
}

impl Listener {
    fn new(path: &Path, from: Option<Checkpoint>, capacity: usize) -> Self {
        let (out, notices) = channel(capacity);
        let start = from.map_or(Start::End, Start::Checkpoint);
        let outlet = Outlet::new(SourceId(0), out);
        let task = tokio::spawn(follow(path.to_owned(), start, outlet));
        Self {
            notices,
            task,
            checkpoint: None,
            lag_bytes: 0,
        }
    }

    /// The next state; batches before it must bring no lines.
    async fn state(&mut self) -> SourceState {
        loop {
            match timeout(DEADLINE, self.notices.recv())
                .await
                .unwrap()
                .unwrap()
            {
                Notice::State { state, .. } => return state,
                Notice::Batch { lines, .. } => assert!(lines.is_empty(), "{lines:?}"),
            }
        }
    }

    /// The lines of the next batches, at least one batch and `count` lines.
    async fn lines(&mut self, count: usize) -> String {
        let mut all = Vec::new();
        loop {
            match timeout(DEADLINE, self.notices.recv())
                .await
                .unwrap()
                .unwrap()
            {
                Notice::State { .. } => {}
                Notice::Batch {
                    lines,
                    checkpoint,
                    lag_bytes,
                    ..
                } => {
                    all.extend(
                        lines
                            .iter()
                            .map(|line| String::from_utf8_lossy(line).into_owned()),
                    );
                    self.checkpoint = checkpoint;
                    self.lag_bytes = lag_bytes.unwrap();
                    if all.len() >= count {
                        return all.join(" ");
                    }
                }
            }
        }
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
