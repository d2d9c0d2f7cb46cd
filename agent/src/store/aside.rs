//! Keeps a database that cannot be read for whoever wants to look into it.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::timeline::Now;

/// What SQLite keeps beside the database itself.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Gives the database at `path` another name, and says which.
pub(super) fn put(path: &Path, now: &Now) -> io::Result<PathBuf> {
    let stamp = Timestamp::from_millisecond(now.wall_ms).unwrap_or_default();
    let name = format!(".unreadable-{}", stamp.strftime("%Y%m%dT%H%M%SZ"));
    let mut aside = with_suffix(path, &name);
    let mut number = 1;
    while aside.try_exists()? {
        number += 1;
        aside = with_suffix(path, &format!("{name}-{number}"));
    }
    for companion in COMPANIONS {
        match fs::rename(with_suffix(path, companion), with_suffix(&aside, companion)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
