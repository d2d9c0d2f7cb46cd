//! Sendmail, which logs to syslog; rsyslog writes that.

use super::Software;

/// Sendmail 8.17.
pub const SENDMAIL: Software = Software {
    name: "sendmail",
    title: "Sendmail 8.17",
    suite: "bookworm",
    packages: &[
        "sendmail-bin",
        "sendmail-cf",
        "m4",
        "rsyslog",
        "libsasl2-modules",
        "sasl2-bin",
    ],
    programs: &[
        "usr/libexec/sendmail/sendmail",
        "usr/share/sendmail/cf/m4/cf.m4",
        "usr/sbin/rsyslogd",
        "usr/sbin/saslpasswd2",
    ],
    log: "mail.log",
    port: 25,
    files: || {
        vec![
            ("etc/mail/bed.mc", CONFIG.to_owned()),
            ("etc/rsyslog.conf", RSYSLOG.to_owned()),
            ("usr/lib/sasl2/Sendmail.conf", SASL.to_owned()),
        ]
    },
    start: r#"
for account in alice bob; do
    echo "a password of $account" | saslpasswd2 -p -c -u mx.example.test "$account"
done
cd /etc/mail
m4 bed.mc > sendmail.cf
mkdir -p /run/sendmail/mta
# The queue is that of the account that the server runs as in Debian's own configuration.
chown root:root /var/spool/mqueue
chmod 700 /var/spool/mqueue
rsyslogd
while [ ! -S /dev/log ]; do sleep 0.02; done
exec /usr/libexec/sendmail/sendmail -bD -q5m
"#,
};

/// The load of the machine changes nothing: under load, recipients would not be looked up before they are accepted.
const CONFIG: &str = r"include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
define(`confDOMAIN_NAME', `mx.example.test')dnl
define(`confLOG_LEVEL', `9')dnl
define(`confTO_IDENT', `0')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupReadableSASLDBFile,GroupWritableSASLDBFile')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch-nodns')dnl
undefine(`ALIAS_FILE')dnl
define(`LOCAL_MAILER_PATH', `/bin/dd')dnl
define(`LOCAL_MAILER_ARGS', `dd of=/dev/null status=none')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confDELAY_LA', `10000')dnl
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
FEATURE(`greet_pause', `200')dnl
DAEMON_OPTIONS(`Name=MTA-v4, Family=inet, Addr=192.0.2.1, Port=25')dnl
DAEMON_OPTIONS(`Name=MTA-v6, Family=inet6, Addr=IPv6:2001:db8:77::1, Port=25')dnl
LOCAL_DOMAIN(`example.test')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
";

const RSYSLOG: &str = r#"
module(load="imuxsock")
mail.* action(type="omfile" file="/var/log/bed/mail.log")
"#;

const SASL: &str = "\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
";
