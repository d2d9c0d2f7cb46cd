//! What a notifier is told to do. Plain data; the configuration reads it.

use std::{path::PathBuf, time::Duration};

use super::{Message, Topic};

/// A notifier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotifierSettings {
    /// Its name, which no other has.
    pub name: String,
    /// The way to the receiver.
    pub channel: Channel,
    /// What it tells of.
    pub on: Vec<Topic>,
    /// Only what these rules decided; empty for all. What is no rule's is told all the same.
    pub rules: Vec<String>,
    /// Only bans from this one of the same host on.
    pub min_level: u8,
    /// How long messages are collected; `None` for not at all.
    pub digest: Option<Duration>,
    /// Most deliveries an hour.
    pub limit: u32,
    /// Longest that one delivery may take.
    pub timeout: Duration,
}

/// The way to a receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Channel {
    /// By e-mail, through a mail server of this host.
    Email {
        /// To whom.
        to: String,
        /// From whom; `None` for mailwall at this host.
        from: Option<String>,
        /// Through what.
        server: MailServer,
    },
    /// An HTTP POST of JSON.
    Webhook {
        /// Where to.
        url: String,
        /// The certificates (PEM) that the receiver's must be signed by; `None` for those that this host trusts.
        ca_file: Option<PathBuf>,
    },
    /// A program with arguments.
    Command {
        /// The program and its arguments; some of them are placeholders.
        words: Vec<String>,
    },
    /// Complaints by e-mail, in a form that programs read.
    XArf {
        /// To whom.
        to: String,
        /// From whom; `None` for mailwall at this host.
        from: Option<String>,
        /// Through what.
        server: MailServer,
    },
    /// Reports to AbuseIPDB.
    AbuseIpdb {
        /// Where to.
        url: String,
        /// The file with the key.
        key_file: PathBuf,
        /// As for a webhook.
        ca_file: Option<PathBuf>,
    },
    /// The journal of systemd, or stderr where there is none.
    Journal {
        /// Its socket.
        socket: PathBuf,
    },
}

/// What takes mail on this host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MailServer {
    /// A server that listens at a host and port; spoken to without TLS.
    Smtp(String, u16),
    /// The program of that path, which is called as every `sendmail` can be.
    Sendmail(PathBuf),
}

impl Channel {
    /// The name that the configuration has for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Webhook { .. } => "webhook",
            Self::Command { .. } => "command",
            Self::XArf { .. } => "xarf",
            Self::AbuseIpdb { .. } => "abuseipdb",
            Self::Journal { .. } => "journal",
        }
    }

    /// Whether several messages can go at once.
    pub const fn takes_digests(&self) -> bool {
        matches!(self, Self::Email { .. } | Self::Webhook { .. })
    }

    /// Whether it tells strangers, who get only what is certain, and of each host only once a while.
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::XArf { .. } | Self::AbuseIpdb { .. })
    }

    /// The receiver, for people: without what may be secret in it.
    pub fn receiver(&self) -> String {
        match self {
            Self::Email { to, .. } | Self::XArf { to, .. } => to.clone(),
            // The path of a webhook often is its password.
            Self::Webhook { url, .. } | Self::AbuseIpdb { url, .. } => {
                let host = url.split('/').nth(2).unwrap_or_default();
                let host = host.rsplit('@').next().unwrap_or_default();
                format!("{}//{host}/...", url.split('/').next().unwrap_or_default())
            }
            Self::Command { words } => words.first().cloned().unwrap_or_default(),
            Self::Journal { .. } => "journal".to_owned(),
        }
    }
}

impl NotifierSettings {
    /// Whether `message` is for this notifier.
    pub fn wants(&self, message: &Message) -> bool {
        let is_of_rule = |rule: &String| self.rules.is_empty() || self.rules.contains(rule);
        let is_grave =
            message.topic != Topic::Ban || message.level.saturating_add(1) >= self.min_level;
        self.on.contains(&message.topic) && is_grave && message.rule.as_ref().is_none_or(is_of_rule)
    }
}
