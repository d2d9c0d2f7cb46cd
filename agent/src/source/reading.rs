//! One open file that is read, and how it is known again.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::Path,
    time::SystemTime,
};

use super::{LineList, lines::LineAssembly, packed::Packed};
use crate::checkpoint::{FINGERPRINT_MAX, FilePosition};

/// Most bytes read in one step: about a batch of ordinary lines.
pub(super) const CHUNK: usize = 32 * 1024;

/// Tells files apart, as long as they exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    id: FileId,
    /// What is in the file, if it is compressed; then offsets are those of what it holds.
    packed: Option<Packed>,
    /// The file that it was, if it is compressed by now.
    origin: Option<FileId>,
    /// Where the unfinished line starts.
    offset: u64,
    line: LineAssembly,
    /// The last bytes before the offset.
    before_offset: Vec<u8>,
    /// The last bytes that were read, unfinished line and all: where they stand no longer, the file was truncated.
    seen: Vec<u8>,
}

/// What reading on brought.
pub(super) enum Read {
    Lines {
        lines: LineList,
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
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
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

    /// Opens a compressed file where `checkpoint` says, if its fingerprint stands there: `None` if not, or if it is none.
    pub(super) fn open_packed(path: &Path, checkpoint: &FilePosition) -> io::Result<Option<Self>> {
        let Some(mut reading) = Self::open(path)? else {
            return Ok(None);
        };
        let Some(packed) = Packed::open(&reading.file)? else {
            return Ok(None);
        };
        reading.packed = Some(packed);
        reading.origin = Some(FileId {
            device: checkpoint.device,
            inode: checkpoint.inode,
        });
        Ok(reading.seek(checkpoint)?.then_some(reading))
    }

    fn at_start(file: File, id: FileId) -> Self {
        Self {
            file,
            id,
            packed: None,
            origin: None,
            offset: 0,
            line: LineAssembly::default(),
            before_offset: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The same file again, from its start.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self::at_start(self.file.try_clone()?, self.id))
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// How long the file is now. Of a compressed one nobody knows: it is taken to hold as much as it is long, beyond what
    /// was read.
    pub(super) fn len(&self) -> io::Result<u64> {
        let len = self.file.metadata()?.len();
        Ok(match self.packed {
            None => len,
            Some(_) => self.read_to() + len,
        })
    }

    /// When the file was last written.
    pub(super) fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Whether the last line that was read lacks its end.
    pub(super) fn is_in_line(&self) -> bool {
        self.line.len() > 0
    }

    /// Bytes before the next one to be read.
    pub(super) fn read_to(&self) -> u64 {
        self.offset + self.line.len()
    }

    pub(super) fn checkpoint(&self) -> FilePosition {
        // A file that was compressed is found again by what the log was known by.
        let id = self.origin.unwrap_or(self.id);
        FilePosition {
            device: id.device,
            inode: id.inode,
            offset: self.offset,
            fingerprint: self.before_offset.as_slice().into(),
        }
    }

    /// Whether `checkpoint` names this inode. A device may have another number after a reboot.
    pub(super) fn is_file_of(&self, checkpoint: &FilePosition) -> bool {
        self.id.inode == checkpoint.inode
            && (self.id.device == checkpoint.device || !checkpoint.fingerprint.is_empty())
    }

    /// Goes where `checkpoint` says, if its fingerprint stands there.
    pub(super) fn seek(&mut self, checkpoint: &FilePosition) -> io::Result<bool> {
        let fingerprint = &checkpoint.fingerprint;
        let Some(at) = checkpoint.offset.checked_sub(fingerprint.len() as u64) else {
            return Ok(false);
        };
        let mut found = vec![0; fingerprint.len()];
        if fingerprint.is_empty() && checkpoint.offset > 0
            || self.read_at(&mut found, at)? < found.len()
            || found[..] != fingerprint[..]
        {
            return Ok(false);
        }
        self.set_position(checkpoint.offset, found);
        Ok(true)
    }

    /// Goes after the last whole line: one that is being written is yet to come.
    pub(super) fn skip_to_end(&mut self) -> io::Result<()> {
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

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &mut self.packed {
            None => read_fully_at(&self.file, buffer, offset),
            Some(packed) => packed.read_at(buffer, offset),
        }
    }

    fn set_position(&mut self, offset: u64, fingerprint: Vec<u8>) {
        self.offset = offset;
        self.line = LineAssembly::default();
        self.seen.clone_from(&fingerprint);
        self.before_offset = fingerprint;
    }

    /// Reads on by at most a chunk. What was read last is read again with it, to be sure that it still is the same file.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<Read> {
        let known = self.seen.len();
        let read = self.read_at(chunk, self.read_to() - known as u64)?;
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
    pub(super) fn of(metadata: &Metadata) -> Self {
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
