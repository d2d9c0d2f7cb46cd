//! Sessions as Exim logs them through syslog, without its own time stamps.

use super::{Writer, id, nobody};

pub(super) fn session(writer: &mut Writer, is_bad: bool) {
    let tag = format!("exim[{}]", 3_000 + writer.random.below(900));
    if !is_bad {
        let (number, address) = writer.good_host();
        let message = format!(
            "1vMabc-{:08}XYZ-{:04}",
            id(writer.lines()) % 100_000_000,
            number
        );
        writer.line(&tag, format_args!(
            "{message} <= joe.{number}@example.com H=mail-{number}.example.com [{address}] P=esmtps X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no S=4711 id={number}@example.com"
        ));
        writer.line(
            &tag,
            format_args!(
                "{message} => user{number} <user{number}@example.org> R=local_user T=maildir_home"
            ),
        );
        writer.line(&tag, format_args!("{message} Completed"));
        return;
    }
    let host = writer.bad_host();
    let nobody = nobody(&mut writer.random);
    match writer.random.below(2) {
        0 => writer.bad_line(&tag, format_args!(
            "H=(ylmf-pc) [{host}] F=<a@example.net> rejected RCPT <{nobody}@example.org>: Unrouteable address"
        )),
        _ => writer.bad_line(&tag, format_args!(
            "plain_login authenticator failed for (ylmf-pc) [{host}]: 535 Incorrect authentication data (set_id={nobody}@example.org)"
        )),
    }
}
