//! Logins as Dovecot 2.3 logs them through syslog.

use super::{Writer, id, nobody};

pub(super) fn session(writer: &mut Writer, is_bad: bool) {
    let session = id(writer.lines());
    let service = *writer.random.one_of(&[&"imap", &"pop3"]);
    if !is_bad {
        let (number, address) = writer.good_host();
        let account = format!("user{number}@example.org");
        writer.line("dovecot", format_args!(
            "{service}-login: Login: user=<{account}>, method=PLAIN, rip={address}, lip=192.0.2.1, mpid={}, TLS, session=<{session:x}>",
            2_000 + number
        ));
        writer.line("dovecot", format_args!(
            "lmtp({account})<{number}><{session:x}>: msgid=<{session:x}@example.com>: saved mail to INBOX"
        ));
        writer.line("dovecot", format_args!(
            "{service}({account})<{number}><{session:x}>: Disconnected: Logged out in=412 out=1893 deleted=0 expunged=0 trashed=0 hdr_count=2 hdr_bytes=861"
        ));
        return;
    }
    let host = writer.bad_host();
    let account = nobody(&mut writer.random);
    writer.bad_line("dovecot", format_args!(
        "{service}-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<{account}@example.org>, method=PLAIN, rip={host}, lip=192.0.2.1, TLS, session=<{session:x}>"
    ));
}
