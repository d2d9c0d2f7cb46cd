//! Finds a log again under another name.

use std::{
    cmp::Reverse,
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tracing::info;

use super::{reading::Reading, rotation::is_packed};
use crate::checkpoint::FilePosition;

/// Most compressed files that are unpacked to find a log's rest in one of them: the newest.
const PACKED_MAX: usize = 4;
/// Most entries of a directory that are looked at for a rotated file.
const ENTRIES_MAX: usize = 65_536;

/// The file that `checkpoint` speaks of, where it says; or the one at the path, from its start.
pub(super) fn resume(
    path: &Path,
    at_path: Option<Reading>,
    checkpoint: &FilePosition,
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
pub(super) enum Search {
    /// By its inode.
    Renamed,
    /// By what stands in it: the newest that fits.
    Copy,
}

/// Looks beside `path` for the file that `checkpoint` speaks of, under another name, compressed or not.
pub(super) fn find_rotated(
    path: &Path,
    checkpoint: &FilePosition,
    search: Search,
) -> io::Result<Option<Reading>> {
    if search == Search::Copy && checkpoint.fingerprint.is_empty() {
        return Ok(None);
    }
    let mut newest: Option<(SystemTime, Reading)> = None;
    let mut packed: Vec<(SystemTime, PathBuf)> = Vec::new();
    for path in rotated_files(path)? {
        // One that cannot be opened, or is gone by now, is not the one.
        let Ok(Some(mut reading)) = Reading::open(&path) else {
            continue;
        };
        let modified = reading.modified()?;
        if path.file_name().is_some_and(is_packed) {
            // It may have got the inode of the log that was deleted for it; as they stand its bytes are no lines.
            packed.push((modified, path));
            continue;
        }
        let fits = search == Search::Copy || reading.is_file_of(checkpoint);
        if !fits || !reading.seek(checkpoint).unwrap_or(false) {
            continue;
        }
        if newest.as_ref().is_none_or(|(other, _)| *other < modified) {
            newest = Some((modified, reading));
        }
    }
    if newest.is_none() && !checkpoint.fingerprint.is_empty() {
        packed.sort_by_key(|(modified, _)| Reverse(*modified));
        for (_, path) in packed.iter().take(PACKED_MAX) {
            // One that is broken, or still being written, cannot be it now.
            if let Ok(Some(reading)) = Reading::open_packed(path, checkpoint) {
                info!(path = %path.display(), "goes on with a compressed file");
                return Ok(Some(reading));
            }
        }
    }
    Ok(newest.map(|(_, reading)| reading))
}

/// The files beside `path` that it may have become.
fn rotated_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    // A rotated file is beside the file itself, wherever a symbolic link to it stands.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let entries = entries.take(ENTRIES_MAX).flatten();
    let names = entries.map(|entry| entry.file_name());
    let rotated = names.filter(|other| other != name && is_rotated_name(other, name));
    Ok(rotated.map(|other| directory.join(other)).collect())
}

/// Whether `candidate` may be what `name` was renamed to: `mail.log.1`, `mail.log-20261121`, `mail-20261121.log`.
fn is_rotated_name(candidate: &OsStr, name: &OsStr) -> bool {
    let stem = name.as_bytes().split(|byte| *byte == b'.').next();
    candidate.as_bytes().starts_with(stem.unwrap_or_default())
}
