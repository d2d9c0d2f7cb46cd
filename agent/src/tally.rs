//! What reports count: offences by host and account, decisions by rule. Plain data.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use crate::{
    ban::{Origin, Sort},
    decision::Decision,
    event::Event,
    line,
};

/// Most entries that wait to be written; what is new beyond it is only counted.
const ENTRIES_MAX: usize = 20_000;
/// Most bans that wait to be written beside them, so that many offences leave none of them out.
const BANS_MAX: usize = 20_000;
/// Longest name of an account.
const ACCOUNT_MAX: usize = 128;
/// IPv6 hosts are those of one network.
const HOST_PREFIX_V6: u8 = 64;

/// Whose count it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Tallier {
    /// A host: an IPv4 address, an IPv6 /64.
    Host(IpNet),
    /// An account that was tried, escaped.
    Account(Box<str>),
    /// A rule, or an operator.
    Rule(Box<str>),
    /// What was banned.
    Net(IpNet),
}

/// Sorts of counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TallySort {
    /// Of a host.
    Host,
    /// Of an account.
    Account,
    /// Of a rule.
    Rule,
    /// Of what was banned.
    Net,
}

impl TallySort {
    /// Every sort.
    pub const ALL: &[Self] = &[Self::Host, Self::Account, Self::Rule, Self::Net];
    /// Those that reports are made of.
    pub const REPORTED: &[Self] = &[Self::Host, Self::Account, Self::Rule];

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Account => "account",
            Self::Rule => "rule",
            Self::Net => "net",
        }
    }
}

impl Tallier {
    /// Which sort it is.
    pub const fn sort(&self) -> TallySort {
        match self {
            Self::Host(_) => TallySort::Host,
            Self::Account(_) => TallySort::Account,
            Self::Rule(_) => TallySort::Rule,
            Self::Net(_) => TallySort::Net,
        }
    }
}

impl fmt::Display for Tallier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(net) | Self::Net(net) => write!(f, "{net}"),
            Self::Account(name) | Self::Rule(name) => f.write_str(name),
        }
    }
}

/// A count within an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Tallied {
    /// The middle of that hour (steady clock).
    pub at: SystemTime,
    /// Whose.
    pub who: Tallier,
    /// Of what: a kind of event, or of decision.
    pub kind: &'static str,
    /// How many.
    pub count: u32,
}

/// A count over a time.
#[derive(Clone, Debug, PartialEq)]
pub struct TallyRow {
    /// Whose.
    pub sort: TallySort,
    /// A network, an account or a rule.
    pub who: String,
    /// Of what.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// How long ago the hour of the first began.
    pub first_ago: Duration,
    /// How long ago the hour of the last began.
    pub last_ago: Duration,
}

/// What is remembered of a net that is or was banned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NetTally {
    /// Bans of exactly that net, by rules and by hand.
    pub bans: u64,
    /// How long ago the hours of the first and of the last offence began that came from within it.
    pub seen_ago: Option<(Duration, Duration)>,
}

/// Counts that wait to be written.
#[derive(Debug, Default)]
pub struct Tally {
    entries: HashMap<(u64, Tallier, &'static str), u32, RandomState>,
    /// How many of them are of what was banned.
    nets: usize,
    /// Offences that nobody counts for anybody, because there were too many different ones.
    left_out: u64,
}

impl Tally {
    /// Counts an offence; what is harmless, such as a bounce that was refused, does not count.
    pub fn note_event(&mut self, event: &Event) {
        self.note_host(event);
        self.note_account(event);
    }

    /// Counts an offence for its host alone.
    fn note_host(&mut self, event: &Event) {
        if let (true, Some(address)) = (event.is_offence(), event.address) {
            self.add(event.at, Tallier::Host(host(address)), event.kind.as_str());
        }
    }

    /// Counts an offence for its account alone: its host was counted when another program told of it.
    pub fn note_account(&mut self, event: &Event) {
        if !event.is_offence() {
            return;
        }
        let kind = event.kind.as_str();
        if let Some(account) = event.account.as_deref() {
            let account = line::escaped(account.as_bytes(), ACCOUNT_MAX);
            self.add(event.at, Tallier::Account(account.into()), kind);
        }
    }

    /// Counts a decision for the rule that made it.
    pub fn note_decision(&mut self, decision: &Decision, at: SystemTime) {
        let (origin, kind) = match decision {
            Decision::Ban(ban) if ban.sort == Sort::Delay => (&ban.origin, "delay"),
            Decision::Ban(ban) => (&ban.origin, "ban"),
            Decision::WouldBan(ban) => (&ban.origin, "would-ban"),
            Decision::WouldAct(trial) => (&trial.origin, trial.deed.as_trial()),
            Decision::Tarpit(tarpit) => (&tarpit.origin, "delay"),
            Decision::Hold(hold) => (&hold.origin, "hold"),
            Decision::Kick(kick) => (&kick.origin, "kick"),
            Decision::Notify(notice) => (&notice.origin, "notice"),
            Decision::Unban { pardon, .. } => {
                return self.add(at, Tallier::Rule("-".into()), pardon.as_str());
            }
            Decision::Release { .. } => return,
        };
        let name = match origin {
            Origin::Rule(rule) => rule.as_str(),
            Origin::Manual => "manual",
            Origin::Kernel | Origin::List(_) | Origin::Breaker => return,
        };
        self.add(at, Tallier::Rule(name.into()), kind);
        if let Decision::Ban(ban) = decision
            && ban.sort == Sort::Ban
        {
            self.add(at, Tallier::Net(ban.net), kind);
        }
    }

    /// All that waits; nothing waits after that.
    pub fn take(&mut self) -> Vec<Tallied> {
        self.nets = 0;
        let entries = std::mem::take(&mut self.entries).into_iter();
        entries
            .map(|((hour, who, kind), count)| Tallied {
                at: SystemTime::UNIX_EPOCH + Duration::from_secs(hour * 3600 + 1800),
                who,
                kind,
                count,
            })
            .collect()
    }

    /// Takes back what was taken and could not be written.
    pub fn give_back(&mut self, rows: Vec<Tallied>) {
        for row in rows {
            self.add_count(row.at, row.who, row.kind, row.count);
        }
    }

    /// Offences that were counted for nobody.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn add(&mut self, at: SystemTime, who: Tallier, kind: &'static str) {
        self.add_count(at, who, kind, 1);
    }

    fn add_count(&mut self, at: SystemTime, who: Tallier, kind: &'static str, more: u32) {
        let since = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let key = (since.as_secs() / 3600, who, kind);
        if let Some(count) = self.entries.get_mut(&key) {
            *count = count.saturating_add(more);
            return;
        }
        let is_net = key.1.sort() == TallySort::Net;
        let has_room = match is_net {
            true => self.nets < BANS_MAX,
            false => self.entries.len() - self.nets < ENTRIES_MAX,
        };
        if has_room {
            self.nets += usize::from(is_net);
            self.entries.insert(key, more);
        } else if !is_net {
            self.left_out += u64::from(more);
        }
    }
}

/// Whom an address stands for.
fn host(address: IpAddr) -> IpNet {
    let net = IpNet::from(address.to_canonical());
    match net {
        IpNet::V4(_) => net,
        IpNet::V6(v6) => ipnet::Ipv6Net::new(v6.addr(), HOST_PREFIX_V6)
            .map_or(net, |wide| IpNet::V6(wide.trunc())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        ban::{Ban, End, ListName, RuleName},
        event::{EventKind, Service},
    };

    fn ban(number: u32, origin: Origin, sort: Sort) -> Decision {
        let net = IpNet::from(IpAddr::from(Ipv4Addr::from(number)));
        Decision::Ban(Ban {
            sort,
            offences: 1,
            ..Ban::new(net, origin, SystemTime::UNIX_EPOCH, End::Never)
        })
    }

    #[test]
    fn bans_are_counted_beside_however_many_offences_and_within_a_bound() {
        let mut tally = Tally::default();
        let mut event = Event::new(
            SystemTime::UNIX_EPOCH,
            EventKind::UnknownRecipient,
            Service::Smtp,
            "test",
        );
        for number in 0..u32::try_from(ENTRIES_MAX).unwrap() + 7 {
            event.address = Some(Ipv4Addr::from(number).into());
            tally.note_event(&event);
        }
        assert_eq!(tally.left_out(), 7);
        let rule = Origin::Rule(RuleName::new("a").unwrap());
        let at = SystemTime::UNIX_EPOCH;
        for number in 0..u32::try_from(BANS_MAX).unwrap() + 9 {
            tally.note_decision(&ban(number, rule.clone(), Sort::Ban), at);
        }
        let taken = tally.take();
        assert_eq!(taken.len(), ENTRIES_MAX + BANS_MAX);
        // Delays and lists are not counted.
        let list = Origin::List(ListName::new("drop").unwrap());
        tally.note_decision(&ban(1, list, Sort::Ban), at);
        tally.note_decision(&ban(1, rule, Sort::Delay), at);
        tally.note_decision(&ban(1, Origin::Manual, Sort::Ban), at);
        let nets = tally.take();
        let nets = nets.iter().filter(|one| one.who.sort() == TallySort::Net);
        assert_eq!(nets.map(|one| one.count).sum::<u32>(), 1);
    }
}
