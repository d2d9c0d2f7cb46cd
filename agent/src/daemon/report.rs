//! The report. What the loop knows is put down here; the rest is read and added up in a thread of its own.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::{Timestamp, tz::TimeZone};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{Daemon, notify::host_name, view};
use crate::{
    ban::Sort,
    control::protocol::{
        KindCount, MapFill, NearMisses, NearView, Offender, Report, ReportBy, RuleReport, SCHEMA,
        SparedHost, TopOffenders,
    },
    decision::{Decision, Whom},
    judge::{NearMiss, Spared},
    line,
    notify::{Message, Topic},
    report,
    store::{StoreError, TallyReader},
    tally::{TallyRow, TallySort},
};

/// IPv4 networks of a report.
const NETWORK_V4: u8 = 24;
/// What the report of the day is about.
const A_DAY: Duration = Duration::from_secs(86_400);
/// Offenders of each sort in it.
const MAILED_LIMIT: usize = 20;
/// Most characters of an account.
const ACCOUNT_MAX: usize = 128;
/// Spared hosts of a report.
const SPARED_SHOWN: usize = 50;
/// Near misses of a report.
const NEAR_SHOWN: usize = 50;
/// IPv6 networks of a report.
const NETWORK_V6: u8 = 48;

/// A report that lacks what the store knows.
pub(super) struct Begun {
    report: Report,
    reader: TallyReader,
    now: SystemTime,
}

impl Daemon {
    /// Counts decisions for reports.
    pub(super) fn tally(&mut self, decisions: &[Decision]) {
        let now = self.clock.now();
        for decision in decisions {
            self.tally.note_decision(decision, now);
        }
    }

    /// Puts down what the loop knows of the last `since`.
    pub(super) fn begin_report(&mut self, since: Duration) -> Begun {
        self.carry_out();
        self.save_tally();
        let now = self.clock.now();
        let mut in_force = BTreeMap::<String, u64>::new();
        for ban in self.judge.bans().each().filter(|ban| ban.sort == Sort::Ban) {
            *in_force.entry(ban.origin.to_string()).or_default() += 1;
        }
        let rules = in_force.into_iter().map(|(rule, in_force)| RuleReport {
            rule,
            in_force,
            ..RuleReport::default()
        });
        let wall = self.clock.wall(now);
        let from = wall.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH);
        let started = self.clock.wall(self.health.started);
        let limits = self.limits_view();
        Begun {
            report: Report {
                schema: SCHEMA,
                host: host_name(),
                from: view::wall_time(from),
                to: view::wall_time(wall),
                since_s: since.as_secs(),
                mode: self.config.filter.mode.as_str().to_owned(),
                offences: 0,
                hosts: 0,
                left_out: self.tally.left_out(),
                bans: self.judge.bans().len(),
                expired: 0,
                rules: rules.collect(),
                top: Vec::new(),
                remembered_from: (started > from).then(|| view::wall_time(started)),
                spared: self.spared_hosts(),
                near: self.near_misses(now.checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH)),
                dropped: self.dropped(),
                limited: limits.over_rate + limits.over_concurrent,
                maps: self.judge.bans().fill().map(fill).collect(),
                sources: self.sources().sources,
                problems: self.problems(),
            },
            reader: self.store.tally_reader(&self.clock),
            now: wall,
        }
    }
}

impl Daemon {
    fn spared_hosts(&self) -> Vec<SparedHost> {
        let spared = self.judge.spared().into_iter().take(SPARED_SHOWN);
        let view = |host: &Spared| SparedHost {
            net: host.net.to_string(),
            because: host.mercy.as_str().to_owned(),
            offences: host.offences,
            breaches: host.breaches,
            rule: host.rule.as_ref().map(ToString::to_string),
            last: view::time(host.last, &self.clock),
        };
        spared.map(view).collect()
    }
}

impl Daemon {
    fn near_misses(&self, from: SystemTime) -> NearMisses {
        let misses = self.judge.near_misses(from);
        let view = |miss: &&NearMiss| NearView {
            who: match &miss.whom {
                Whom::Net(net) => net.to_string(),
                Whom::Account(account) => line::escaped(account.as_bytes(), ACCOUNT_MAX),
            },
            is_account: matches!(miss.whom, Whom::Account(_)),
            rule: miss.rule.to_string(),
            count: miss.count,
            limit: miss.limit,
            last: view::time(miss.last, &self.clock),
        };
        NearMisses {
            total: misses.len(),
            shown: misses.iter().take(NEAR_SHOWN).map(view).collect(),
        }
    }
}

impl Daemon {
    /// Sends the report of the day when it is time.
    pub(super) fn send_report(&mut self) {
        let Some(daily) = &self.config.report else {
            return;
        };
        let wall = self.clock.wall(self.clock.now());
        let next = next_time(daily.hour, daily.minute, wall);
        let Some(due) = self.next_report else {
            self.next_report = next;
            return;
        };
        if wall < due {
            return;
        }
        self.next_report = next;
        let begun = self.begin_report(A_DAY);
        let mouth = self.notify.mouth(Topic::Report);
        spawn_blocking(move || match begun.finish(ReportBy::ALL, MAILED_LIMIT) {
            Ok(report) => {
                let title = format!("report of {}", report.to.get(..10).unwrap_or(&report.to));
                let message = Message::new(report.to.clone(), Topic::Report, title);
                mouth.tell(&Message {
                    evidence: report::text(&report),
                    ..message
                });
            }
            Err(error) => warn!("no report of the day: {error}"),
        });
    }
}

/// The next time that the clock of this host shows that, after `now`.
fn next_time(hour: i8, minute: i8, now: SystemTime) -> Option<SystemTime> {
    let now = Timestamp::try_from(now).ok()?.to_zoned(TimeZone::system());
    let today = now
        .with()
        .hour(hour)
        .minute(minute)
        .second(0)
        .subsec_nanosecond(0);
    let today = today.build().ok()?;
    let next = if today > now {
        today
    } else {
        today.tomorrow().ok()?
    };
    Some(next.timestamp().into())
}

impl Begun {
    /// Reads and adds up the rest: takes a second for half a million counts. Of each sort at most `limit`; 0 for all.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(super) fn finish(self, by: &[ReportBy], limit: usize) -> Result<Report, StoreError> {
        let mut report = self.report;
        let rows = self.reader.read(Duration::from_secs(report.since_s))?;
        let hosts = || rows.iter().filter(|row| row.sort == TallySort::Host);
        report.offences = hosts().map(|row| row.count).sum();
        report.hosts = distinct(hosts());
        for row in rows.iter().filter(|row| row.sort == TallySort::Rule) {
            count_rule(&mut report, row);
        }
        report
            .rules
            .sort_by_key(|rule| (Reverse((rule.bans, rule.would_bans)), rule.rule.clone()));
        let top = by.iter().map(|by| top(&rows, *by, limit, self.now));
        report.top = top.collect();
        Ok(report)
    }
}

fn fill((map, used, capacity): (&str, usize, usize)) -> MapFill {
    MapFill {
        map: map.to_owned(),
        used: used as u64,
        capacity: capacity as u64,
    }
}

fn distinct<'r>(rows: impl Iterator<Item = &'r TallyRow>) -> u64 {
    let who: std::collections::HashSet<&str> = rows.map(|row| row.who.as_str()).collect();
    who.len() as u64
}

fn count_rule(report: &mut Report, row: &TallyRow) {
    // What ends has no rule.
    if row.who == "-" {
        if row.kind == "expired" {
            report.expired += row.count;
        }
        return;
    }
    let place = report.rules.iter().position(|rule| rule.rule == row.who);
    let place = place.unwrap_or_else(|| {
        report.rules.push(RuleReport {
            rule: row.who.clone(),
            ..RuleReport::default()
        });
        report.rules.len() - 1
    });
    let Some(rule) = report.rules.get_mut(place) else {
        return;
    };
    let counter = match row.kind.as_str() {
        "ban" => &mut rule.bans,
        "would-ban" | "would-hold" | "would-kick" | "would-notify" => &mut rule.would_bans,
        "delay" => &mut rule.delays,
        "hold" => &mut rule.holds,
        "kick" => &mut rule.kicks,
        _ => &mut rule.notices,
    };
    *counter += row.count;
}

/// What is put together of an offender.
#[derive(Default)]
struct Sum<'r> {
    offences: u64,
    first_ago: Duration,
    last_ago: Option<Duration>,
    kinds: BTreeMap<&'r str, u64>,
    hosts: std::collections::HashSet<&'r str>,
}

fn top(rows: &[TallyRow], by: ReportBy, limit: usize, now: SystemTime) -> TopOffenders {
    let sort = match by {
        ReportBy::Address | ReportBy::Network => TallySort::Host,
        ReportBy::Account => TallySort::Account,
    };
    let mut sums = HashMap::<String, Sum<'_>>::new();
    for row in rows.iter().filter(|row| row.sort == sort) {
        let who = match by {
            ReportBy::Network => match network(&row.who) {
                Some(net) => net.to_string(),
                None => continue,
            },
            ReportBy::Address | ReportBy::Account => row.who.clone(),
        };
        let sum = sums.entry(who).or_default();
        sum.offences += row.count;
        sum.first_ago = sum.first_ago.max(row.first_ago);
        sum.last_ago = Some(
            sum.last_ago
                .map_or(row.last_ago, |ago| ago.min(row.last_ago)),
        );
        *sum.kinds.entry(&row.kind).or_default() += row.count;
        if by == ReportBy::Network {
            sum.hosts.insert(&row.who);
        }
    }
    let mut sums: Vec<(String, Sum<'_>)> = sums.into_iter().collect();
    sums.sort_by(|(a, left), (b, right)| right.offences.cmp(&left.offences).then_with(|| a.cmp(b)));
    let total = sums.len();
    if limit > 0 {
        sums.truncate(limit);
    }
    let at =
        |ago: Duration| view::wall_time(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    let offenders = sums.into_iter().map(|(who, sum)| {
        let mut kinds: Vec<KindCount> = sum
            .kinds
            .iter()
            .map(|(kind, count)| KindCount {
                kind: (*kind).to_owned(),
                count: *count,
            })
            .collect();
        kinds.sort_by_key(|kind| Reverse(kind.count));
        Offender {
            who,
            offences: sum.offences,
            hosts: match by {
                ReportBy::Address => Some(1),
                ReportBy::Network => Some(sum.hosts.len() as u64),
                ReportBy::Account => None,
            },
            first: at(sum.first_ago),
            last: at(sum.last_ago.unwrap_or_default()),
            kinds,
        }
    });
    TopOffenders {
        by,
        total,
        offenders: offenders.collect(),
    }
}

/// The network that a host is reported with.
fn network(host: &str) -> Option<IpNet> {
    Some(match host.parse().ok()? {
        IpNet::V4(net) => IpNet::V4(Ipv4Net::new(net.addr(), NETWORK_V4).ok()?.trunc()),
        IpNet::V6(net) => IpNet::V6(Ipv6Net::new(net.addr(), NETWORK_V6).ok()?.trunc()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(who: &str, kind: &str, count: u64) -> TallyRow {
        TallyRow {
            sort: TallySort::Host,
            who: who.to_owned(),
            kind: kind.to_owned(),
            count,
            first_ago: Duration::from_secs(7200),
            last_ago: Duration::from_secs(3600),
        }
    }

    /// As sm_dict does: offences by the first three octets, the worst first, at most 500.
    #[test]
    fn networks_are_added_up_and_sorted() {
        let mut rows = vec![
            row("216.170.16.1/32", "unknown-recipient", 4),
            row("216.170.16.2/32", "unknown-recipient", 3),
            row("216.170.16.2/32", "auth-failure", 2),
            row("203.0.113.7/32", "unknown-recipient", 8),
            row("2001:db8:1:2::/64", "unknown-recipient", 1),
            row("2001:db8:1:3::/64", "unknown-recipient", 1),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let found = top(&rows, ReportBy::Network, 500, now);
        let shown: Vec<(&str, u64, Option<u64>)> = found
            .offenders
            .iter()
            .map(|one| (one.who.as_str(), one.offences, one.hosts))
            .collect();
        assert_eq!(
            shown,
            [
                ("216.170.16.0/24", 9, Some(2)),
                ("203.0.113.0/24", 8, Some(1)),
                ("2001:db8:1::/48", 2, Some(2)),
            ]
        );
        assert_eq!(found.offenders[0].kinds[0].kind, "unknown-recipient");
        assert_eq!(found.offenders[0].last, "2027-01-15T07:00:00Z");
        for net in 0..=u16::from(u8::MAX) * 4 {
            rows.push(row(
                &format!("10.{}.{}.1/32", net / 256, net % 256),
                "auth-failure",
                1,
            ));
        }
        let found = top(&rows, ReportBy::Network, 500, now);
        assert_eq!((found.offenders.len(), found.total), (500, 1024));
        assert_eq!(found.offenders[0].who, "216.170.16.0/24");
    }
}
