//! Which recorded cases are held against their client. The only list of them.

/// What a client of a case did, as far as its log can tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Conduct {
    /// Something must be held against it.
    Misbehaving,
    /// Nothing must be.
    Harmless,
    /// It misbehaved, but its log is like that of a harmless client; or the reverse. Either is right.
    Open,
}

/// Cases in which a client did nothing that is held against it, whatever the server, unless it is in [`MISBEHAVING`].
const HARMLESS: &[&str] = &[
    "auth_ok_relay",
    "connect_quit",
    // Connections lost anywhere may be a bad line.
    "drop_after_mail",
    "drop_after_rcpt",
    "drop_in_data",
    "ehlo_drop",
    "ehlo_quit",
    // A name that is not found may be our resolver's fault.
    "helo_nodns",
    "idle_in_data",
    "imap_connect_drop",
    "imaps_connect_drop",
    "ok_delivery",
    "ok_starttls_delivery",
    "rset_quit",
    "scan_noise",
    "sieve_connect_drop",
    // Messages that are too large are honest mistakes.
    "size_declared",
    "size_exceeded",
    "submission_quit",
    "swaks_ok",
];

/// Cases that are harmless elsewhere, but not here: this server had not offered logins, so that nothing was relayed.
const MISBEHAVING: &[(&str, &str)] = &[("opensmtpd-", "auth_ok_relay")];

/// Cases of servers whose log does not tell. What ends with `-` is any version.
const OPEN: &[(&str, &str)] = &[
    // Clients that talk early are let through by default, and the rate of messages was not limited.
    ("exim-4.96", "msg_rate"),
    ("exim-4.96", "pregreet"),
    ("exim-4.96-verbose", "msg_rate"),
    ("exim-4.96-verbose", "pregreet"),
    ("exim-4.98", "msg_rate"),
    ("exim-4.98", "pregreet"),
    // Messages are accepted whatever they hold, and commands that do nothing are answered.
    ("opensmtpd-", "content_reject"),
    ("opensmtpd-", "too_many_junk"),
    // 6.8 cannot do TLS, so nothing comes after it.
    ("opensmtpd-6.8", "auth_fail_plain_tls"),
    ("opensmtpd-6.8", "swaks_auth_fail"),
    // 3.10 waits for the end of a message with bare newlines until the time is over.
    ("postfix-3.10", "bare_newline"),
    // 3.7 logged garbage as a timeout.
    ("postfix-3.7", "binary_garbage"),
    // No more is said of these than of sessions in which nothing was tried, and the content was accepted.
    ("sendmail-", "auth_drop"),
    ("sendmail-", "auth_unsupported_mech"),
    ("sendmail-", "bad_sequence"),
    ("sendmail-", "bad_syntax"),
    ("sendmail-", "binary_garbage"),
    ("sendmail-", "content_reject"),
    ("sendmail-", "no_helo"),
];

/// What the client of a case did.
pub fn conduct(server: &str, case: &str) -> Conduct {
    let is_of = |named: &str| server == named || named.ends_with('-') && server.starts_with(named);
    let is_in = |list: &[(&str, &str)]| {
        list.iter()
            .any(|(named, other)| is_of(named) && case == *other)
    };
    if is_in(OPEN) {
        Conduct::Open
    } else if HARMLESS.contains(&case) && !is_in(MISBEHAVING) {
        Conduct::Harmless
    } else {
        Conduct::Misbehaving
    }
}
