use std::{fs, time::Duration};

use expect_test::{Expect, expect};

use super::{
    propose,
    times::{Time, time},
};
use crate::config::Config;

#[track_caller]
fn check(files: &[(&str, &str)], expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("jail.d")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let proposal = propose(folder.path()).unwrap();
    expected.assert_eq(&proposal.toml);
    let config = Config::parse(&proposal.toml, "proposal").unwrap();
    assert!(config.filter.mode.is_observe());
}

/// As Debian ships it, cut short.
const SHIPPED: &str = "
[INCLUDES]
before = paths-debian.conf
[DEFAULT]
bantime  = 10m
findtime = 10m
maxretry = 5
backend = auto
mode = normal
filter = %(__name__)s[mode=%(mode)s]
banaction = iptables-multiport
action_ = %(banaction)s[port=\"%(port)s\"]
action = %(action_)s
enabled = false
[sshd]
port = ssh
logpath = %(sshd_log)s
[postfix]
mode = more
port = smtp,465,submission
logpath = %(postfix_log)s
backend = %(postfix_backend)s
[postfix-sasl]
filter = postfix[mode=auth]
port = smtp,465,submission,imap,imaps,pop3,pop3s
logpath = %(postfix_log)s
[dovecot]
port = pop3,pop3s,imap,imaps,submission,465,sieve
logpath = %(dovecot_log)s
[recidive]
logpath = /var/log/fail2ban.log
";
const PATHS: &str = "
[DEFAULT]
syslog_mail = /var/log/mail.log
postfix_log = %(syslog_mail)s
postfix_backend = systemd
dovecot_log = %(syslog_mail)s
";

#[test]
fn jails_become_rules_and_the_rest_is_named() {
    let local = "
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 198.51.100.0/24,
    2001:db8:1::/48 office.example.org
bantime = 1h ; an hour
bantime.increment = true
bantime.maxtime = 4w
bantime.rndtime = 30
destemail = root@example.org
[sshd]
enabled = true
[postfix]
enabled = true
[postfix-sasl]
enabled = true
maxretry = 3
findtime = 1d
[dovecot]
enabled = yes
bantime = -1
port = imap,imaps,0:65535
action = %(action_)s
         cloudflare
[recidive]
enabled = true
";
    let own = "[my-mail]\nenabled = true\nfilter = my-mail\n[plain]\nenabled = 0\n";
    check(
        &[
            ("jail.conf", SHIPPED),
            ("paths-debian.conf", PATHS),
            ("jail.local", local),
            ("jail.d/own.local", own),
        ],
        &expect![[r##"
            # Made from fail2ban's jails. Nothing is dropped before [filter] says mode = "enforce".
            #
            # Not carried over, or not as it was:
            #   jail.local:3: ignoreip office.example.org: no address or network; names are never looked up
            #   jail.local:19: jail dovecot: port 0:65535 is not guarded: name ports in [filter] ports
            #   jail.local:22: action: the filter in the kernel is the only action; [[notify]] tells others
            #   jail.d/own.local:2: jail my-mail: its filter my-mail is not known: write a [[pattern]]
            #   jail.local:25: jail recidive: [ban] factor makes each further ban longer
            #   jail.local:11: jail sshd: not about mail, leave it to fail2ban
            #   jail.local:8: bantime.rndtime: bans end when they are over, not by chance
            #   jail.local:9: destemail: write it as email = ... in a [[notify]]

            [filter]
            mode = "observe"
            ports = [25, 110, 143, 465, 587, 993, 995]

            [allow]
            networks = ["198.51.100.0/24", "2001:db8:1::/48"]

            [[source]]
            file = "/var/log/mail.log"

            [[source]]
            journal = true

            # The preset's rules hold beside those of the jails.
            [rules]
            preset = "balanced"

            # Jail dovecot, filter dovecot.
            [[rule]]
            name = "dovecot"
            count = ["auth"]
            per = "address"
            limit = 5
            window = "10m"
            then = { ban = "permanent" }

            # Jail postfix, filter postfix.
            [[rule]]
            name = "postfix"
            count = ["rejections"]
            per = "address"
            limit = 5
            window = "10m"
            then = { ban = "1h", factor = 2, at_most = "28d" }

            # Jail postfix-sasl, filter postfix.
            [[rule]]
            name = "postfix-sasl"
            count = ["auth"]
            per = "address"
            limit = 3
            window = "1d"
            then = { ban = "1h", factor = 2, at_most = "28d" }
        "##]],
    );
}

#[test]
fn a_folder_without_jails_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = propose(folder.path()).unwrap_err();
    assert_eq!(error.to_string(), "it has neither jail.conf nor jail.local");
}

#[test]
fn what_was_written_to_mislead_stays_text() {
    check(
        &[(
            "jail.local",
            "[DEFAULT]\nloop = %(loop)s%(loop)s\nignoreip = \u{1b}[2J\n[dovecot]\nenabled = true\nlogpath = /var/log/\"x\n  %(loop)s\n  %(nothing)s\n",
        )],
        &expect![[r##"
            # Made from fail2ban's jails. Nothing is dropped before [filter] says mode = "enforce".
            #
            # Not carried over, or not as it was:
            #   jail.local:3: ignoreip \x1b[2J: no address or network; names are never looked up
            #   jail.local:5: jail dovecot: logpath /var/log/"x cannot be followed: write a [[source]]
            #   jail.local:5: jail dovecot: logpath %(loop)s%(loop)s%(loop)s%(loop)s%(loop)s%(loop)s%(loop)s%(loop)s%(loop)s%(loop)s… cannot be followed: write a [[source]]
            #   jail.local:5: jail dovecot: logpath %(nothing)s cannot be followed: write a [[source]]
            #   jail.local:2: loop: nothing here is like it

            [filter]
            mode = "observe"

            # The preset's rules hold beside those of the jails.
            [rules]
            preset = "balanced"

            # Jail dovecot, filter dovecot.
            [[rule]]
            name = "dovecot"
            count = ["auth"]
            per = "address"
            limit = 5
            window = "10m"
            then = { ban = "10m", factor = 1 }
        "##]],
    );
}

#[test]
fn lengths_of_time_are_read() {
    let seconds = |text| match time(text) {
        Some(Time::For(length)) => Some(length),
        Some(Time::Ever) => Some(Duration::MAX),
        None => None,
    };
    for (text, expected) in [
        ("600", Some(600)),
        ("1h 30m", Some(5_400)),
        ("1d12h", Some(129_600)),
        ("2weeks", Some(1_209_600)),
        ("1.5h", Some(5_400)),
        ("0", None),
        ("", None),
        ("soon", None),
        ("5 apples", None),
    ] {
        assert_eq!(seconds(text), expected.map(Duration::from_secs), "{text}");
    }
    assert_eq!(seconds("-1"), Some(Duration::MAX));
}
