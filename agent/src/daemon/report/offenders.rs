//! The worst offenders of a report: what was counted of each added up, the worst first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, SystemTime},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    control::protocol::{KindCount, Offender, ReportBy, TopOffenders},
    daemon::view,
    tally::{TallyRow, TallySort},
};

/// IPv4 networks of a report.
const NETWORK_V4: u8 = 24;
/// IPv6 networks of a report.
const NETWORK_V6: u8 = 48;

/// What is put together of an offender.
#[derive(Default)]
struct Sum<'r> {
    offences: u64,
    first_ago: Duration,
    last_ago: Option<Duration>,
    kinds: BTreeMap<&'r str, u64>,
    hosts: HashSet<&'r str>,
}

/// The worst of a sort, at most `limit` of them; 0 for all.
pub(super) fn top(rows: &[TallyRow], by: ReportBy, limit: usize, now: SystemTime) -> TopOffenders {
    let mut sums: Vec<(String, Sum<'_>)> = sums(rows, by).into_iter().collect();
    sums.sort_by(|(a, left), (b, right)| right.offences.cmp(&left.offences).then_with(|| a.cmp(b)));
    let total = sums.len();
    if limit > 0 {
        sums.truncate(limit);
    }
    let offenders = sums
        .into_iter()
        .map(|(who, sum)| sum.offender(who, by, now));
    TopOffenders {
        by,
        total,
        offenders: offenders.collect(),
    }
}

fn sums(rows: &[TallyRow], by: ReportBy) -> HashMap<String, Sum<'_>> {
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
        sums.entry(who).or_default().add(row);
    }
    sums
}

impl<'r> Sum<'r> {
    fn add(&mut self, row: &'r TallyRow) {
        self.offences += row.count;
        self.first_ago = self.first_ago.max(row.first_ago);
        let last_ago = self.last_ago.unwrap_or(row.last_ago);
        self.last_ago = Some(last_ago.min(row.last_ago));
        *self.kinds.entry(&row.kind).or_default() += row.count;
        self.hosts.insert(&row.who);
    }

    fn offender(self, who: String, by: ReportBy, now: SystemTime) -> Offender {
        let at =
            |ago: Duration| view::wall_time(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
        let kinds = self.kinds.into_iter().map(|(kind, count)| KindCount {
            kind: kind.to_owned(),
            count,
        });
        let mut kinds: Vec<KindCount> = kinds.collect();
        kinds.sort_by_key(|kind| Reverse(kind.count));
        Offender {
            who,
            offences: self.offences,
            hosts: match by {
                ReportBy::Address | ReportBy::Network => Some(self.hosts.len() as u64),
                ReportBy::Account => None,
            },
            first: at(self.first_ago),
            last: at(self.last_ago.unwrap_or_default()),
            kinds,
        }
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
