//! Sessions as Postfix logs them.

use super::{Writer, id, nobody};

pub(super) fn session(writer: &mut Writer, is_bad: bool) {
    let pid = 1_000 + writer.random.below(100);
    let smtpd = format!("postfix/smtpd[{pid}]");
    if !is_bad {
        return delivery(writer, &smtpd, pid);
    }
    let host = writer.bad_host();
    let name = match writer.random.below(3) {
        0 => format!("dyn-{}.pool.example.net", writer.random.below(9_999)),
        _ => "unknown".to_owned(),
    };
    writer.line(&smtpd, format_args!("connect from {name}[{host}]"));
    let tries = 1 + writer.random.below(4);
    match writer.random.below(5) {
        0 | 1 => {
            for _ in 0..tries {
                let nobody = nobody(&mut writer.random);
                writer.bad_line(&smtpd, format_args!(
                    "NOQUEUE: reject: RCPT from {name}[{host}]: 550 5.1.1 <{nobody}@example.org>: Recipient address rejected: User unknown in virtual mailbox table; from=<a@example.net> to=<{nobody}@example.org> proto=ESMTP helo=<ylmf-pc>"
                ));
            }
            writer.line(
                &smtpd,
                format_args!("lost connection after RCPT from {name}[{host}]"),
            );
            writer.line(
                &smtpd,
                format_args!(
                    "disconnect from {name}[{host}] ehlo=1 mail=1 rcpt=0/{tries} commands=2/{}",
                    tries + 2
                ),
            );
        }
        2 | 3 => {
            for _ in 0..tries {
                let account = nobody(&mut writer.random);
                writer.bad_line(&smtpd, format_args!(
                    "warning: {name}[{host}]: SASL LOGIN authentication failed: authentication failure, sasl_username={account}@example.org"
                ));
            }
            writer.line(
                &smtpd,
                format_args!(
                    "disconnect from {name}[{host}] ehlo=1 auth=0/{tries} quit=1 commands=2/{}",
                    tries + 2
                ),
            );
        }
        _ => {
            writer.bad_line(&smtpd, format_args!(
                "NOQUEUE: reject: RCPT from {name}[{host}]: 554 5.7.1 <spam@example.com>: Relay access denied; from=<a@example.net> to=<spam@example.com> proto=SMTP helo=<[{host}]>"
            ));
            writer.line(
                &smtpd,
                format_args!(
                    "disconnect from {name}[{host}] helo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"
                ),
            );
        }
    }
}

fn delivery(writer: &mut Writer, smtpd: &str, pid: u64) {
    let (number, address) = writer.good_host();
    let client = format!("mail-{number}.example.com[{address}]");
    let id = id(writer.lines());
    writer.line(smtpd, format_args!("connect from {client}"));
    writer.line(smtpd, format_args!("{id:X}: client={client}"));
    writer.line(
        &format!("postfix/cleanup[{}]", pid + 200),
        format_args!("{id:X}: message-id=<{id:x}.{number}@mail-{number}.example.com>"),
    );
    let qmgr = "postfix/qmgr[811]";
    writer.line(
        qmgr,
        format_args!(
            "{id:X}: from=<joe.{number}@example.com>, size={}, nrcpt=1 (queue active)",
            2_000 + number * 31
        ),
    );
    writer.line(
        smtpd,
        format_args!(
            "disconnect from {client} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7"
        ),
    );
    if writer.random.below(2) == 0 {
        writer.line(&format!("postfix/lmtp[{}]", pid + 300), format_args!(
            "{id:X}: to=<user{number}@example.org>, relay=mx1.example.org[private/dovecot-lmtp], delay=0.41, delays=0.3/0.01/0.02/0.08, dsn=2.0.0, status=sent (250 2.0.0 <user{number}@example.org> {id:x} Saved)"
        ));
    } else {
        writer.line(&format!("postfix/smtp[{}]", pid + 400), format_args!(
            "{id:X}: to=<list{number}@example.net>, relay=mx.example.net[203.0.113.9]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {id:x})"
        ));
    }
    writer.line(qmgr, format_args!("{id:X}: removed"));
}
