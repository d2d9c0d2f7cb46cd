//! The agent's state as the control socket shows it.

use std::{collections::HashMap, time::SystemTime};

use super::{Daemon, intake::Followed};
use crate::{
    allowlist::AllowEntry,
    ban::{End, Origin, RuleName},
    clock::Clock,
    control::protocol::{
        AllowList, AllowView, Counters, DatabaseView, DelayView, Interface, PacketCounter,
        RuleList, RuleView, SCHEMA, Source, SourceList, Status, ThenView,
    },
    duration,
    rule::{Length, Per, Then},
    source::SourceState,
};
use jiff::{Timestamp, Unit};

/// A steady time as RFC 3339 wall time in UTC, to the second.
pub(super) fn time(at: SystemTime, clock: &Clock) -> String {
    wall_time(clock.wall(at))
}

/// A wall time in the same form.
pub(super) fn wall_time(at: SystemTime) -> String {
    let stamp = Timestamp::try_from(at).unwrap_or(Timestamp::MAX);
    stamp.round(Unit::Second).unwrap_or(stamp).to_string()
}

impl Daemon {
    pub(super) fn status(&self) -> Status {
        let now = self.clock.now();
        Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: time(self.health.started, &self.clock),
            uptime_s: now
                .duration_since(self.health.started)
                .unwrap_or_default()
                .as_secs(),
            mode: self.config.filter.mode.as_str().to_owned(),
            ports: self.config.filter.ports.clone(),
            interfaces: self.interfaces(),
            bans: self.judge.bans().len(),
            lists: self
                .judge
                .bans()
                .lists()
                .iter()
                .map(|(name, bans)| (name.to_string(), *bans))
                .collect(),
            allowed: self.judge.allowlist().len(),
            dropped: self.dropped(),
            drops_per_s: self.health.drops_per_s,
            tracked: self.judge.tracked(),
            sources: self.sources().sources,
            limits: self.limits_view(),
            policy: self.policy_view(),
            notifiers: self.notify_list().notifiers,
            database: self.store.size().ok().map(|bytes| DatabaseView {
                bytes,
                max_bytes: self.config.store.max_bytes,
            }),
            problems: self.problems(),
        }
    }

    pub(super) fn interfaces(&self) -> Vec<Interface> {
        let attachments = self.filter.iter().flat_map(|filter| filter.attachments());
        attachments
            .map(|attachment| Interface {
                name: attachment.name.clone(),
                mode: attachment.mode.map(|mode| mode.as_str().to_owned()),
                multi_buffer: attachment.multi_buffer,
                problem: attachment.problem.clone(),
                note: attachment.note.clone(),
            })
            .collect()
    }

    pub(super) fn end_view(&self, end: End) -> Option<String> {
        match end {
            End::At(at) => Some(time(at, &self.clock)),
            End::Never => None,
        }
    }

    pub(super) fn allow_list(&self) -> AllowList {
        let allowed = self.judge.allowlist().iter().map(allow_view).collect();
        AllowList {
            schema: SCHEMA,
            allowed,
        }
    }

    pub(super) fn rule_list(&self) -> RuleList {
        let mut in_force: HashMap<&RuleName, usize> = HashMap::new();
        for ban in self.judge.bans().each() {
            if let Origin::Rule(name) = &ban.origin {
                *in_force.entry(name).or_default() += 1;
            }
        }
        let origins = self.config.rules.rules.iter().map(|(_, origin)| *origin);
        let rules = self
            .judge
            .rules(self.clock.now())
            .zip(origins)
            .map(|(rule, origin)| {
                let settings = rule.settings;
                let penalty = settings.then.ban;
                RuleView {
                    name: settings.name.to_string(),
                    origin: origin.as_str().to_owned(),
                    count: settings.count.iter().map(|kind| kind.to_string()).collect(),
                    per: settings.per.as_str().to_owned(),
                    distinct: settings
                        .distinct
                        .map(|distinct| distinct.as_str().to_owned()),
                    service: settings
                        .service
                        .iter()
                        .map(|service| service.to_string())
                        .collect(),
                    limit: settings.limit,
                    window_s: (!matches!(settings.per, Per::Session | Per::AccountSession))
                        .then_some(settings.window.as_secs()),
                    mode: settings.mode.as_str().to_owned(),
                    permanent: settings.permanent,
                    then: then_view(&settings.then),
                    ban_s: penalty
                        .and_then(|penalty| penalty.first.duration())
                        .map(|first| first.as_secs()),
                    factor: penalty.map_or(1, |penalty| penalty.factor),
                    at_most_s: penalty.map(|penalty| penalty.at_most.as_secs()),
                    tracked: rule.tracked,
                    near: rule.near,
                    breaches: rule.breaches,
                    bans: in_force.get(&settings.name).copied().unwrap_or(0),
                    would_bans: rule.would_bans,
                    would_be_banned: rule.would_be_banned,
                    description: settings.description(),
                }
            });
        RuleList {
            schema: SCHEMA,
            preset: self.config.rules.preset.clone(),
            rules: rules.collect(),
        }
    }

    pub(super) fn sources(&self) -> SourceList {
        let followed = self
            .intake
            .sources
            .iter()
            .filter(|source| source.is_followed());
        let empty = self.intake.empty_patterns().map(|name| Source {
            name,
            state: "waiting".to_owned(),
            position: 0,
            lag_bytes: Some(0),
            lag_s: Some(0),
            lines: 0,
            understood: 0,
            ignored: 0,
            refused: 0,
            unknown: 0,
            cut: 0,
            lost: 0,
            last_line: None,
            problem: Some("no file fits yet".to_owned()),
        });
        let sources = followed
            .map(|source| self.source_view(source))
            .chain(empty)
            .collect();
        SourceList {
            schema: SCHEMA,
            sources,
        }
    }

    fn source_view(&self, source: &Followed) -> Source {
        let state = match &source.state {
            SourceState::Following => "following",
            SourceState::Waiting => "waiting",
            SourceState::Failed(_) => "failed",
            SourceState::Ended => "ended",
        };
        Source {
            name: source.name.clone(),
            state: state.to_owned(),
            position: source.position,
            lag_bytes: source.lag_bytes,
            lag_s: source.lag(self.clock.now()).map(|lag| lag.as_secs()),
            lines: source.counts.lines,
            understood: source.counts.understood,
            ignored: source.counts.ignored,
            refused: source.counts.refused,
            unknown: source.counts.unknown,
            cut: source.counts.cut,
            lost: source.counts.lost,
            last_line: source.last_line.map(|at| time(at, &self.clock)),
            problem: source.problem(self.clock.now()),
        }
    }

    pub(super) fn counters(&self) -> Result<Counters, String> {
        let Some(filter) = &self.filter else {
            return Err("the filter is not loaded, so nothing is counted".to_owned());
        };
        let totals = filter
            .totals()
            .map_err(|err| format!("{:#}", anyhow::Error::from(err)))?;
        let packets = totals
            .into_iter()
            .map(|(verdict, family, packets)| PacketCounter {
                verdict: verdict.to_string(),
                family: family.to_string(),
                dropped: verdict.is_drop(),
                packets,
            });
        Ok(Counters {
            schema: SCHEMA,
            at_ns: self.clock.kernel_end(End::At(self.clock.now())).as_ns(),
            packets: packets.collect(),
        })
    }
}

fn then_view(then: &Then) -> ThenView {
    ThenView {
        ban: then.ban.map(|penalty| length(penalty.first)),
        delay: then.delay.map(|delay| DelayView {
            step_s: delay.step.as_secs(),
            at_most_s: delay.at_most.as_secs(),
            by: delay.by.as_str().to_owned(),
        }),
        kick: then.kick,
        hold: then.hold.map(length),
        notify: then.notify,
    }
}

/// As it is written in configurations.
fn length(length: Length) -> String {
    match length {
        Length::For(duration) => duration::format(duration),
        Length::UntilRemoved => "permanent".to_owned(),
    }
}

pub(super) fn allow_view(entry: &AllowEntry) -> AllowView {
    AllowView {
        net: entry.net,
        origin: entry.origin.as_str().to_owned(),
        reason: entry.reason.clone(),
    }
}
