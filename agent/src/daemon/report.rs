//! The report. What the loop knows is put down here; the rest is read and added up in a thread of its own.

mod offenders;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{Daemon, notify::host_name, view};
use crate::{
    ban::Sort,
    control::protocol::{
        MapFill, NearMisses, NearView, Report, ReportBy, RuleReport, SCHEMA, SparedHost,
    },
    decision::{Decision, Whom},
    judge::{NearMiss, Spared},
    line,
    notify::{Message, Topic},
    report,
    store::{StoreError, TallyReader},
    tally::{TallyRow, TallySort},
};

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
        let top = by
            .iter()
            .map(|by| offenders::top(&rows, *by, limit, self.now));
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
    let who: HashSet<&str> = rows.map(|row| row.who.as_str()).collect();
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
