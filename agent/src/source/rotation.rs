//! The names that files get when they are put aside by who rotates logs.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

/// How the names of those end that can be unpacked: see [`super::Packing`].
const PACKED: &[&[u8]] = &[b".gz", b".xz", b".zst"];
/// How those of others end that were compressed, or put aside.
const PUT_ASIDE: &[&[u8]] = &[b".bz2", b".lz4", b".Z", b".zip", b".old", b".bak", b"~"];
/// Digits of a day, which those of a time may follow; after a dash fewer are the number of one of several logs.
const DAY_DIGITS: usize = 8;

/// The name of the log that a file of this name was before it was put aside: `mail.log` for `mail.log.1`, `mail.log-20261121`,
/// `mail.log.2.gz` and `mail.log.old`. `None` where it was not.
pub fn log_of(name: &OsStr) -> Option<&OsStr> {
    let name = name.as_bytes();
    let mut ends = PACKED.iter().chain(PUT_ASIDE);
    let unpacked = ends.find_map(|end| name.strip_suffix(*end)).unwrap_or(name);
    let mut log = unpacked;
    while let Some(before) = without_number(log) {
        log = before;
    }
    // Logs that are named by addresses or days alone are not one log.
    if log.iter().all(|byte| !byte.is_ascii_alphabetic()) {
        log = unpacked;
    }
    (log.len() < name.len() && !log.is_empty()).then(|| OsStr::from_bytes(log))
}

/// Whether a file of this name is compressed so that it can be unpacked.
pub(super) fn is_packed(name: &OsStr) -> bool {
    PACKED.iter().any(|end| name.as_bytes().ends_with(end))
}

/// What stands before the number, or the day, at the end of a name.
fn without_number(name: &[u8]) -> Option<&[u8]> {
    if let Some((log, day)) = name.split_last_chunk::<11>()
        && let [b'.' | b'-', year @ .., b'-', _, _, b'-', _, _] = day
        && year.len() == 4
        && day[1..]
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'-'))
    {
        return Some(log);
    }
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let (before, digits) = name.split_at(name.len() - digits.count());
    match (before.split_last()?, digits.len()) {
        ((b'.', log), 1..) | ((b'-', log), DAY_DIGITS..) => Some(log),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files_tell_the_log() {
        for (name, log) in [
            ("mail.log.1", "mail.log"),
            ("mail.log.12.gz", "mail.log"),
            ("mail.log.gz", "mail.log"),
            ("maillog-20261121", "maillog"),
            ("maillog-20260822.xz", "maillog"),
            ("maillog-20260822-1755840000", "maillog"),
            ("mail.log-2026-08-22.bz2", "mail.log"),
            ("mail.log.20260822.1", "mail.log"),
            ("mail-1.log.2", "mail-1.log"),
            ("smtp-1.1", "smtp-1"),
            ("mainlog.old", "mainlog"),
            ("mail.log~", "mail.log"),
            ("192.0.2.7.gz", "192.0.2.7"),
        ] {
            assert_eq!(log_of(name.as_ref()), Some(log.as_ref()), "{name}");
        }
    }

    #[test]
    fn logs_of_their_own_were_not_rotated() {
        for name in [
            "mail.log",
            "mail-20261121.log",
            "sys1121.txt",
            "u_ex260822.log",
            "mx1.log",
            "mx1",
            "smtp-1",
            "192.0.2.7",
            "2026-08-22",
            "mail-",
            "-",
            ".gz",
            "",
        ] {
            assert_eq!(log_of(name.as_ref()), None, "{name}");
        }
    }
}
