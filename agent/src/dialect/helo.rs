//! The name that a client gave itself, where a line of its own offence says it in a place of the program's choosing.

use std::net::IpAddr;

use super::text::find;

/// Whether the line says that the client at `address` called itself `name`: Postfix writes it last (`helo=<name>`), Exim in
/// parentheses before the client's first address, postscreen as the command that came too early.
pub(crate) fn says_helo(line: &[u8], name: &str, address: IpAddr) -> bool {
    let line = line.trim_ascii_end();
    let is_last = |before: &str, after: &str| {
        let before_name = line
            .strip_suffix(after.as_bytes())
            .and_then(|line| line.strip_suffix(name.as_bytes()));
        before_name.is_some_and(|line| line.ends_with(before.as_bytes()))
    };
    if is_last(" helo=<", ">") || is_last(": EHLO ", "\\r\\n") || is_last(": HELO ", "\\r\\n") {
        return true;
    }
    let client = format!("[{address}]");
    let Some(at) = find(line, client.as_bytes()) else {
        return false;
    };
    line[..at].ends_with(format!("({name}) ").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::says_helo;

    #[track_caller]
    fn check(line: &str, expected: bool) {
        let address = "203.0.113.7".parse().unwrap();
        assert_eq!(
            says_helo(line.as_bytes(), "ylmf-pc", address),
            expected,
            "{line}"
        );
    }

    #[test]
    fn the_name_is_found_where_the_program_writes_it() {
        check(
            "NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 554 5.7.1 <a@b>: Relay access denied; from=<c@d> to=<a@b> proto=ESMTP helo=<ylmf-pc>",
            true,
        );
        check(
            "plain_login authenticator failed for (ylmf-pc) [203.0.113.7]: 535 Incorrect authentication data (set_id=joe)",
            true,
        );
        check(
            "SMTP protocol error in \"AUTH LOGIN\" H=(ylmf-pc) [203.0.113.7] AUTH command used when not advertised",
            true,
        );
        check(
            "PREGREET 14 after 0.08 from [203.0.113.7]:59415: EHLO ylmf-pc\\r\\n",
            true,
        );
    }

    #[test]
    fn it_is_not_found_where_others_write_it() {
        check(
            "NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 554 5.7.1 <a@b>: Relay access denied; from=<\"helo=<ylmf-pc>\"@d> to=<a@b> proto=ESMTP helo=<mx>",
            false,
        );
        check(
            "H=mx (mx) [203.0.113.7] F=<\"(ylmf-pc) [203.0.113.7]\"@d> rejected RCPT <a@b>: Unrouteable address",
            false,
        );
        check("H=(ylmf-pc) [198.51.100.1] something", false);
    }
}
