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

/// Cases in which a client did nothing that is held against it, whatever the server.
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

/// Cases of servers whose log does not tell. What ends with `-` is any version.
const OPEN: &[(&str, &str)] = &[
    // 3.10 waits for the end of a message with bare newlines until the time is over.
    ("postfix-3.10", "bare_newline"),
    // 3.7 logged garbage as a timeout.
    ("postfix-3.7", "binary_garbage"),
];

/// What the client of a case did.
pub fn conduct(server: &str, case: &str) -> Conduct {
    let is_of = |named: &str| server == named || named.ends_with('-') && server.starts_with(named);
    if OPEN
        .iter()
        .any(|(named, open)| is_of(named) && case == *open)
    {
        Conduct::Open
    } else if HARMLESS.contains(&case) {
        Conduct::Harmless
    } else {
        Conduct::Misbehaving
    }
}
