//! What fail2ban's filters for mail programs count, in the words of rules.

/// Filters with their modes; without a mode, what holds for any other.
const FILTERS: &[(&[&str], &str, &[&str])] = &[
    (&["postfix"], "auth", &["auth"]),
    (&["postfix"], "rbl", &["dnsbl-rejected"]),
    (&["postfix"], "ddos", &["protocol"]),
    (&["postfix"], "extra", &["rejections", "auth"]),
    (
        &["postfix"],
        "aggressive",
        &["rejections", "auth", "protocol"],
    ),
    (&["postfix"], "", &["rejections"]),
    (&["postfix-rbl"], "", &["dnsbl-rejected"]),
    (
        &["exim", "sendmail-reject"],
        "aggressive",
        &["rejections", "auth", "protocol"],
    ),
    (
        &["exim", "courier-smtp", "kerio", "assp"],
        "",
        &["rejections", "auth"],
    ),
    (&["exim-spam", "sendmail-reject"], "", &["rejections"]),
    (&["qmail"], "", &["dnsbl-rejected"]),
    (
        &[
            "postfix-sasl",
            "dovecot",
            "sendmail-auth",
            "courier-auth",
            "cyrus-imap",
            "sieve",
            "perdition",
            "uwimap-auth",
            "solid-pop3d",
            "domino-smtp",
            "oracleims",
            "roundcube-auth",
            "squirrelmail",
            "openwebmail",
            "horde",
            "groupoffice",
            "sogo-auth",
            "tine20",
        ],
        "",
        &["auth"],
    ),
];

/// `postfix[mode=auth]` as name and mode; `mode` where the filter says none.
pub(super) fn parts(filter: &str, mode: Option<&str>) -> (String, String) {
    let (name, options) = filter.split_once('[').unwrap_or((filter, ""));
    let named = options
        .trim_end_matches(']')
        .split(',')
        .filter_map(|option| option.split_once('='))
        .find(|(key, _)| key.trim() == "mode")
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']));
    // What names the mode of the jail itself.
    let named = named.filter(|value| !value.contains('%')).or(mode);
    (
        name.trim().to_owned(),
        named.unwrap_or_default().trim().to_owned(),
    )
}

/// What a filter counts; `None` where it is not known.
pub(super) fn counted(filter: &str, mode: &str) -> Option<&'static [&'static str]> {
    let of = |mode: &str| {
        FILTERS
            .iter()
            .find(|(names, of, _)| *of == mode && names.contains(&filter))
    };
    of(mode).or_else(|| of("")).map(|(_, _, counted)| *counted)
}
