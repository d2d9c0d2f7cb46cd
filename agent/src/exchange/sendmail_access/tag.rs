//! What an entry is about: the tag before its key.

/// Most letters by which a tag may differ from the one that was meant.
const TYPO_MAX: usize = 2;

/// A tag that says something of connections, or not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Tag {
    /// There is none: connections, senders and recipients.
    None,
    /// Who connects.
    Connect,
    /// New connections in a window.
    ClientRate,
    /// Open connections.
    ClientConn,
    /// The wait before the greeting.
    GreetPause,
    /// Something that is the mail server's alone.
    Other,
}

impl Tag {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Connect => "Connect",
            Self::ClientRate => "ClientRate",
            Self::ClientConn => "ClientConn",
            Self::GreetPause => "GreetPause",
            Self::Other => "other",
        }
    }
}

/// Tags that Sendmail's own rule sets look up.
const KNOWN: &[(&str, Tag)] = &[
    ("Connect", Tag::Connect),
    ("ClientRate", Tag::ClientRate),
    ("ClientConn", Tag::ClientConn),
    ("GreetPause", Tag::GreetPause),
    ("From", Tag::Other),
    ("To", Tag::Other),
    ("Spam", Tag::Other),
    ("AuthInfo", Tag::Other),
    ("CERTIssuer", Tag::Other),
    ("CERTSubject", Tag::Other),
    ("TLS_Srv", Tag::Other),
    ("TLS_Clt", Tag::Other),
    ("TLS_Rcpt", Tag::Other),
    ("Try_TLS", Tag::Other),
    ("SRV_Features", Tag::Other),
    ("CLT_Features", Tag::Other),
    ("TLS_Srv_Features", Tag::Other),
    ("TLS_Clt_Features", Tag::Other),
    ("QGRP", Tag::Other),
];

/// What people write for tags that stand for a limit.
const ALIASES: &[(&str, Tag)] = &[
    ("ClientConnection", Tag::ClientConn),
    ("ClientConnections", Tag::ClientConn),
    ("ClientConns", Tag::ClientConn),
    ("ClientConnect", Tag::ClientConn),
    ("ClientRates", Tag::ClientRate),
    ("ClientRateLimit", Tag::ClientRate),
    ("GreetPauses", Tag::GreetPause),
];

/// What a key begins with.
pub(super) enum Named<'a> {
    /// A tag, and what it is about.
    Known(Tag, &'a str),
    /// One that looks like a tag.
    Alias(Tag, &'a str),
    /// None, and the tag that may be meant.
    Unknown(&'a str, Option<&'static str>),
}

/// Takes a key apart. Case does not matter.
pub(super) fn split(key: &str) -> Named<'_> {
    let Some((tag, rest)) = key.split_once(':') else {
        return Named::Known(Tag::None, key);
    };
    if tag.eq_ignore_ascii_case("ipv6") {
        return Named::Known(Tag::None, key);
    }
    let find = |table: &[(&str, Tag)]| {
        let mut table = table.iter();
        let found = table.find(|(name, _)| name.eq_ignore_ascii_case(tag));
        found.map(|(_, tag)| *tag)
    };
    if let Some(tag) = find(KNOWN) {
        return Named::Known(tag, rest);
    }
    if let Some(tag) = find(ALIASES) {
        return Named::Alias(tag, rest);
    }
    Named::Unknown(tag, nearest(tag))
}

fn nearest(tag: &str) -> Option<&'static str> {
    let tag = tag.to_ascii_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&tag, &name.to_ascii_lowercase());
    let near = KNOWN
        .iter()
        .map(|(name, _)| (distance(name), *name))
        .min()?;
    let begins = || {
        let mut known = KNOWN.iter();
        let it =
            known.find(|(name, _)| name.len() > 4 && tag.starts_with(&name.to_ascii_lowercase()));
        it.map(|(name, _)| *name)
    };
    match near {
        (distance, name) if distance <= TYPO_MAX.min(tag.len() / 3) => Some(name),
        _ => begins(),
    }
}
