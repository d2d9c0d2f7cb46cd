//! Reads a growing file, whatever is done to it: renamed, truncated, deleted, not there yet. Each step is one look at the
//! file system; nothing here waits.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            ffi::OsStrExt as _,
            fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
        },
    },
    path::{Path, PathBuf},
    time::SystemTime,
};

use tracing::{debug, info};

use super::lines::LineAssembly;
use crate::checkpoint::{Checkpoint, FINGERPRINT_MAX};

/// Most bytes read in one step: about a batch of ordinary lines.
const CHUNK: usize = 32 * 1024;
/// Most empty files that may follow each other before the first of them is given up.
const SUCCESSORS_MAX: usize = 8;
/// Most entries of a directory that are looked at for a rotated file.
const ENTRIES_MAX: usize = 65_536;

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
    pub(super) lines: Vec<Box<[u8]>>,
    pub(super) cut: u64,
    pub(super) checkpoint: Checkpoint,
    pub(super) lag_bytes: u64,
}

/// Tells files apart, as long as they exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// Where to begin in the next file at the path.
#[derive(Debug)]
enum Start {
    /// Where an earlier run stopped.
    Checkpoint(Checkpoint),
    /// After what is there.
    End,
    /// With what is there.
    Beginning,
}

/// A file that is being read.
#[derive(Debug)]
struct Reading {
    file: File,
    id: FileId,
    /// Where the unfinished line starts.
    offset: u64,
    line: LineAssembly,
    /// The last bytes before the offset.
    before_offset: Vec<u8>,
    /// The last bytes that were read, unfinished line and all: where they stand no longer, the file was truncated.
    seen: Vec<u8>,
}

impl Tail {
    /// Follows `path` from where `from` says. Without it, a file that is there is followed from its end, one that appears
    /// later from its start.
    pub(super) fn new(path: PathBuf, from: Option<Checkpoint>) -> Self {
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

    /// The open files.
    pub(super) fn files(&self) -> impl Iterator<Item = (FileId, BorrowedFd<'_>)> {
        self.current
            .iter()
            .chain(&self.successors)
            .map(|reading| (reading.id, reading.file.as_fd()))
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
            if successor.file.metadata()?.len() > 0 {
                return Ok(true);
            }
        }
        Ok(self.successors.len() > SUCCESSORS_MAX)
    }

    fn batch(&mut self, lines: Vec<Box<[u8]>>) -> io::Result<Step> {
        let reading = self.current.as_ref().expect("it was read");
        let len = reading.file.metadata()?.len();
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
            return self.batch(Vec::new());
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
        let unfinished = self
            .current
            .as_ref()
            .map_or(0, |reading| reading.line.len());
        self.cut += u64::from(unfinished > 0);
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
                    let position = reading.offset;
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
        let file = reading.file.try_clone()?;
        match find_rotated(&self.path, &reading.checkpoint(), Search::Copy)? {
            Some(copy) => Ok(copy),
            None => {
                let id = reading.id;
                debug!(path = %self.path.display(), "was truncated");
                self.give_up_line();
                Ok(Reading::at_start(file, id))
            }
        }
    }
}

/// The file that `checkpoint` speaks of, where it says; or the one at the path, from its start.
fn resume(
    path: &Path,
    at_path: Option<Reading>,
    checkpoint: &Checkpoint,
) -> io::Result<Option<Reading>> {
    let search = match at_path {
        Some(mut reading) if reading.is_file_of(checkpoint) => {
            if reading.seek(checkpoint)? {
                return Ok(Some(reading));
            }
            Search::Copy
        }
        Some(_) | None => Search::Renamed,
    };
    match find_rotated(path, checkpoint, search)? {
        Some(rotated) => {
            info!(path = %path.display(), "goes on with a rotated file");
            Ok(Some(rotated))
        }
        None => {
            let reading = Reading::open(path)?;
            if reading.is_some() {
                info!(path = %path.display(), "is another file than before, follows from its start");
            }
            Ok(reading)
        }
    }
}

/// What a file is recognised by in its directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Search {
    /// By its inode.
    Renamed,
    /// By what stands in it: the newest that fits.
    Copy,
}

/// Looks beside `path` for the file that `checkpoint` speaks of, under another name.
fn find_rotated(
    path: &Path,
    checkpoint: &Checkpoint,
    search: Search,
) -> io::Result<Option<Reading>> {
    if search == Search::Copy && checkpoint.fingerprint.is_empty() {
        return Ok(None);
    }
    // A rotated file is beside the file itself, wherever a symbolic link to it stands.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest: Option<(SystemTime, Reading)> = None;
    for entry in entries.take(ENTRIES_MAX).flatten() {
        if entry.file_name() == name || !is_rotated_name(&entry.file_name(), name) {
            continue;
        }
        // One that cannot be opened, or is gone by now, is not the one.
        let Ok(Some(mut reading)) = Reading::open(&entry.path()) else {
            continue;
        };
        let fits = search == Search::Copy || reading.is_file_of(checkpoint);
        if !fits || !reading.seek(checkpoint).unwrap_or(false) {
            continue;
        }
        let modified = reading.file.metadata()?.modified()?;
        if newest.as_ref().is_none_or(|(other, _)| *other < modified) {
            newest = Some((modified, reading));
        }
    }
    Ok(newest.map(|(_, reading)| reading))
}

/// Whether `candidate` may be what `name` was renamed to: `mail.log.1`, `mail.log-20261121`, `mail-20261121.log`.
fn is_rotated_name(candidate: &OsStr, name: &OsStr) -> bool {
    let stem = name.as_bytes().split(|byte| *byte == b'.').next();
    candidate.as_bytes().starts_with(stem.unwrap_or_default())
}

/// What reading on brought.
enum Read {
    Lines {
        lines: Vec<Box<[u8]>>,
        cut: u64,
    },
    /// More of an unfinished line.
    Partial,
    Nothing,
    /// What was read before is not there any more.
    Truncated,
}

impl Reading {
    /// Opens a file at its start; `None` if there is none.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        // Without O_NONBLOCK, opening a FIFO would wait for a writer.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(Some(Self::at_start(file, FileId::of(&metadata))))
    }

    fn at_start(file: File, id: FileId) -> Self {
        Self {
            file,
            id,
            offset: 0,
            line: LineAssembly::default(),
            before_offset: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Bytes before the next one to be read.
    fn read_to(&self) -> u64 {
        self.offset + self.line.len()
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            device: self.id.device,
            inode: self.id.inode,
            offset: self.offset,
            fingerprint: self.before_offset.as_slice().into(),
        }
    }

    /// Whether `checkpoint` names this inode. A device may have another number after a reboot.
    fn is_file_of(&self, checkpoint: &Checkpoint) -> bool {
        self.id.inode == checkpoint.inode
            && (self.id.device == checkpoint.device || !checkpoint.fingerprint.is_empty())
    }

    /// Goes where `checkpoint` says, if its fingerprint stands there.
    fn seek(&mut self, checkpoint: &Checkpoint) -> io::Result<bool> {
        let fingerprint = &checkpoint.fingerprint;
        let Some(at) = checkpoint.offset.checked_sub(fingerprint.len() as u64) else {
            return Ok(false);
        };
        let mut found = vec![0; fingerprint.len()];
        if fingerprint.is_empty() && checkpoint.offset > 0
            || read_fully_at(&self.file, &mut found, at)? < found.len()
            || found[..] != fingerprint[..]
        {
            return Ok(false);
        }
        self.set_position(checkpoint.offset, found);
        Ok(true)
    }

    /// Goes after the last whole line: one that is being written is yet to come.
    fn skip_to_end(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut end = self.file.metadata()?.len();
        while end > 0 {
            let start = end.saturating_sub(CHUNK as u64);
            let read = read_fully_at(&self.file, &mut chunk[..(end - start) as usize], start)?;
            if let Some(newline) = chunk[..read].iter().rposition(|byte| *byte == b'\n') {
                end = start + newline as u64 + 1;
                break;
            }
            end = start;
        }
        let before = end.min(FINGERPRINT_MAX as u64);
        let mut fingerprint = vec![0; before as usize];
        let read = read_fully_at(&self.file, &mut fingerprint, end - before)?;
        if read == fingerprint.len() {
            self.set_position(end, fingerprint);
        }
        Ok(())
    }

    fn set_position(&mut self, offset: u64, fingerprint: Vec<u8>) {
        self.offset = offset;
        self.line = LineAssembly::default();
        self.seen.clone_from(&fingerprint);
        self.before_offset = fingerprint;
    }

    /// Reads on by at most a chunk. What was read last is read again with it, to be sure that it still is the same file.
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<Read> {
        let known = self.seen.len();
        let read = read_fully_at(&self.file, chunk, self.read_to() - known as u64)?;
        if read < known || chunk[..known] != self.seen[..] {
            return Ok(Read::Truncated);
        }
        let new = &chunk[known..read];
        if new.is_empty() {
            return Ok(Read::Nothing);
        }
        let read_from = self.read_to();
        let taken = self.line.take(new);
        let read_to = read_from + taken.bytes as u64;
        self.offset = read_to - self.line.len();
        let all = &chunk[..known + taken.bytes];
        self.seen = last_bytes(all);
        if taken.lines.is_empty() {
            return Ok(Read::Partial);
        }
        // A line was finished, so the unfinished one started within these bytes.
        let unfinished = (read_to - self.offset) as usize;
        self.before_offset = last_bytes(&all[..all.len() - unfinished]);
        Ok(Read::Lines {
            lines: taken.lines,
            cut: taken.cut,
        })
    }
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

fn last_bytes(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(FINGERPRINT_MAX)..].to_vec()
}

/// Reads until the buffer is full or the file ends.
fn read_fully_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
