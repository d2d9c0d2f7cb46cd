//! Postfix, with its own log file.

use super::Software;
use crate::mail_server::RECIPIENTS;

/// Postfix 3.7.
pub const POSTFIX: Software = Software {
    name: "postfix",
    title: "Postfix 3.7",
    suite: "bookworm",
    packages: &["postfix", "libsasl2-modules", "sasl2-bin"],
    programs: &["usr/sbin/postfix", "usr/sbin/saslpasswd2"],
    log: "mail.log",
    port: 25,
    files: || {
        vec![
            ("etc/postfix/main.cf", main_cf()),
            ("etc/postfix/master.cf", MASTER_CF.to_owned()),
            ("etc/postfix/sasl/smtpd.conf", SMTPD_CONF.to_owned()),
        ]
    },
    start: r#"
for account in alice bob; do
    echo "a password of $account" | saslpasswd2 -p -c -u example.test "$account"
done
chmod 644 /etc/sasldb2
exec /usr/sbin/postfix start-fg
"#,
};

/// The same, which asks a policy service before it takes a recipient: at port 25 on a TCP socket, twice, at port 587 on a Unix
/// socket in the folder of the log. Whoever it is, mail flows without it. The ports of clients are logged.
pub const POSTFIX_ASKING: Software = Software {
    files: || {
        let mut files = (POSTFIX.files)();
        for (path, text) in &mut files {
            match *path {
                "etc/postfix/main.cf" => text.push_str(ASKS),
                "etc/postfix/master.cf" => {
                    let option = "  -o syslog_name=postfix/submission\n";
                    *text = text.replace(option, &format!("{option}{ASKS_AT_UNIX}"));
                }
                _ => {}
            }
        }
        files
    },
    ..POSTFIX
};

const ASKS: &str = "\
smtpd_client_port_logging = yes
smtpd_recipient_restrictions =
    check_policy_service { inet:127.0.0.1:10040, default_action=DUNNO, timeout=2s, policy_context=before }
    permit_mynetworks
    reject_unlisted_recipient
    check_policy_service { inet:127.0.0.1:10040, default_action=DUNNO, timeout=2s, policy_context=after }
smtpd_data_restrictions =
    check_policy_service { inet:127.0.0.1:10040, default_action=DUNNO, timeout=2s }
";

const ASKS_AT_UNIX: &str = "  -o { smtpd_recipient_restrictions = \
    check_policy_service { unix:/var/log/bed/policy.sock, default_action=DUNNO, timeout=2s } }
  -o smtpd_data_restrictions=
";

const MASTER_CF: &str = "\
smtp       inet  n  -  n  -     -  smtpd
submission inet  n  -  n  -     -  smtpd
  -o syslog_name=postfix/submission
pickup     unix  n  -  n  60    1  pickup
cleanup    unix  n  -  n  -     0  cleanup
qmgr       unix  n  -  n  300   1  qmgr
tlsmgr     unix  -  -  n  1000? 1  tlsmgr
rewrite    unix  -  -  n  -     -  trivial-rewrite
bounce     unix  -  -  n  -     0  bounce
defer      unix  -  -  n  -     0  bounce
trace      unix  -  -  n  -     0  bounce
verify     unix  -  -  n  -     1  verify
flush      unix  n  -  n  1000? 0  flush
proxymap   unix  -  -  n  -     -  proxymap
smtp       unix  -  -  n  -     -  smtp
relay      unix  -  -  n  -     -  smtp
showq      unix  n  -  n  -     -  showq
error      unix  -  -  n  -     -  error
retry      unix  -  -  n  -     -  error
discard    unix  -  -  n  -     -  discard
virtual    unix  -  n  n  -     -  virtual
anvil      unix  -  -  n  -     1  anvil
scache     unix  -  -  n  -     1  scache
postlog    unix-dgram n - n -   1  postlogd
";

/// Passwords are looked up in a database of the test bed's own.
const SMTPD_CONF: &str = "\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
";

fn main_cf() -> String {
    let mailboxes: Vec<String> = RECIPIENTS
        .iter()
        .map(|address| format!("{{ {address} = {address}/ }}"))
        .collect();
    format!(
        "\
compatibility_level = 3.6
maillog_file = /var/log/bed/mail.log
myhostname = mx.example.test
mydomain = example.test
mydestination = $mydomain
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
inet_protocols = all
alias_maps =
alias_database =
local_transport = virtual
local_recipient_maps = $virtual_mailbox_maps
virtual_mailbox_maps = inline:{{ {} }}
virtual_mailbox_base = /var/mail
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = $mydomain
virtual_minimum_uid = 1
virtual_uid_maps = static:8
virtual_gid_maps = static:8
",
        mailboxes.join(" ")
    )
}
