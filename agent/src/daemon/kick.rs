//! Live connections end: as rules decide, and as operators ask.

use std::{collections::HashMap, net::SocketAddr};

use super::Daemon;
use crate::{
    account::LiveSession,
    control::{
        Reply,
        protocol::{Answer, KickDone, KickWhom, Refused, SCHEMA},
    },
    decision::{Decision, Whom},
    kick::Target,
};

impl Daemon {
    /// Hands the kicks among the decisions to the task that does them. While the filter only observes, nobody is kicked either.
    pub(super) fn kick_decided(&mut self, decisions: &[Decision]) {
        if self.config.filter.mode.is_observe() {
            return;
        }
        for decision in decisions {
            if let Decision::Kick(kick) = decision {
                let target = match &kick.whom {
                    Whom::Net(net) => Target::Net(*net),
                    Whom::Account(account) => self.target_account(account),
                };
                // One too many is counted, and `status` says so.
                self.kicker
                    .kick(target, self.config.filter.ports.clone(), None);
            }
        }
    }

    /// Kicks as an operator asks, and answers when it is done.
    pub(super) fn kick_asked(&mut self, whom: KickWhom, reply: Reply) {
        let target = match whom {
            KickWhom::Net(net) => Target::Net(net),
            KickWhom::Account(account) => self.target_account(&account),
        };
        let ports = self.config.filter.ports.clone();
        let told = move |kicked: crate::kick::Kicked| {
            reply.answer(Answer::Kicked(KickDone {
                schema: SCHEMA,
                connections: kicked.connections,
                dovecot: kicked.dovecot,
                problems: kicked.problems,
            }));
        };
        self.kicker.kick(target, ports, Some(Box::new(told)));
    }

    /// What is wrong with kicks.
    pub(super) fn kick_problem(&self) -> Option<String> {
        let dropped = self.kicker.dropped();
        (dropped > 0)
            .then(|| format!("{dropped} kicks were not done, because too many waited to be"))
    }

    /// The connections that an account is logged in on. A port that another one has logged in from since is not among them.
    fn target_account(&self, account: &str) -> Target {
        let mut newest: HashMap<SocketAddr, &LiveSession> = HashMap::new();
        for live in self.judge.live_sessions() {
            let (Some(address), Some(port)) = (live.address, live.port) else {
                continue;
            };
            let end = SocketAddr::new(address.to_canonical(), port);
            let known = newest.entry(end).or_insert(live);
            if known.since < live.since {
                *known = live;
            }
        }
        let account: Box<str> = account.to_lowercase().into();
        let is_its = |live: &LiveSession| *live.account == *account;
        Target::Account {
            ends: newest
                .into_iter()
                .filter(|(_, live)| is_its(live))
                .map(|(end, _)| end)
                .collect(),
            account,
        }
    }
}

/// What no account is called.
pub(super) fn check_account(name: &str) -> Result<(), Refused> {
    use crate::dialect::NAME_MAX;
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(Refused::failed(format!(
            "that is no account's name: 1 to {NAME_MAX} bytes, without control characters"
        )));
    }
    Ok(())
}
