//! A rotated log that is compressed already, read on where the log was left.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read},
};

use super::packing::Packing;

/// Bytes of the file read at once.
const CHUNK: usize = 64 * 1024;

/// What a compressed file holds, from some byte on: it can only be read forwards.
pub(super) struct Packed {
    unpacked: Box<dyn Read + Send>,
    /// The bytes that were read last, and where the first of them stands.
    window: Vec<u8>,
    window_at: u64,
}

impl Packed {
    /// Opens a file at its start; `None` if it is not compressed.
    pub(super) fn open(file: &File) -> io::Result<Option<Self>> {
        use std::os::unix::fs::FileExt as _;
        let mut start = [0; 6];
        let read = file.read_at(&mut start, 0)?;
        let Some(packing) = Packing::of(&start[..read]) else {
            return Ok(None);
        };
        let packed = BufReader::with_capacity(CHUNK, file.try_clone()?);
        Ok(Some(Self {
            unpacked: packing.unpack(packed),
            window: Vec::new(),
            window_at: 0,
        }))
    }

    /// Reads what stands at `offset`, which is never before that of the last call; less than asked for only at the end.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let behind = usize::try_from(offset.saturating_sub(self.window_at)).unwrap_or(usize::MAX);
        let gone = behind.min(self.window.len());
        self.window.drain(..gone);
        self.window_at += gone as u64;
        if self.window_at < offset {
            let skipped = io::copy(
                &mut (&mut self.unpacked).take(offset - self.window_at),
                &mut io::sink(),
            )?;
            self.window_at += skipped;
        }
        if self.window_at != offset {
            return Ok(0);
        }
        let missing = buffer.len().saturating_sub(self.window.len());
        (&mut self.unpacked)
            .take(missing as u64)
            .read_to_end(&mut self.window)?;
        let read = buffer.len().min(self.window.len());
        buffer[..read].copy_from_slice(&self.window[..read]);
        Ok(read)
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").finish_non_exhaustive()
    }
}
