//! Something that happened, read from a log line or from the kernel. Plain data: nothing here reads, judges or acts.

use std::{fmt, net::IpAddr, time::SystemTime};

/// Something that happened at a mail server.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, by the clock of the log or, on a live host, by the agent's steady clock (`clock.rs`).
    pub at: SystemTime,
    /// What.
    pub kind: EventKind,
    /// The client; `None` where the program names none, or where it is not certain.
    pub address: Option<IpAddr>,
    /// The client's port, where the program tells: with the address it names one connection.
    pub port: Option<u16>,
    /// Which protocol was spoken.
    pub service: Service,
    /// The account a client tried or used.
    pub account: Option<Box<str>>,
    /// The recipient a client named.
    pub recipient: Option<Box<str>>,
    /// How many recipients a message has that was accepted.
    pub recipients: Option<u32>,
    /// How many bytes such a message has.
    pub bytes: Option<u64>,
    /// The session it belongs to; unique within one run of a dialect.
    pub session: Option<SessionId>,
    /// What it weighs against the client (or, when negative, for it).
    pub score: Score,
    /// Name of the dialect that told it, or what else did: several may tell of one thing.
    pub told_by: &'static str,
}

impl Event {
    /// One of that kind, and of its usual weight, of which nothing else is known.
    #[inline(always)]
    pub const fn new(
        at: SystemTime,
        kind: EventKind,
        service: Service,
        told_by: &'static str,
    ) -> Self {
        Self {
            at,
            kind,
            address: None,
            port: None,
            service,
            account: None,
            recipient: None,
            recipients: None,
            bytes: None,
            session: None,
            score: kind.score(),
            told_by,
        }
    }

    /// Whether it weighs against the client.
    pub fn is_offence(&self) -> bool {
        self.score > Score::ZERO
    }

    /// Whether a message came in with it: Exim tells of a login together with its message.
    pub fn is_message(&self) -> bool {
        match self.kind {
            EventKind::MailAccepted => true,
            EventKind::AuthSuccess => self.bytes.is_some(),
            _ => false,
        }
    }
}

/// One connection of a client to a mail program.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub u64);

/// Weight of an event, in tenths of the plain offence.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Score(i16);

impl Score {
    /// Harmless.
    pub const ZERO: Self = Self(0);

    /// `tenths` of the plain offence.
    pub const fn tenths(tenths: i16) -> Self {
        Self(tenths)
    }

    /// The weight of `count` such events.
    pub const fn times(self, count: i16) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Tenths of the plain offence.
    pub const fn as_tenths(self) -> i16 {
        self.0
    }

    /// As the output shows it: 1.0 is the plain offence.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $score:literal;)*) => {
        /// What happened. The names (kebab-case) stand in configs, JSON and the store.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum EventKind {
            $($(#[$doc])* $variant,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kebab-case name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it weighs when nothing about the line makes it harmless.
            pub const fn score(self) -> Score {
                match self {
                    $(Self::$variant => Score::tenths($score),)*
                }
            }
        }
    };
}

event_kinds! {
    /// A client connected.
    Connect = "connect", 0;
    /// A client's session ended, with something done or nothing tried.
    Disconnect = "disconnect", 0;
    /// A message was accepted from the client.
    MailAccepted = "mail-accepted", -10;
    /// The client named a recipient that does not exist.
    UnknownRecipient = "unknown-recipient", 10;
    /// The client asked for a delivery that it may not ask for.
    RelayDenied = "relay-denied", 20;
    /// A login failed because of what the client sent.
    AuthFailure = "auth-failure", 10;
    /// A login succeeded.
    AuthSuccess = "auth-success", -10;
    /// A login was tried where none is offered.
    AuthNotOffered = "auth-not-offered", 10;
    /// A login was begun and broken off by the client.
    AuthAborted = "auth-aborted", 10;
    /// The client talked before its turn at the greeting.
    EarlyTalker = "early-talker", 30;
    /// The client broke the protocol's order.
    ProtocolError = "protocol-error", 20;
    /// The client spoke another protocol.
    NonSmtp = "non-smtp", 50;
    /// The mail program closed the session because of its errors.
    TooManyErrors = "too-many-errors", 30;
    /// The client's HELO name was refused.
    HeloRejected = "helo-rejected", 10;
    /// The sender address was refused.
    SenderRejected = "sender-rejected", 10;
    /// The client's address or name was refused.
    ClientRejected = "client-rejected", 10;
    /// A DNS list named the client, and the program refused it.
    DnsblRejected = "dnsbl-rejected", 10;
    /// The message was refused for what it holds.
    ContentRejected = "content-rejected", 10;
    /// The client went over a limit of the mail program.
    RateLimited = "rate-limited", 10;
    /// A session ended with commands tried and nothing achieved.
    BadSession = "bad-session", 5;
    /// The connection was lost or timed out in mid-session.
    LostConnection = "lost-connection", 0;
    /// A TLS handshake failed.
    TlsFailure = "tls-failure", 0;
    /// A message of an account bounced at a remote server.
    BounceOut = "bounce-out", 0;
    /// A bounce came in.
    BounceIn = "bounce-in", 0;
    /// The server could not do its work; never the client's fault.
    ServerFault = "server-fault", 0;
    /// The client used a name that only bots use: the judge's own, beside the offence it came with.
    Honeypot = "honeypot", 50;
    /// A client took its leave after a failed login that nothing good followed: the judge's own, beside the end of the session.
    AuthQuit = "auth-quit", 0;
    /// The connection was lost or timed out after such a login: likewise.
    AuthLost = "auth-lost", 0;
}

impl EventKind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The protocol a client spoke.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Service {
    /// Mail transfer and submission.
    Smtp,
    /// Mailbox access, IMAP.
    Imap,
    /// Mailbox access, POP3.
    Pop,
    /// Filter scripts, ManageSieve.
    Sieve,
    /// Directory.
    Ldap,
    /// Chat.
    Xmpp,
}

impl Service {
    /// Every service.
    pub const ALL: &[Self] = &[
        Self::Smtp,
        Self::Imap,
        Self::Pop,
        Self::Sieve,
        Self::Ldap,
        Self::Xmpp,
    ];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop => "pop",
            Self::Sieve => "sieve",
            Self::Ldap => "ldap",
            Self::Xmpp => "xmpp",
        }
    }

    /// The service that is registered for a port (IANA); mail transfer at any other, since only mail ports are guarded.
    pub const fn at_port(port: u16) -> Self {
        match port {
            143 | 993 => Self::Imap,
            110 | 995 => Self::Pop,
            2000 | 4190 => Self::Sieve,
            389 | 636 => Self::Ldap,
            5222 | 5223 | 5269 | 5270 => Self::Xmpp,
            _ => Self::Smtp,
        }
    }

    /// The service of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|service| service.as_str() == name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
