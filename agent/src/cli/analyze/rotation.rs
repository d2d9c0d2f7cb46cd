//! Which files are one log that was rotated: what one of them begins, such as a session, the next may end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::source::log_of;

/// The files of each log that is in several, in the order of their times, and those of one time in that of their names. Files are
/// known by their number.
pub(super) fn rotations<'p>(
    files: impl IntoIterator<Item = (SystemTime, &'p Path, usize)>,
) -> Vec<Vec<(SystemTime, usize)>> {
    let mut logs: BTreeMap<PathBuf, Vec<_>> = BTreeMap::new();
    for (at, path, index) in files {
        let name = path.file_name().unwrap_or_default();
        let log = log_of(name).map_or(path.to_owned(), |log| path.with_file_name(log));
        logs.entry(log).or_default().push((at, path, index));
    }
    let rotated = logs.into_values().filter(|files| files.len() > 1);
    let in_order = rotated.map(|mut files| {
        files.sort_unstable();
        let files = files.into_iter();
        files.map(|(at, _, index)| (at, index)).collect()
    });
    in_order.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_files_of_a_log_are_in_the_order_of_time() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let files = [
            ("a/mail.log", 9),
            ("a/mail.log.1", 5),
            ("b/mail.log", 9),
            ("a/mail.log-20260822.gz", 5),
            ("a/other.log", 9),
        ];
        let files = (0..).zip(files);
        let files = files.map(|(index, (path, second))| (at(second), Path::new(path), index));
        assert_eq!(rotations(files), [[(at(5), 3), (at(5), 1), (at(9), 0)]]);
    }
}
