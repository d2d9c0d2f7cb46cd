//! Whether a file that was read once is there still.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::DirEntryExt as _,
    path::{Path, PathBuf},
};

use super::stands_in;
use crate::checkpoint::FilePosition;

/// Most entries of a directory that are looked at.
const ENTRIES_MAX: usize = 65_536;

/// Directories of logs as they are now, each read once.
#[derive(Debug, Default)]
pub struct Folders(HashMap<PathBuf, HashMap<u64, Vec<PathBuf>>>);

impl Folders {
    /// Whether there is something at `path`, or beside it, under another name, the file that `position` speaks of. What cannot be
    /// found out counts as there.
    pub fn have(&mut self, path: &Path, position: &FilePosition) -> bool {
        if !fs::symlink_metadata(path).is_err_and(|error| is_absence(&error)) {
            return true;
        }
        let Some(folder) = path.parent() else {
            return false;
        };
        let inodes = self
            .0
            .entry(folder.to_owned())
            .or_insert_with(|| inodes(folder));
        // An inode is soon given to another file.
        inodes
            .get(&position.inode)
            .is_some_and(|paths| paths.iter().any(|path| stands_in(path, position)))
    }
}

fn inodes(folder: &Path) -> HashMap<u64, Vec<PathBuf>> {
    let mut inodes: HashMap<u64, Vec<PathBuf>> = HashMap::new();
    // That of a path that is not there is not there either, or may not be read: then the path could not be looked up.
    let entries = fs::read_dir(folder).into_iter().flatten();
    for entry in entries.take(ENTRIES_MAX).flatten() {
        inodes.entry(entry.ino()).or_default().push(entry.path());
    }
    inodes
}

fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_is_there_by_its_name_or_by_what_stands_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("mail-20261122.log");
        fs::write(&log, "one\ntwo\n").unwrap();
        let metadata = log.metadata().unwrap();
        let position = |fingerprint: &[u8]| FilePosition {
            device: metadata.dev(),
            inode: metadata.ino(),
            offset: 4,
            fingerprint: fingerprint.into(),
        };
        let have = |position| Folders::default().have(&log, &position);
        assert!(have(position(b"xxx\n")), "whatever is at its path");
        fs::rename(&log, dir.path().join("put-aside")).unwrap();
        assert!(have(position(b"one\n")), "under another name");
        assert!(!have(position(b"xxx\n")), "the inode is another file's");
        fs::remove_file(dir.path().join("put-aside")).unwrap();
        assert!(!have(position(b"one\n")));
        drop(dir);
        assert!(!have(position(b"one\n")), "its folder is gone, too");
    }
}
