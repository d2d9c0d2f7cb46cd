//! Finds a log again under another name.

use std::{ffi::OsStr, fs, io, os::unix::ffi::OsStrExt as _, path::Path, time::SystemTime};

use tracing::info;

use super::reading::Reading;
use crate::checkpoint::Checkpoint;

/// Most entries of a directory that are looked at for a rotated file.
const ENTRIES_MAX: usize = 65_536;

/// The file that `checkpoint` speaks of, where it says; or the one at the path, from its start.
pub(super) fn resume(
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
pub(super) enum Search {
    /// By its inode.
    Renamed,
    /// By what stands in it: the newest that fits.
    Copy,
}

/// Looks beside `path` for the file that `checkpoint` speaks of, under another name.
pub(super) fn find_rotated(
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
        let modified = reading.modified()?;
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
