//! How far a log was read. Plain data.

/// Most bytes of a fingerprint.
pub const FINGERPRINT_MAX: usize = 256;

/// How far a log was read: all before it was handed over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Checkpoint {
    /// A file.
    File(FilePosition),
    /// The journal: the cursor of the last record, as journald made it.
    Journal(Box<str>),
}

/// Where a file is to be read on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilePosition {
    /// Device of the file.
    pub device: u64,
    /// Inode of the file.
    pub inode: u64,
    /// Bytes before the next line.
    pub offset: u64,
    /// The bytes right before the offset, at most [`FINGERPRINT_MAX`]. An inode is soon given to another file, and a file may
    /// be truncated and grow again: only where these bytes still stand is it the same log.
    pub fingerprint: Box<[u8]>,
}
