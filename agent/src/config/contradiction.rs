//! Rules that contradict each other, or can never do anything: what `config check` warns of. Nothing here is an error, since a
//! configuration may be on its way to something else; what can mean nothing at all is refused where it is read.

use std::time::Duration;

use super::{
    Config, RuleOrigin,
    document::{Document, Section},
    rule,
};
use crate::{
    ban::RuleName,
    duration,
    event::{EventKind, Score, Service},
    rule::{Distinct, Length, MOMENT, Measure, Mode, Per, RuleSettings},
};

/// Addresses of an IPv4 /24, the network that rules count.
const NETWORK_SIZE: u32 = 256;

/// Something that an operator hardly means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contradiction {
    /// The line of its `[[rule]]`; `None` for a rule of the preset.
    pub line: Option<usize>,
    /// In which rule.
    pub rule: RuleName,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Config {
    /// What in the rules contradicts itself, in the order of the rules. `text` is what the configuration was read from, for the
    /// lines.
    pub fn contradictions(&self, text: &str) -> Vec<Contradiction> {
        let lines = lines(text);
        let rules = &self.rules.rules;
        let mut found = Vec::new();
        for (index, (rule, origin)) in rules.iter().enumerate() {
            let line = lines.iter().find(|(name, _)| *name == rule.name);
            let line = line.map(|(_, line)| *line);
            let others = rules.iter().enumerate().filter(|(at, _)| *at != index);
            // What the preset's rules are to each other is not the operator's doing.
            let others = others
                .filter(|(_, (_, of))| *origin == RuleOrigin::Config || *of == RuleOrigin::Config);
            let between = others.filter_map(|(at, (other, _))| shadowed(rule, other, at < index));
            let mut alone = of_one(rule);
            alone.extend(not_wider(rule, self.filter.ipv6_prefix));
            let alone = alone.into_iter();
            found.extend(alone.chain(between.take(1)).map(|what| Contradiction {
                line,
                rule: rule.name.clone(),
                what,
            }));
        }
        found
    }
}

/// The lines of the `[[rule]]` of a text that is right.
fn lines(text: &str) -> Vec<(RuleName, usize)> {
    let document = Document::new("", text);
    let Ok(root) = document.parse() else {
        return Vec::new();
    };
    rule::lines(&Section::whole(&document, &root))
}

/// What a rule says against itself.
fn of_one(rule: &RuleSettings) -> Vec<String> {
    let mut found = Vec::new();
    let all = |is_so: fn(EventKind) -> bool| rule.count.iter().all(|kind| is_so(*kind));
    if rule.per.is_of_accounts() {
        // What comes of accounts is checked where it is read.
    } else if rule.measure == Measure::Score && all(|kind| kind.score() <= Score::ZERO) {
        found.push(
            "it can never fire: nothing it counts has a score; use measure = \"count\"".to_owned(),
        );
    }
    if !rule.service.is_empty() && !rule.service.contains(&Service::Smtp) && all(is_of_smtp) {
        found.push(
            "it can never fire: what it counts happens in SMTP only; take \"service\" out, or add \"smtp\""
                .to_owned(),
        );
    }
    if rule.per == Per::Session && rule.limit > 1 && all(is_once_a_session) {
        found.push(format!(
            "it can never fire: a session has what it counts only once, and the limit is {}; use per = \"address\"",
            rule.limit
        ));
    }
    match rule.distinct {
        Some(Distinct::Account) if all(has_no_account) => found.push(
            "distinct = \"account\" does nothing: what it counts names no account; take it out"
                .to_owned(),
        ),
        Some(Distinct::Recipient) if all(has_no_recipient) => found.push(
            "distinct = \"recipient\" does nothing: what it counts names no recipient; take it out"
                .to_owned(),
        ),
        Some(Distinct::Address) if rule.per == Per::Network && rule.limit > NETWORK_SIZE => {
            found.push(format!(
                "it can never fire for IPv4: a /24 has {NETWORK_SIZE} addresses, and the limit is {}",
                rule.limit
            ));
        }
        // A window may begin within a moment.
        Some(Distinct::Moment) if u64::from(rule.limit) > moments(rule.window) => {
            found.push(format!(
                "it can never fire: {} has {} moments of {}, and the limit is {}",
                duration::format(rule.window),
                moments(rule.window),
                duration::format(MOMENT),
                rule.limit
            ));
        }
        _ => {}
    }
    let then = rule.then;
    if rule.mode == Mode::Enforce && then.delay.is_some() && rule.bad_share == 100 {
        found.push(
            "its delays stop at the first good deed: bad_share = 100 is meant for bans".to_owned(),
        );
    }
    found
}

/// How many moments a window may touch.
fn moments(window: Duration) -> u64 {
    window.as_secs() / MOMENT.as_secs() + 1
}

/// A ban of IPv6 networks that are no wider than the hosts that are counted.
fn not_wider(rule: &RuleSettings, counted: u8) -> Option<String> {
    let length = rule.then.ipv6_prefix.filter(|length| *length >= counted)?;
    Some(format!(
        "its ipv6_prefix does nothing: {length} is no wider than a host, which is a /{counted} ([filter] ipv6_prefix); lower it, or take it out"
    ))
}

/// Whether `other` leaves nothing for `rule` to do; `is_first`: it is tried before.
fn shadowed(rule: &RuleSettings, other: &RuleSettings, is_first: bool) -> Option<String> {
    let counts_as_much = rule.per == other.per
        && rule.measure == other.measure
        && rule.distinct == other.distinct
        && rule.count.iter().all(|kind| other.count.contains(kind))
        && (other.service.is_empty()
            || !rule.service.is_empty()
                && rule
                    .service
                    .iter()
                    .all(|service| other.service.contains(service)))
        && other.bad_share <= rule.bad_share
        && other.window >= rule.window
        && other.limit <= rule.limit
        && other.mode == Mode::Enforce;
    let ban = other.then.ban?;
    if !counts_as_much {
        return None;
    }
    if rule.then.delay.is_some() {
        return Some(format!(
            "it can never delay: \"{}\" bans at {}, no later than this delays, past {}; lower this limit below that one",
            other.name, other.limit, rule.limit
        ));
    }
    let own = rule.then.ban?;
    if rule.mode != Mode::Enforce {
        return None;
    }
    let is_as_long = ban.first >= own.first;
    let is_same = rule.limit == other.limit
        && rule.count.len() == other.count.len()
        && rule.service.len() == other.service.len()
        && rule.window == other.window
        && rule.bad_share == other.bad_share;
    // While that ban lasts, this window runs out.
    let outlasts = match ban.first {
        Length::UntilRemoved => true,
        Length::For(length) => length >= rule.window,
    };
    let is_moot =
        is_same && is_as_long && (is_first || ban.first > own.first) || !is_same && outlasts;
    is_moot.then(|| {
        format!(
            "it can never fire: \"{}\" counts all that this counts and bans first, at {} in {}{}; raise that limit, or take one of them out",
            other.name,
            other.limit,
            duration::format(other.window),
            for_how_long(ban.first)
        )
    })
}

fn for_how_long(length: Length) -> String {
    match length {
        Length::For(length) if length >= Duration::from_secs(1) => {
            format!(", for {}", duration::format(length))
        }
        Length::For(_) => String::new(),
        Length::UntilRemoved => ", until removed".to_owned(),
    }
}

/// Kinds that no other protocol has.
fn is_of_smtp(kind: EventKind) -> bool {
    use EventKind as Kind;
    matches!(
        kind,
        Kind::MailAccepted
            | Kind::UnknownRecipient
            | Kind::RelayDenied
            | Kind::EarlyTalker
            | Kind::NonSmtp
            | Kind::HeloRejected
            | Kind::SenderRejected
            | Kind::DnsblRejected
            | Kind::ContentRejected
            | Kind::BounceOut
            | Kind::BounceIn
    )
}

fn is_once_a_session(kind: EventKind) -> bool {
    use EventKind as Kind;
    matches!(
        kind,
        Kind::Connect
            | Kind::Disconnect
            | Kind::EarlyTalker
            | Kind::TooManyErrors
            | Kind::BadSession
            | Kind::LostConnection
            | Kind::AuthQuit
            | Kind::AuthLost
    )
}

fn has_no_account(kind: EventKind) -> bool {
    use EventKind as Kind;
    is_once_a_session(kind) && !matches!(kind, Kind::AuthQuit | Kind::AuthLost)
        || matches!(
            kind,
            Kind::NonSmtp
                | Kind::ProtocolError
                | Kind::HeloRejected
                | Kind::TlsFailure
                | Kind::DnsblRejected
        )
}

fn has_no_recipient(kind: EventKind) -> bool {
    use EventKind as Kind;
    is_once_a_session(kind)
        || matches!(
            kind,
            Kind::NonSmtp
                | Kind::ProtocolError
                | Kind::TlsFailure
                | Kind::AuthFailure
                | Kind::AuthSuccess
                | Kind::AuthAborted
                | Kind::AuthNotOffered
        )
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, PRESETS};

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let config = Config::parse(text, "f").unwrap();
        let found = config.contradictions(text);
        let rules: Vec<&str> = found.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(rules, expected, "{found:?}");
    }

    fn rule(name: &str, settings: &str) -> String {
        format!("[[rule]]\nname = \"{name}\"\n{settings}\n")
    }

    #[test]
    fn no_preset_contradicts_itself() {
        for preset in PRESETS {
            let config = Config::default().with_preset(preset).unwrap();
            assert_eq!(config.contradictions(""), [], "{}", preset.name);
            check(&format!("[rules]\npreset = \"{}\"\n", preset.name), &[]);
        }
    }

    #[test]
    fn rules_that_can_never_fire_are_told() {
        let host = "per = \"address\"\nlimit = 3\nwindow = \"10m\"";
        let text = [
            rule(
                "a",
                &format!("count = \"connect\"\nmeasure = \"score\"\n{host}"),
            ),
            rule(
                "b",
                &format!("count = \"unknown-recipient\"\nservice = \"imap\"\n{host}"),
            ),
            rule(
                "c",
                "count = [\"connect\", \"bad-session\"]\nper = \"session\"\nlimit = 2",
            ),
            rule(
                "d",
                &format!("count = \"non-smtp\"\ndistinct = \"account\"\n{host}"),
            ),
            rule(
                "e",
                "count = \"auth\"\nper = \"network\"\ndistinct = \"address\"\nlimit = 300\nwindow = \"1h\"",
            ),
            rule(
                "f",
                &format!(
                    "count = \"tls-failure\"\nthen = {{ ban = \"2h\", ipv6_prefix = 64 }}\n{host}"
                ),
            ),
        ];
        let moments = |name, kind, limit| {
            let host = format!("per = \"address\"\nlimit = {limit}\nwindow = \"1m\"");
            rule(
                name,
                &format!("count = \"{kind}\"\ndistinct = \"moment\"\n{host}"),
            )
        };
        let too_many = moments("g", "connect", 17);
        let text = text.concat() + &too_many + &moments("h", "lost-connection", 16);
        check(&text, &["a", "b", "c", "d", "e", "f", "g"]);
    }

    #[test]
    fn a_rule_that_another_leaves_nothing_to_do_is_told() {
        let text = [
            rule(
                "hard",
                "count = \"tls-failure\"\nper = \"address\"\nlimit = 5\nwindow = \"10m\"\nthen = { ban = \"1h\" }",
            ),
            rule(
                "soft",
                "count = \"tls-failure\"\nper = \"address\"\nlimit = 6\nwindow = \"10m\"\nthen = { delay = \"5s\" }",
            ),
            rule(
                "twin",
                "count = \"tls-failure\"\nper = \"address\"\nlimit = 5\nwindow = \"10m\"\nthen = { ban = \"10m\" }",
            ),
            rule(
                "late",
                "count = \"tls-failure\"\nper = \"address\"\nlimit = 9\nwindow = \"5m\"",
            ),
            rule(
                "slow",
                "count = \"tls-failure\"\nper = \"address\"\nlimit = 50\nwindow = \"1d\"",
            ),
        ];
        check(&text.concat(), &["soft", "twin", "late"]);
    }
}
