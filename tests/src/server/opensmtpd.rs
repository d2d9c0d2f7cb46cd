//! OpenSMTPD, which logs to syslog; busybox writes that, with the facility and the level before the tag.

use super::Software;

/// OpenSMTPD 7.6.
pub const OPENSMTPD: Software = Software {
    name: "opensmtpd",
    title: "OpenSMTPD 7.6",
    suite: "trixie",
    packages: &["opensmtpd", "busybox-syslogd"],
    programs: &["usr/sbin/smtpd", "sbin/syslogd"],
    log: "mail.log",
    port: 25,
    files: || {
        vec![
            ("etc/smtpd.conf", CONFIG.to_owned()),
            (
                "etc/syslog.conf",
                "mail.* /var/log/bed/mail.log\n".to_owned(),
            ),
        ]
    },
    start: r"
syslogd
while [ ! -S /dev/log ]; do sleep 0.02; done
exec /usr/sbin/smtpd -F
",
};

const CONFIG: &str = r#"
table recipients { "postmaster@example.test", "alice@example.test", "bob@example.test" }
listen on 0.0.0.0 port 25 hostname mx.example.test
listen on :: port 25 hostname mx.example.test
action "deliver" mbox
match from any for rcpt-to <recipients> action "deliver"
"#;
