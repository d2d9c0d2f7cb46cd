//! What a kind of event is to the rules, looked up for each event in place of asking every rule.

use super::Counter;
use crate::{
    event::{Event, EventKind, Score},
    rule::Per,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    /// The rules on hosts and sessions that may count it.
    pub(super) of_hosts: Vec<usize>,
    /// Those on networks.
    pub(super) of_networks: Vec<usize>,
    /// The services that one of them counts it of, as bits.
    services: u8,
    /// A rule asks how much good a host does, and this is good.
    pub(super) is_good: bool,
    /// A rule counts within sessions, and this is the last of one.
    pub(super) ends_session: bool,
}

impl Interest {
    /// What `kind` is to `counters`; `has_goods` if one of them asks for what hosts do well.
    pub(super) fn of(kind: EventKind, counters: &[Counter], has_goods: bool) -> Self {
        let per = |rule: usize| counters[rule].settings().per;
        let rules = 0..counters.len();
        let has_session_rules = rules.clone().any(|rule| per(rule) == Per::Session);
        let counting =
            rules.filter(|rule| counters[*rule].counts_kind(kind) && !per(*rule).is_of_accounts());
        let services = |bits, rule: usize| bits | counters[rule].services();
        let services = counting.clone().fold(0, services);
        let (of_networks, of_hosts) = counting.partition(|rule| per(*rule) == Per::Network);
        Self {
            of_hosts,
            of_networks,
            services,
            is_good: matches!(kind, EventKind::MailAccepted | EventKind::AuthSuccess) && has_goods,
            ends_session: matches!(kind, EventKind::Disconnect | EventKind::BadSession)
                && has_session_rules,
        }
    }

    /// Whether a rule counts the event.
    pub(super) fn counts(&self, event: &Event) -> bool {
        self.services & 1 << event.service as u8 != 0
            && (event.is_offence() || event.kind.score() <= Score::ZERO)
    }
}
