//! Log lines as Postfix writes them, for tests that bring their own.

use std::net::IpAddr;

/// A line, without its end, that Postfix's smtpd with process id `pid` writes now.
pub(crate) fn smtpd(pid: u32, text: &str) -> String {
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
    format!("{at} mx postfix/smtpd[{pid}]: {text}")
}

/// [`rejection`] with another stamp in front, such as `Dec 31 23:59:58`.
pub fn rejection_at(stamp: &str, client: IpAddr, pid: u32, recipient: &str) -> String {
    let line = rejection(client, pid, recipient);
    let (_, rest) = line.split_once(' ').unwrap_or(("", &line));
    format!("{stamp} {rest}")
}

/// The line for a client that asked for a recipient who does not exist.
pub fn rejection(client: IpAddr, pid: u32, recipient: &str) -> String {
    smtpd(
        pid,
        &format!(
            "NOQUEUE: reject: RCPT from unknown[{client}]: 550 5.1.1 <{recipient}>: Recipient address rejected: \
             User unknown in local recipient table; from=<harvest@sender.test> to=<{recipient}> proto=ESMTP helo=<client.test>"
        ),
    )
}
