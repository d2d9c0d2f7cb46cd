//! Where lines come from: files, compressed ones too, and stdin, a capped line at a time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    line::{LINE_MAX, RECORD_MAX},
    source::Packing,
};

/// A log that is open.
pub(in crate::cli) struct Input {
    pub(in crate::cli) lines: BufReader<Box<dyn Read + Send>>,
    /// When its last line was written.
    pub(in crate::cli) now: SystemTime,
    /// Whether it is compressed, so that nobody knows how much there is.
    pub(in crate::cli) is_unpacked: bool,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system's reason.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is a directory.
    #[error("cannot read {}: it is a directory", .0.display())]
    Directory(PathBuf),
    /// It is compressed in a way that is not known.
    #[error("cannot read {}: it is compressed, but not by gzip, xz or zstd", .0.display())]
    Compressed(PathBuf),
}

impl InputError {
    pub(in crate::cli) fn read(path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, cause }
    }
}

impl Input {
    /// Opens a log; `-` is stdin, whose last line is written now.
    pub(in crate::cli) fn open(path: &Path, now: SystemTime) -> Result<Self, InputError> {
        if path == Path::new("-") {
            return Self::new(Box::new(io::stdin()), path, now);
        }
        let read = |cause| InputError::read(path, cause);
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if metadata.is_dir() {
            return Err(InputError::Directory(path.to_owned()));
        }
        let written = metadata.modified().unwrap_or(now);
        Self::new(Box::new(file), path, written.min(now))
    }

    fn new(bytes: Box<dyn Read + Send>, path: &Path, now: SystemTime) -> Result<Self, InputError> {
        let mut lines = BufReader::with_capacity(64 * 1024, bytes);
        let start = lines
            .fill_buf()
            .map_err(|cause| InputError::read(path, cause))?;
        let packing = Packing::of(start);
        if let Some(packing) = packing {
            lines = BufReader::with_capacity(64 * 1024, packing.unpack(lines));
        } else if matches!(
            start,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] | [0x1f, 0x9d, ..]
        ) {
            return Err(InputError::Compressed(path.to_owned()));
        }
        Ok(Self {
            lines,
            now,
            is_unpacked: packing.is_some(),
        })
    }
}

/// Reads the next line into `line`, without its end and no more than [`LINE_MAX`] bytes of it, or [`RECORD_MAX`] of a record;
/// `false` at the end.
pub(in crate::cli) fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut has_begun = false;
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(has_begun);
        }
        has_begun = true;
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let is_record = line.first().or(part.first()) == Some(&b'{');
        let max = if is_record { RECORD_MAX } else { LINE_MAX };
        line.extend_from_slice(&part[..part.len().min(max - line.len())]);
        let used = end.map_or(bytes.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(true);
        }
    }
}
