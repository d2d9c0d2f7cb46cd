//! Where lines come from: files and stdin, a capped line at a time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::line::LINE_MAX;

/// A log that is open.
pub(in crate::cli) struct Input {
    pub(in crate::cli) lines: BufReader<Box<dyn Read>>,
    /// When its last line was written.
    pub(in crate::cli) now: SystemTime,
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
    /// It begins as gzip does.
    #[error("cannot read {}: it is compressed", .0.display())]
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

    fn new(bytes: Box<dyn Read>, path: &Path, now: SystemTime) -> Result<Self, InputError> {
        let mut lines = BufReader::with_capacity(64 * 1024, bytes);
        let start = lines
            .fill_buf()
            .map_err(|cause| InputError::read(path, cause))?;
        if start.starts_with(&[0x1f, 0x8b]) {
            return Err(InputError::Compressed(path.to_owned()));
        }
        Ok(Self { lines, now })
    }
}

/// Reads the next line into `line`, without its end and no more than [`LINE_MAX`] bytes of it; `false` at the end.
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
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_MAX - line.len())]);
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
