//! Which files are one log that was rotated: what one of them begins, such as a session, the next may end.

use std::path::{Path, PathBuf};

/// How files are compressed, or put aside.
const SUFFIXES: &[&str] = &[".gz", ".xz", ".zst", ".old"];

/// The log that a file is, or was once: `mail.log` for `mail.log.2.gz` and `mail.log-20260822`.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return path.to_owned();
    };
    let name = SUFFIXES
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    // A number, or a day and perhaps a time.
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'));
    let is_rotated = name[base.len()..].starts_with(['.', '-']) && !base.is_empty();
    let base = match is_rotated && name.ends_with(|c: char| c.is_ascii_digit()) {
        true => base,
        false => name,
    };
    path.with_file_name(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_of_one_log() {
        for (path, log) in [
            ("/var/log/mail.log", "/var/log/mail.log"),
            ("/var/log/mail.log.1", "/var/log/mail.log"),
            ("/var/log/mail.log.12.gz", "/var/log/mail.log"),
            ("/var/log/maillog-20260822.xz", "/var/log/maillog"),
            ("/var/log/maillog-20260822-1755840000", "/var/log/maillog"),
            ("mainlog.old", "mainlog"),
            ("mail.log.1", "mail.log"),
            // These are logs of their own.
            ("/a/mx1.log", "/a/mx1.log"),
            ("/a/mx1", "/a/mx1"),
            ("u_ex260822.log", "u_ex260822.log"),
            ("/a/2026-08-22", "/a/2026-08-22"),
            ("/a/mail-", "/a/mail-"),
            ("-", "-"),
        ] {
            assert_eq!(log_of(Path::new(path)), Path::new(log), "{path}");
        }
    }
}
