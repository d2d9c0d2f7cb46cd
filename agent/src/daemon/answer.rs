//! Answers the control socket, which lets in only those who may change things. A request is carried out whole or refused
//! whole.

mod breaker;
mod staged;

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use tokio::task::spawn_blocking;

pub(super) use self::staged::Stages;
use super::{Daemon, kick};
use crate::{
    allowlist::{AllowEntry, AllowOrigin},
    ban::{End, REASON_MAX},
    control::{
        Call,
        protocol::{
            AllowAdded, AllowRemoved, Answer, BanAdded, BanRemoved, EventLog, RefusalKind, Refused,
            Request, SCHEMA,
        },
    },
    duration::{self, DURATION_MAX},
    host,
    judge::{Added, Refusal},
    line,
};

/// Wider IPv4 networks than this are banned only when the operator insists.
const WIDE_V4: u8 = 16;
/// Wider IPv6 networks than this are banned only when the operator insists.
const WIDE_V6: u8 = 32;
/// Allowlisted entries inside a banned net that a warning names.
const WARNED_ENTRIES: usize = 3;

/// A manual ban as it was asked for.
struct BanRequest {
    nets: Vec<IpNet>,
    for_s: Option<u64>,
    reason: String,
    caller: Option<IpAddr>,
    wide: bool,
}

impl Daemon {
    pub(super) fn handle_call(&mut self, call: Call) {
        let answer = match call.request {
            Request::Events {
                follow: true,
                limit,
            } => {
                self.log.tell(&self.clock);
                self.log.follow(call.reply, limit, &self.clock);
                return;
            }
            Request::Report { since_s, limit, by } => {
                let begun = self.begin_report(Duration::from_secs(since_s));
                let reply = call.reply;
                spawn_blocking(move || {
                    let report = begun.finish(&by, limit).map(Box::new);
                    let refused = |error| Answer::Refused(failed(format!("no report: {error}")));
                    reply.answer(report.map_or_else(refused, Answer::Report));
                });
                return;
            }
            Request::NotifyTest { name } => {
                return self.test_notifiers(name.as_deref(), call.reply);
            }
            Request::BanList {
                sort,
                limit,
                only,
                past,
            } => return self.list_bans((sort, limit, &only), past, call.reply),
            Request::BanCheck { address } => return self.check_ban(address, call.reply),
            Request::Kick { whom } => return self.kick_asked(whom, call.reply),
            request => self.answer(request),
        };
        call.reply.answer(answer.unwrap_or_else(Answer::Refused));
    }

    fn answer(&mut self, request: Request) -> Result<Answer, Refused> {
        Ok(match request {
            Request::Status => Answer::Status(Box::new(self.status())),
            Request::BanStage { stage, bans } => Answer::Staged(self.stage(stage, bans)?),
            Request::BanCommit(commit) => Answer::BansSet(self.commit_stage(commit)?),
            Request::BanAdd {
                nets,
                for_s,
                reason,
                caller,
                wide,
            } => {
                let request = BanRequest {
                    nets,
                    for_s,
                    reason,
                    caller,
                    wide,
                };
                Answer::BanAdded(self.add_bans(request)?)
            }
            Request::BanRemove { nets } => Answer::BanRemoved(self.remove_bans(nets)),
            Request::AllowList => Answer::AllowList(self.allow_list()),
            Request::AllowAdd { nets, reason } => Answer::AllowAdded(self.allow(&nets, &reason)?),
            Request::AllowRemove { nets } => Answer::AllowRemoved(self.disallow(nets)?),
            Request::RuleList => Answer::RuleList(self.rule_list()),
            Request::SourceList => Answer::SourceList(self.sources()),
            Request::Events { follow: _, limit } => Answer::Events(EventLog {
                schema: SCHEMA,
                events: self.log.newest(limit, &self.clock),
            }),
            Request::NotifyList => Answer::NotifyList(self.notify_list()),
            Request::AccountList { sort, limit } => {
                Answer::AccountList(self.account_list(sort, limit))
            }
            Request::AccountShow { account } => {
                Answer::AccountShown(Box::new(self.account_show(&account)?))
            }
            Request::AccountHold {
                account,
                for_s,
                reason,
            } => {
                kick::check_account(&account)?;
                Answer::AccountDone(self.hold_account(&account, for_s, &reason)?)
            }
            Request::AccountRelease { account } => {
                Answer::AccountDone(self.release_account(&account))
            }
            Request::BanList { .. }
            | Request::BanCheck { .. }
            | Request::Kick { .. }
            | Request::Report { .. }
            | Request::NotifyTest { .. } => {
                return Err(failed("not asked alone".to_owned()));
            }
            Request::BreakerShow => Answer::BreakerShown(self.show_breaker()),
            Request::BreakerResume => Answer::BreakerResumed(self.resume_bans()),
            Request::HostList { limit } => Answer::HostList(self.host_list(limit)),
            Request::Counters => Answer::Counters(self.counters().map_err(failed)?),
            Request::Reload => {
                let reloaded = self.reload().map_err(|err| Refused {
                    hint: Some("the config that was in force stays in force".to_owned()),
                    ..failed(err.to_string())
                })?;
                Answer::Reloaded(reloaded)
            }
        })
    }

    fn add_bans(&mut self, request: BanRequest) -> Result<BanAdded, Refused> {
        let ssh_peers = host::ssh_peers();
        for net in &request.nets {
            check_wanted(net, &request, &ssh_peers)?;
        }
        if let Some((net, refusal)) = self.judge.first_refusal(&request.nets) {
            return Err(Refused {
                hint: refusal_hint(&refusal),
                ..failed(format!("{net} cannot be banned: {refusal}"))
            });
        }
        let now = self.clock.now();
        let end = match request.for_s.map(Duration::from_secs) {
            None => End::Never,
            Some(length) if length <= DURATION_MAX => End::At(now + length),
            Some(_) => {
                return Err(failed(format!(
                    "a ban is at most {} long, or without an end",
                    duration::format(DURATION_MAX)
                )));
            }
        };
        let reason = line::escaped(request.reason.as_bytes(), REASON_MAX);
        let (mut added, mut renewed) = (0, 0);
        for net in &request.nets {
            match self.judge.add_ban(*net, end, reason.clone(), now) {
                Ok(Added::New) => added += 1,
                Ok(Added::Renewed) => renewed += 1,
                Err(refusal) => return Err(failed(format!("{net} cannot be banned: {refusal}"))),
            }
        }
        self.carry_out_decisions();
        let mut warnings = self.ban_warnings(&request.nets);
        warnings.extend(self.health.unsaved().map(|why| {
            format!("in force, but not saved: a restart of mailwall would lose it ({why})")
        }));
        Ok(BanAdded {
            schema: SCHEMA,
            added,
            renewed,
            ends: self.end_view(end),
            warnings,
        })
    }

    fn ban_warnings(&self, nets: &[IpNet]) -> Vec<String> {
        let allowlist = self.judge.allowlist();
        let warning = |net: &IpNet| {
            let inside: Vec<String> = allowlist
                .inside(*net)
                .take(WARNED_ENTRIES)
                .map(|entry| entry.net.to_string())
                .collect();
            let some = !inside.is_empty();
            some.then(|| {
                format!(
                    "{net} holds allowlisted {}, which stay allowed",
                    inside.join(", ")
                )
            })
        };
        nets.iter().filter_map(warning).collect()
    }

    fn remove_bans(&mut self, nets: Vec<IpNet>) -> BanRemoved {
        let (removed, unknown): (Vec<IpNet>, Vec<IpNet>) =
            nets.into_iter().partition(|net| self.judge.remove_ban(net));
        self.carry_out_decisions();
        let bans = self.judge.bans();
        let mut still_covered: Vec<IpNet> = removed
            .iter()
            .flat_map(|net| bans.around(*net))
            .map(|ban| ban.net)
            .collect();
        still_covered.sort();
        still_covered.dedup();
        BanRemoved {
            schema: SCHEMA,
            removed,
            unknown,
            still_covered,
        }
    }

    fn allow(&mut self, nets: &[IpNet], reason: &str) -> Result<AllowAdded, Refused> {
        let manual = &self.health.manual_allowed;
        let (known, added): (Vec<IpNet>, Vec<IpNet>) = nets
            .iter()
            .partition(|net| manual.iter().any(|entry| entry.net == **net));
        let reason = line::escaped(reason.as_bytes(), REASON_MAX);
        let entries: Vec<AllowEntry> = added
            .iter()
            .map(|net| AllowEntry {
                net: *net,
                origin: AllowOrigin::Manual,
                reason: reason.clone(),
            })
            .collect();
        self.store
            .allow(&entries)
            .map_err(|err| failed(format!("not saved: {err}")))?;
        self.health.manual_allowed.extend(entries);
        let before: Vec<IpNet> = self.judge.bans().iter().map(|ban| ban.net).collect();
        self.renew_allowlist();
        let bans = self.judge.bans();
        let unbanned = before
            .into_iter()
            .filter(|net| bans.get(net).is_none())
            .collect();
        Ok(AllowAdded {
            schema: SCHEMA,
            added,
            known,
            unbanned,
        })
    }

    fn disallow(&mut self, nets: Vec<IpNet>) -> Result<AllowRemoved, Refused> {
        let manual = &self.health.manual_allowed;
        let (removed, unknown): (Vec<IpNet>, Vec<IpNet>) = nets
            .into_iter()
            .partition(|net| manual.iter().any(|entry| entry.net == *net));
        self.store
            .disallow(&removed)
            .map_err(|err| failed(format!("not saved: {err}")))?;
        self.health
            .manual_allowed
            .retain(|entry| !removed.contains(&entry.net));
        self.renew_allowlist();
        Ok(AllowRemoved {
            schema: SCHEMA,
            removed,
            unknown,
        })
    }
}

/// Refuses what an operator hardly means.
fn check_wanted(net: &IpNet, request: &BanRequest, ssh_peers: &[IpAddr]) -> Result<(), Refused> {
    let peer = request
        .caller
        .iter()
        .chain(ssh_peers)
        .find(|peer| net.contains(*peer));
    if let Some(peer) = peer {
        return Err(Refused {
            hint: Some(format!(
                "mailwall allow add {peer}, if it is not to be shut out"
            )),
            ..failed(format!(
                "{net} holds {peer}, where an SSH session to this host comes from"
            ))
        });
    }
    let is_wide = match net {
        IpNet::V4(net) => net.prefix_len() < WIDE_V4,
        IpNet::V6(net) => net.prefix_len() < WIDE_V6,
    };
    if is_wide && !request.wide {
        return Err(Refused {
            hint: Some("--yes, if that is meant".to_owned()),
            ..failed(format!(
                "{net} is wider than /{WIDE_V4} (IPv4) or /{WIDE_V6} (IPv6)"
            ))
        });
    }
    Ok(())
}

fn refusal_hint(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Full => Some("remove bans, or ban networks in place of addresses".to_owned()),
        Refusal::Allowed(entry) => match entry.origin {
            AllowOrigin::Manual => Some(format!("mailwall allow remove {}", entry.net)),
            AllowOrigin::Config => Some(format!(
                "take {} out of [allow] networks, and reload",
                entry.net
            )),
            AllowOrigin::BuiltIn | AllowOrigin::Own => None,
        },
    }
}

fn failed(error: String) -> Refused {
    Refused {
        kind: RefusalKind::Failed,
        error,
        hint: None,
    }
}
