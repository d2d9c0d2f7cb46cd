//! Where the mail programs of this host write.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Logs of mail programs, where distributions and the programs themselves put them. Of two in one row the second is written by
/// nobody where the first is.
const FILES: [(&[&str], &str); 6] = [
    (
        &["var/log/mail.log", "var/log/maillog", "var/log/mail"],
        "what syslog gets of mail",
    ),
    (
        &[
            "var/log/exim4/mainlog",
            "var/log/exim/mainlog",
            "var/log/exim/main.log",
            "var/spool/exim/log/mainlog",
        ],
        "Exim",
    ),
    (&["var/log/dovecot.log"], "Dovecot"),
    (&["var/log/haraka.log"], "Haraka"),
    (
        &["var/log/stalwart/*.log", "opt/stalwart/logs/*"],
        "Stalwart",
    ),
    (&["var/log/rspamd/rspamd.log"], "rspamd"),
];
/// Folders of the journal, kept or not.
const JOURNALS: [&str; 2] = ["var/log/journal", "run/log/journal"];
const SYSLOG_DAEMONS: [&str; 2] = ["usr/sbin/rsyslogd", "usr/sbin/syslog-ng"];

/// A log that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailLog {
    /// Where.
    pub place: MailLogPlace,
    /// What is written there.
    pub what: &'static str,
}

/// Where a log is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MailLogPlace {
    /// In a file, or in all files that fit.
    File(PathBuf),
    /// In the journal of systemd.
    Journal,
}

/// The logs of mail programs on the host whose root is `root`. The journal counts only where no syslog daemon writes the same to a
/// file: one failure that is read twice would count twice.
pub fn mail_logs(root: &Path) -> Vec<MailLog> {
    let mut found = Vec::new();
    for (paths, what) in FILES {
        let present = paths.iter().find(|path| is_log(&root.join(path)));
        if let Some(path) = present {
            found.push(MailLog {
                place: MailLogPlace::File(Path::new("/").join(path)),
                what,
            });
        }
    }
    let has_syslog = found.iter().any(|log| log.what == FILES[0].1)
        || SYSLOG_DAEMONS
            .iter()
            .any(|daemon| root.join(daemon).exists());
    if !has_syslog && JOURNALS.iter().any(|folder| root.join(folder).is_dir()) {
        found.push(MailLog {
            place: MailLogPlace::Journal,
            what: "the journal, as no syslog daemon writes a mail log",
        });
    }
    found
}

/// Whether there is such a file; for a pattern, whether there is a folder with any in it.
fn is_log(path: &Path) -> bool {
    let is_pattern = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains('*'));
    if !is_pattern {
        return path.is_file();
    }
    let folder = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    folder.is_some_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(present: &[&str], expected: &[&str]) {
        let root = tempfile::tempdir().unwrap();
        for path in present {
            let path = root.path().join(path);
            if path.extension().is_none() && path.file_name().is_some_and(|name| name == "journal")
            {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
        }
        let found: Vec<String> = mail_logs(root.path())
            .into_iter()
            .map(|log| match log.place {
                MailLogPlace::File(path) => path.display().to_string(),
                MailLogPlace::Journal => "journal".to_owned(),
            })
            .collect();
        assert_eq!(found, expected, "{present:?}");
    }

    #[test]
    fn logs_are_found_where_programs_put_them() {
        check(&[], &[]);
        check(
            &[
                "var/log/mail.log",
                "var/log/exim4/mainlog",
                "var/log/exim4/rejectlog",
            ],
            &["/var/log/mail.log", "/var/log/exim4/mainlog"],
        );
        check(&["var/log/maillog"], &["/var/log/maillog"]);
        check(
            &["var/log/stalwart/stalwart.2026-01-01.log"],
            &["/var/log/stalwart/*.log"],
        );
    }

    #[test]
    fn the_journal_counts_only_where_no_file_says_the_same() {
        check(&["run/log/journal"], &["journal"]);
        check(
            &["run/log/journal", "var/log/mail.log"],
            &["/var/log/mail.log"],
        );
        check(&["var/log/journal", "usr/sbin/rsyslogd"], &[]);
        check(
            &["var/log/journal", "var/log/exim4/mainlog"],
            &["/var/log/exim4/mainlog", "journal"],
        );
    }
}
