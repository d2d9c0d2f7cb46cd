//! Dovecot, with its own log file: the same of two versions whose configurations are different languages.

use super::Software;

/// Dovecot 2.3.
pub const DOVECOT_2_3: Software = Software {
    name: "dovecot-2.3",
    title: "Dovecot 2.3",
    suite: "bookworm",
    packages: &["dovecot-imapd", "dovecot-pop3d"],
    programs: PROGRAMS,
    log: LOG,
    port: 143,
    files: || files(CONFIG_2_3),
    start: START,
};

/// Dovecot 2.4.
pub const DOVECOT_2_4: Software = Software {
    name: "dovecot-2.4",
    title: "Dovecot 2.4",
    suite: "trixie",
    packages: &["dovecot-imapd", "dovecot-pop3d"],
    programs: PROGRAMS,
    log: LOG,
    port: 143,
    files: || files(CONFIG_2_4),
    start: START,
};

const PROGRAMS: &[&str] = &[
    "usr/sbin/dovecot",
    "usr/lib/dovecot/imap",
    "usr/lib/dovecot/pop3",
];
const LOG: &str = "mail.log";
const START: &str = "exec /usr/sbin/dovecot -F";

const USERS: &str = "\
alice:{PLAIN}a password of alice
bob:{PLAIN}a password of bob
";

/// Failures are answered at once: clients are held up by nothing but the filter.
const COMMON: &str = "\
protocols = imap pop3
listen = *, ::
log_path = /var/log/bed/mail.log
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
";

const CONFIG_2_3: &str = "\
disable_plaintext_auth = no
mail_location = maildir:~/mail
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/var/mail/%u
}
";

const CONFIG_2_4: &str = "\
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/mail
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = /var/mail/%{user}
  }
}
";

/// The version that the language is of must stand first.
const VERSIONS_2_4: &str = "\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
";

fn files(config: &str) -> Vec<(&'static str, String)> {
    let versions = if config == CONFIG_2_4 {
        VERSIONS_2_4
    } else {
        ""
    };
    vec![
        (
            "etc/dovecot/dovecot.conf",
            [versions, COMMON, config].concat(),
        ),
        ("etc/dovecot/users", USERS.to_owned()),
    ]
}
