//! How rules and what breaks them are said to people.

use std::time::Duration;

use super::{
    Distinct, Length, MOMENT, Measure, Mode, Per, RuleSettings, Then, good_window, kinds_named,
};
use crate::event::EventKind;

/// Whether a noun stands for one or for more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Many {
    No,
    Yes,
}

impl Many {
    pub(super) fn of(count: u32) -> Self {
        if count == 1 { Self::No } else { Self::Yes }
    }
}

impl RuleSettings {
    /// The rule in a sentence.
    pub fn description(&self) -> String {
        let window = span(self.window);
        let whom = match self.per {
            Per::Address => format!("from an address in {window}"),
            Per::Network => format!("in a network (/24, IPv6 /48) in {window}"),
            Per::Session => "in one session".to_owned(),
            Per::Account => match self.baseline {
                Some(percent) => {
                    format!("of an account in a day, if that is {percent}% of its mean of 30 days")
                }
                None => format!("of an account in {window}"),
            },
            Per::AccountSession => "of an account in one session".to_owned(),
        };
        let services = match self.service.as_slice() {
            [] => String::new(),
            some => {
                let names: Vec<&str> = some.iter().map(|service| service.as_str()).collect();
                format!(" on {}", names.join(", "))
            }
        };
        let who = match self.per {
            Per::Network => "the network",
            _ => "the host",
        };
        let share = match self.bad_share {
            0 => String::new(),
            100 => format!(
                ", unless {who} did anything good in {} or is a regular",
                span(good_window(self.window))
            ),
            share => format!(
                ", if at least {share}% of that and of what it did well in {} is bad and it is no regular",
                span(good_window(self.window))
            ),
        };
        let then = self.then.description();
        let mode = match self.mode {
            Mode::Enforce => "",
            Mode::Observe => " (only observed)",
        };
        format!("{} {whom}{services}{share}: {then}{mode}", self.sum())
    }

    /// What is counted, up to the limit.
    fn sum(&self) -> String {
        let limit = self.limit;
        let kinds = || self.count.iter().copied();
        let (several, what) = (nouns(kinds(), Many::Yes), nouns(kinds(), Many::of(limit)));
        match (self.measure, self.distinct) {
            (_, Some(Distinct::Address)) => format!("{limit} hosts with {several}"),
            (Measure::Recipients, None) => format!("{limit} recipients of messages"),
            (Measure::Megabytes, None) => format!("{limit} megabytes of messages"),
            (Measure::Score, _) => format!("{limit} points of {several}"),
            (Measure::Count, None) => format!("{limit} {what}"),
            (_, Some(Distinct::Recipient)) => match self.count.as_slice() {
                [EventKind::UnknownRecipient] => format!("{limit} different {what}"),
                _ => format!("{limit} {what} for different recipients"),
            },
            (_, Some(Distinct::Account)) => {
                format!("{limit} {what} (the same account counts once)")
            }
            (_, Some(Distinct::Moment)) => {
                format!("{limit} {what} (those within {} count once)", span(MOMENT))
            }
        }
    }
}

impl Then {
    /// What is done, in words.
    pub fn description(&self) -> String {
        let mut done = Vec::new();
        match self.ban.map(|penalty| penalty.first) {
            Some(Length::For(first)) => done.push(format!("ban for {}", span(first))),
            Some(Length::UntilRemoved) => done.push("ban until removed".to_owned()),
            None => {}
        }
        if let (Some(length), Some(banned)) = (self.ipv6_prefix, done.last_mut()) {
            *banned = format!("{banned} (IPv6: the /{length})");
        }
        if let Some(delay) = self.delay {
            done.push(format!(
                "delay each further one by {} more",
                span(delay.step)
            ));
        }
        match self.hold {
            Some(Length::For(length)) => done.push(format!("hold for {}", span(length))),
            Some(Length::UntilRemoved) => done.push("hold until released".to_owned()),
            None => {}
        }
        if self.kick {
            done.push("end its connections".to_owned());
        }
        if self.notify {
            done.push("notify".to_owned());
        }
        done.join(", ")
    }
}

/// What events of these kinds are called together.
pub(super) fn nouns(kinds: impl IntoIterator<Item = EventKind>, many: Many) -> &'static str {
    let kinds: Vec<EventKind> = kinds.into_iter().collect();
    let (one, more) = match kinds.as_slice() {
        [kind] => noun(*kind),
        kinds if is_within(kinds, "auth") => ("failed login", "failed logins"),
        kinds if is_within(kinds, "errors") => ("error", "errors"),
        kinds if is_within(kinds, "offences") => ("offence", "offences"),
        _ => ("event", "events"),
    };
    match many {
        Many::No => one,
        Many::Yes => more,
    }
}

fn is_within(kinds: &[EventKind], group: &str) -> bool {
    kinds_named(group).is_some_and(|group| kinds.iter().all(|kind| group.contains(kind)))
}

/// One of a kind, and several.
fn noun(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::Connect => ("connection", "connections"),
        EventKind::Disconnect => ("disconnect", "disconnects"),
        EventKind::MailAccepted => ("accepted message", "accepted messages"),
        EventKind::UnknownRecipient => ("unknown recipient", "unknown recipients"),
        EventKind::RelayDenied => ("relay attempt", "relay attempts"),
        EventKind::AuthFailure => ("failed login", "failed logins"),
        EventKind::AuthSuccess => ("login", "logins"),
        EventKind::AuthNotOffered => (
            "login where none is offered",
            "logins where none is offered",
        ),
        EventKind::AuthAborted => ("login broken off", "logins broken off"),
        EventKind::EarlyTalker => ("talk before the greeting", "talks before the greeting"),
        EventKind::ProtocolError => ("protocol error", "protocol errors"),
        EventKind::NonSmtp => ("non-SMTP command", "non-SMTP commands"),
        EventKind::TooManyErrors => (
            "session closed for its errors",
            "sessions closed for their errors",
        ),
        EventKind::HeloRejected => ("refused HELO name", "refused HELO names"),
        EventKind::SenderRejected => ("refused sender", "refused senders"),
        EventKind::ClientRejected => ("refused connection", "refused connections"),
        EventKind::DnsblRejected => ("refusal by DNS list", "refusals by DNS list"),
        EventKind::ContentRejected => ("refused message", "refused messages"),
        EventKind::RateLimited => ("rate limit reached", "rate limits reached"),
        EventKind::BadSession => ("session without result", "sessions without result"),
        EventKind::LostConnection => ("lost connection", "lost connections"),
        EventKind::TlsFailure => ("failed TLS handshake", "failed TLS handshakes"),
        EventKind::BounceOut => ("bounce sent for", "bounces sent for"),
        EventKind::BounceIn => ("bounce received", "bounces received"),
        EventKind::ServerFault => ("fault of the server", "faults of the server"),
        EventKind::Honeypot => ("use of a bot's name", "uses of bots' names"),
        EventKind::AuthQuit => (
            "session left after a failed login",
            "sessions left after a failed login",
        ),
        EventKind::AuthLost => (
            "connection lost after a failed login",
            "connections lost after a failed login",
        ),
    }
}

/// A length of time in its two largest units; "1s" at least.
pub(crate) fn span(length: Duration) -> String {
    const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let mut rest = length.as_secs().max(1);
    let mut text = String::new();
    let mut parts = 0;
    for (unit, letter) in UNITS {
        let whole = rest / unit;
        rest %= unit;
        if whole > 0 {
            text.push_str(&format!("{whole}{letter}"));
        }
        // The unit after the first is the last, so that "1d 3s" is "1d".
        if !text.is_empty() {
            parts += 1;
        }
        if parts == 2 {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Many, nouns, span};
    use crate::event::EventKind::{
        AuthAborted, AuthFailure, Connect, RateLimited, UnknownRecipient,
    };

    #[test]
    fn a_length_of_time_has_two_units_at_most() {
        let text = |s| span(Duration::from_secs(s));
        assert_eq!(
            [
                text(0),
                text(59),
                text(240),
                text(5400),
                text(86_403),
                text(604_800)
            ],
            ["1s", "59s", "4m", "1h30m", "1d", "7d"]
        );
    }

    #[test]
    fn events_of_several_kinds_have_a_common_name() {
        assert_eq!(nouns([UnknownRecipient], Many::Yes), "unknown recipients");
        assert_eq!(
            nouns([AuthFailure, AuthAborted], Many::Yes),
            "failed logins"
        );
        assert_eq!(nouns([AuthFailure, UnknownRecipient], Many::Yes), "errors");
        assert_eq!(nouns([RateLimited, UnknownRecipient], Many::No), "offence");
        assert_eq!(nouns([Connect, RateLimited], Many::Yes), "events");
    }
}
