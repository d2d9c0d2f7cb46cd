//! Reads a growing file, whatever is done to it: renamed, truncated, deleted, not there yet. Each step is one look at the
//! file system; nothing here waits.

use std::{collections::VecDeque, fs, io, os::fd::BorrowedFd, path::PathBuf};

use tracing::{debug, info};

use super::{
    LineList,
    reading::{CHUNK, FileId, Read, Reading},
    rotated::{Search, find_rotated, resume},
};
use crate::checkpoint::FilePosition;

/// Most empty files that may follow each other before the first of them is given up.
const SUCCESSORS_MAX: usize = 8;
/// A file that is followed by its path.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    start: Start,
    current: Option<Reading>,
    /// Later files at the path, the newest last. A writer goes on with the file that it has open until it is told to open the
    /// new one, so a file is read until one after it has a line.
    successors: VecDeque<Reading>,
    /// The position changed in a way that no lines tell of.
    moved: bool,
    /// Lines lost since the last batch.
    cut: u64,
    chunk: Box<[u8]>,
}

/// What one step brought.
#[derive(Debug)]
pub(super) enum Step {
    /// Lines, or a new position.
    Batch(Batch),
    /// Nothing to tell, but there is more to read.
    More,
    /// Nothing new.
    Idle,
    /// Nothing new, and no file at the path.
    Missing,
}

/// Lines and where they end.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: LineList,
    pub(super) cut: u64,
    pub(super) checkpoint: FilePosition,
    pub(super) lag_bytes: u64,
}

/// Where to begin in the next file at the path.
#[derive(Debug)]
enum Start {
    /// Where an earlier run stopped.
    Checkpoint(FilePosition),
    /// After what is there.
    End,
    /// With what is there.
    Beginning,
}

impl Tail {
    /// Follows `path` from where `from` says. Without it, a file that is there is followed from its end, one that appears
    /// later from its start.
    pub(super) fn new(path: PathBuf, from: Option<FilePosition>) -> Self {
        Self {
            path,
            start: from.map_or(Start::End, Start::Checkpoint),
            current: None,
            successors: VecDeque::new(),
            moved: false,
            cut: 0,
            chunk: vec![0; CHUNK].into(),
        }
    }

    /// The same, which begins with what is there.
    pub(super) fn from_beginning(path: PathBuf) -> Self {
        Self {
            start: Start::Beginning,
            ..Self::new(path, None)
        }
    }

    /// Whether the next step may look for a log's rest in compressed files.
    pub(super) fn may_take_long(&self) -> bool {
        self.current.is_none() && matches!(self.start, Start::Checkpoint(_))
    }

    /// The open files.
    pub(super) fn files(&self) -> impl Iterator<Item = (FileId, BorrowedFd<'_>)> {
        self.current
            .iter()
            .chain(&self.successors)
            .map(|reading| (reading.id(), reading.fd()))
    }

    /// Reads on.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        if self.current.is_none() {
            match self.open_first()? {
                Some(reading) => self.go_on_with(reading),
                None => return Ok(Step::Missing),
            }
        }
        // A successor's first line ends what was before it, which is then read once more to its end.
        let mut last_look = false;
        loop {
            let reading = self.current.as_mut().expect("it was opened");
            match reading.read(&mut self.chunk)? {
                Read::Lines { lines, cut } => {
                    self.cut += cut;
                    return self.batch(lines);
                }
                Read::Partial => return Ok(Step::More),
                Read::Truncated => {
                    let reading = self.after_truncation()?;
                    self.go_on_with(reading);
                    return Ok(Step::More);
                }
                Read::Nothing => {}
            }
            let is_there = self.look_for_successor()?;
            if last_look && let Some(next) = self.successors.pop_front() {
                self.give_up_line();
                debug!(path = %self.path.display(), "goes on with the new file");
                self.go_on_with(next);
                return Ok(Step::More);
            }
            if !self.is_succeeded()? {
                return self.idle(if is_there { Step::Idle } else { Step::Missing });
            }
            last_look = true;
        }
    }

    /// Opens the file at the path if it is another than before. Whether there is one.
    fn look_for_successor(&mut self) -> io::Result<bool> {
        let at_path = match fs::metadata(&self.path) {
            Ok(metadata) => FileId::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if self.files().any(|(id, _)| id == at_path) {
            return Ok(true);
        }
        let opened = Reading::open(&self.path)?;
        let is_there = opened.is_some();
        self.successors.extend(opened);
        Ok(is_there)
    }

    /// Whether the file that is read will not grow any more, as far as that can be known.
    fn is_succeeded(&self) -> io::Result<bool> {
        for successor in &self.successors {
            if successor.len()? > 0 {
                return Ok(true);
            }
        }
        Ok(self.successors.len() > SUCCESSORS_MAX)
    }

    fn batch(&mut self, lines: LineList) -> io::Result<Step> {
        let reading = self.current.as_ref().expect("it was read");
        let len = reading.len()?;
        self.moved = false;
        Ok(Step::Batch(Batch {
            lines,
            cut: std::mem::take(&mut self.cut),
            checkpoint: reading.checkpoint(),
            lag_bytes: len.saturating_sub(reading.read_to()),
        }))
    }

    fn idle(&mut self, step: Step) -> io::Result<Step> {
        if self.moved || self.cut > 0 {
            return self.batch(LineList::default());
        }
        Ok(step)
    }

    fn go_on_with(&mut self, reading: Reading) {
        self.current = Some(reading);
        self.start = Start::Beginning;
        self.moved = true;
    }

    /// The end of the line that the file ends with will not come.
    fn give_up_line(&mut self) {
        let in_line = self.current.as_ref().is_some_and(Reading::is_in_line);
        self.cut += u64::from(in_line);
    }

    fn open_first(&mut self) -> io::Result<Option<Reading>> {
        let at_path = Reading::open(&self.path)?;
        match &self.start {
            Start::Checkpoint(checkpoint) => {
                let resumed = resume(&self.path, at_path, checkpoint)?;
                if resumed.is_none() {
                    self.start = Start::Beginning;
                }
                Ok(resumed)
            }
            Start::End => match at_path {
                Some(mut reading) => {
                    reading.skip_to_end()?;
                    let position = reading.read_to();
                    info!(path = %self.path.display(), position, "follows from its end");
                    Ok(Some(reading))
                }
                None => {
                    self.start = Start::Beginning;
                    Ok(None)
                }
            },
            Start::Beginning => Ok(at_path),
        }
    }

    /// What to read after the file that was read had been truncated: the copy made before, if there is one, where it was
    /// read to; else the same file again.
    fn after_truncation(&mut self) -> io::Result<Reading> {
        let reading = self.current.as_ref().expect("it was read");
        if let Some(copy) = find_rotated(&self.path, &reading.checkpoint(), Search::Copy)? {
            return Ok(copy);
        }
        let again = reading.again()?;
        debug!(path = %self.path.display(), "was truncated");
        self.give_up_line();
        Ok(again)
    }
}

#[cfg(test)]
mod tests;
