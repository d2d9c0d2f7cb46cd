//! What the notifiers are told of decisions, and how they stand.

use std::{fs, time::Duration};

use ipnet::IpNet;

use super::{Daemon, view};
use crate::{
    ban::{Ban, Evidence, Origin, Sort},
    control::{
        Reply,
        protocol::{Answer, NotifierView, NotifyList, NotifyResult, NotifyTested, Refused, SCHEMA},
    },
    decision::{self, Decision, Hold, Notice, Pardon, Trial, Whom},
    duration, line,
    notify::{Message, Topic},
};

/// Longest name of a host that notifiers speak under, and of an account in what they tell.
const HOST_MAX: usize = 255;
/// Most characters of a notice.
const TEXT_MAX: usize = 1024;

/// The name of this host.
pub(super) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match line::escaped(name.trim().as_bytes(), HOST_MAX) {
        name if name.is_empty() => "localhost".to_owned(),
        name => name,
    }
}

impl Daemon {
    /// Tells the notifiers of decisions. Never waits.
    pub(super) fn tell(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            if let Some(message) = self.message(decision) {
                self.notify.tell(&message);
            }
        }
    }

    /// What people are told of a decision; nothing where they made it themselves.
    fn message(&self, decision: &Decision) -> Option<Message> {
        match decision {
            Decision::Ban(ban) if ban.sort == Sort::Ban => {
                self.ban_message(ban, Topic::Ban, "banned")
            }
            Decision::WouldBan(ban) => self.ban_message(ban, Topic::WouldBan, "would have banned"),
            Decision::WouldAct(trial) => self.trial_message(trial),
            Decision::Hold(hold) => self.hold_message(hold),
            Decision::Release { account, pardon } => Some(self.release_message(account, *pardon)),
            Decision::Notify(notice) => Some(self.notice_message(notice)),
            // A delay is no news, nor is the end of a ban; who is kicked was banned or held by a decision of its own.
            Decision::Ban(_) | Decision::Unban { .. } | Decision::Tarpit(_) | Decision::Kick(_) => {
                None
            }
        }
    }

    fn trial_message(&self, trial: &Trial) -> Option<Message> {
        if !self.notify.wants(Topic::WouldBan) {
            return None;
        }
        let (net, account) = match &trial.whom {
            Whom::Net(net) => (Some(*net), None),
            Whom::Account(account) => (None, Some(shown_account(account))),
        };
        let whom = match (&account, net) {
            (Some(account), _) => format!("account {account}"),
            (None, net) => net.map_or_else(String::new, |net| shown(&net)),
        };
        let rule = rule_of(&trial.origin);
        let Trial { doing, reason, .. } = trial;
        let text = format!(
            "would have acted on {whom} ({doing}), {}: {reason}",
            trial.origin
        );
        Some(Message {
            net,
            account,
            kinds: self.kinds(rule.as_deref().unwrap_or_default()),
            rule,
            offences: trial.count,
            evidence: lines(&trial.evidence),
            ..Message::new(view::time(trial.at, &self.clock), Topic::WouldBan, text)
        })
    }

    /// Holds are told whoever decided them: other operators want to know, too.
    fn hold_message(&self, hold: &Hold) -> Option<Message> {
        let account = shown_account(&hold.account);
        let rule = rule_of(&hold.origin);
        let length = hold.end.remaining(hold.since);
        let text = format!(
            "held back what {account} sends, {}, {}: {}",
            for_how_long(length),
            hold.origin,
            hold.reason
        );
        Some(Message {
            account: Some(account),
            kinds: self.kinds(rule.as_deref().unwrap_or_default()),
            rule,
            offences: hold.count,
            for_s: length.map(|length| length.as_secs()),
            ends: self.end_view(hold.end),
            evidence: lines(&hold.evidence),
            ..Message::new(view::time(hold.since, &self.clock), Topic::Hold, text)
        })
    }

    fn release_message(&self, account: &str, pardon: Pardon) -> Message {
        let account = shown_account(account);
        let text = format!("{account} may send again: {}", pardon.as_str());
        let at = view::time(self.clock.now(), &self.clock);
        Message {
            account: Some(account),
            ..Message::new(at, Topic::Hold, text)
        }
    }

    fn notice_message(&self, notice: &Notice) -> Message {
        let topic = match notice.topic {
            decision::Topic::Rule | decision::Topic::Account => Topic::Notify,
            decision::Topic::Alarm | decision::Topic::AllClear => Topic::Alarm,
        };
        let rule = rule_of(&notice.origin);
        let (net, account) = match &notice.whom {
            Some(Whom::Net(net)) => (Some(*net), None),
            Some(Whom::Account(account)) => (None, Some(shown_account(account))),
            None => (None, None),
        };
        let at = view::time(notice.at, &self.clock);
        let text = line::escaped(notice.text.as_bytes(), TEXT_MAX);
        Message {
            net,
            account,
            kinds: self.kinds(rule.as_deref().unwrap_or_default()),
            rule,
            evidence: lines(&notice.evidence),
            ..Message::new(at, topic, text)
        }
    }

    fn ban_message(&self, ban: &Ban, topic: Topic, what: &str) -> Option<Message> {
        let Origin::Rule(rule) = &ban.origin else {
            return None;
        };
        if !self.notify.wants(topic) {
            return None;
        }
        let length = ban.end.remaining(ban.since);
        let text = format!(
            "{what} {} {}, {rule}: {}",
            shown(&ban.net),
            for_how_long(length),
            ban.reason
        );
        Some(Message {
            net: Some(ban.net),
            kinds: self.kinds(rule.as_str()),
            kind: ban.cause.map(|cause| cause.kind.as_str()),
            service: ban.cause.map(|cause| cause.service.as_str()),
            rule: Some(rule.to_string()),
            offences: ban.offences,
            level: ban.level,
            for_s: length.map(|length| length.as_secs()),
            ends: self.end_view(ban.end),
            evidence: lines(&ban.evidence),
            ..Message::new(view::time(ban.since, &self.clock), topic, text)
        })
    }

    /// What a rule counts.
    fn kinds(&self, rule: &str) -> Vec<String> {
        let mut rules = self.config.rules.rules.iter().map(|(rule, _)| rule);
        let rule = rules.find(|known| known.name.as_str() == rule);
        let kinds = rule.into_iter().flat_map(|rule| &rule.count);
        kinds.map(|kind| kind.as_str().to_owned()).collect()
    }

    /// What is wrong with the notifiers.
    pub(super) fn notifier_problems(&self) -> Vec<String> {
        let failing = self.notify_list().notifiers.into_iter();
        failing.filter_map(|notifier| problem(&notifier)).collect()
    }

    pub(super) fn notify_list(&self) -> NotifyList {
        let notifiers = self.notify.standing().map(|one| NotifierView {
            name: one.settings.name.clone(),
            kind: one.settings.channel.as_str().to_owned(),
            receiver: one.settings.channel.receiver(),
            on: one
                .settings
                .on
                .iter()
                .map(|topic| topic.as_str().to_owned())
                .collect(),
            told: one.health.told,
            waiting: one.health.waiting as u64,
            lost: one.health.lost,
            failing_since: one.health.failing_since.map(view::wall_time),
            last_error: one.health.last_error,
        });
        NotifyList {
            schema: SCHEMA,
            notifiers: notifiers.collect(),
        }
    }

    /// Tries the notifier of that name, or all; answers when it is known how that went.
    pub(super) fn test_notifiers(&self, name: Option<&str>, reply: Reply) {
        let known: Vec<&str> = self
            .notify
            .standing()
            .map(|one| one.settings.name.as_str())
            .collect();
        let refused = match name {
            _ if known.is_empty() => Some(Refused {
                hint: Some("add a [[notify]] to the config, and reload".to_owned()),
                ..Refused::failed("there are no notifiers".to_owned())
            }),
            Some(name) if !known.contains(&name) => Some(Refused {
                hint: Some(format!("there are {}", known.join(", "))),
                ..Refused::failed(format!(
                    "no notifier has the name {:?}",
                    line::escaped(name.as_bytes(), HOST_MAX)
                ))
            }),
            _ => None,
        };
        if let Some(refused) = refused {
            return reply.answer(Answer::Refused(refused));
        }
        let at = view::time(self.clock.now(), &self.clock);
        let text = "a test of this notifier: nothing happened".to_owned();
        let results = self.notify.test(name, &Message::new(at, Topic::Test, text));
        tokio::spawn(async move {
            let results = results
                .await
                .into_iter()
                .map(|(name, result)| NotifyResult {
                    name,
                    error: result.err(),
                });
            reply.answer(Answer::NotifyTested(NotifyTested {
                schema: SCHEMA,
                results: results.collect(),
            }));
        });
    }
}

fn problem(notifier: &NotifierView) -> Option<String> {
    let NotifierView { name, lost, .. } = notifier;
    let lost = match lost {
        0 => String::new(),
        1 => "; 1 message is lost".to_owned(),
        lost => format!("; {lost} messages are lost"),
    };
    match (&notifier.failing_since, &notifier.last_error) {
        (Some(since), Some(error)) => Some(format!(
            "notifier {name} does not take messages since {since}: {error}{lost}"
        )),
        _ => None,
    }
}

fn for_how_long(length: Option<Duration>) -> String {
    match length {
        Some(length) => format!("for {}", duration::format(length)),
        None => "until it is removed".to_owned(),
    }
}

fn rule_of(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Rule(rule) => Some(rule.to_string()),
        Origin::Manual | Origin::Kernel | Origin::List(_) | Origin::Breaker => None,
    }
}

fn shown_account(account: &str) -> String {
    line::escaped(account.as_bytes(), HOST_MAX)
}

fn lines(evidence: &[Evidence]) -> Vec<String> {
    evidence.iter().map(|piece| piece.text.clone()).collect()
}

/// A host without its length.
fn shown(net: &IpNet) -> String {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_names_a_notifier_that_fails_and_what_is_lost() {
        let failing = |lost| NotifierView {
            name: "postmaster".to_owned(),
            kind: "email".to_owned(),
            receiver: "postmaster@example.org".to_owned(),
            on: Vec::new(),
            told: 3,
            waiting: 0,
            lost,
            failing_since: Some("2026-08-22T08:14:03Z".to_owned()),
            last_error: Some("connection refused".to_owned()),
        };
        let said = "notifier postmaster does not take messages since 2026-08-22T08:14:03Z: connection refused";
        for (lost, more) in [
            (0, ""),
            (1, "; 1 message is lost"),
            (12, "; 12 messages are lost"),
        ] {
            assert_eq!(problem(&failing(lost)), Some(format!("{said}{more}")));
        }
        let well = NotifierView {
            failing_since: None,
            ..failing(12)
        };
        assert_eq!(problem(&well), None, "notify list has the count");
    }
}
