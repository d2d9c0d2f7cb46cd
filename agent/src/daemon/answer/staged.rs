//! Many bans together: kept aside until they are committed.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;

use super::{super::Daemon, failed, refusal_hint};
use crate::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::{Ban, End, ListName, Origin, REASON_MAX},
    control::protocol::{BansSet, Commit, NETS_MAX, Refused, SCHEMA, Skipped, Staged, StagedBan},
    exchange::is_wide,
    host,
    judge::Refusal,
    line,
};

/// Stages at once: an operator has one.
const STAGES_MAX: usize = 4;
/// A stage that nothing was done with for so long is forgotten.
const STAGE_AGE_MAX: Duration = Duration::from_secs(120);
/// Lists at once.
const LISTS_MAX: usize = 256;
/// Nets that are not banned and are named in the answer.
const SKIPPED_MAX: usize = 100;

/// What is staged: at most [`NETS_MAX`] bans in all.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Stages {
    last: u64,
    by_number: BTreeMap<u64, Stage>,
}

#[derive(Debug)]
struct Stage {
    touched: SystemTime,
    bans: Vec<Ban>,
}

impl Stages {
    /// Forgets what was left behind.
    pub(in crate::daemon) fn forget(&mut self, now: SystemTime) {
        self.by_number.retain(|_, stage| {
            let age = now.duration_since(stage.touched).unwrap_or_default();
            age < STAGE_AGE_MAX
        });
    }

    fn bans(&self) -> usize {
        self.by_number.values().map(|stage| stage.bans.len()).sum()
    }
}

impl Daemon {
    pub(super) fn stage(
        &mut self,
        stage: Option<u64>,
        bans: Vec<StagedBan>,
    ) -> Result<Staged, Refused> {
        let now = self.clock.now();
        self.stages.forget(now);
        if self.stages.bans() + bans.len() > NETS_MAX {
            return Err(failed(format!("more than {NETS_MAX} bans are staged")));
        }
        let bans = bans.into_iter().map(|ban| self.staged(ban, now));
        let bans = bans.collect::<Result<Vec<Ban>, Refused>>()?;
        let number = match stage {
            Some(number) => number,
            None if self.stages.by_number.len() >= STAGES_MAX => {
                return Err(failed(format!("{STAGES_MAX} other lists are being sent")));
            }
            None => {
                self.stages.last += 1;
                let bans = Vec::new();
                let touched = now;
                let stages = &mut self.stages.by_number;
                stages.insert(self.stages.last, Stage { touched, bans });
                self.stages.last
            }
        };
        let Some(stage) = self.stages.by_number.get_mut(&number) else {
            return Err(gone());
        };
        stage.touched = now;
        stage.bans.extend(bans);
        Ok(Staged {
            schema: SCHEMA,
            stage: number,
            bans: stage.bans.len(),
        })
    }

    /// A ban as it was sent.
    fn staged(&self, ban: StagedBan, now: SystemTime) -> Result<Ban, Refused> {
        let time = |text: &str| {
            let at = text.parse::<Timestamp>();
            at.map(SystemTime::from)
                .map_err(|_| failed(format!("{} is no time", line::escaped(text.as_bytes(), 64))))
        };
        let since = match &ban.since {
            Some(text) => now - self.clock.age(time(text)?),
            None => now,
        };
        let end = match &ban.ends {
            Some(text) => End::At(self.clock.end_of_wall(time(text)?)),
            None => End::Never,
        };
        let origin = Origin::named(&ban.rule).ok_or_else(|| {
            let name = line::escaped(ban.rule.as_bytes(), 64);
            failed(format!("{name} is neither a rule nor a list"))
        })?;
        Ok(Ban {
            offences: ban.offences,
            level: ban.level,
            reason: line::escaped(ban.reason.as_bytes(), REASON_MAX - '…'.len_utf8()),
            ..Ban::new(ban.net, origin, since, end)
        })
    }

    pub(super) fn commit_stage(&mut self, commit: Commit) -> Result<BansSet, Refused> {
        let now = self.clock.now();
        let bans = match commit.dry_run {
            true => {
                let stage = self.stages.by_number.get_mut(&commit.stage);
                let stage = stage.ok_or_else(gone)?;
                stage.touched = now;
                stage.bans.clone()
            }
            false => {
                let stage = self.stages.by_number.remove(&commit.stage);
                stage.ok_or_else(gone)?.bans
            }
        };
        let replaced = match &commit.replace {
            Some(name) => Some(ListName::new(name).ok_or_else(|| not_a_list(name))?),
            None => None,
        };
        self.check_lists(&bans)?;
        let mut set = BansSet {
            schema: SCHEMA,
            dry_run: commit.dry_run,
            ..BansSet::default()
        };
        let bans = wanted(bans, &commit, &mut set)?;
        let listing = self.judge.list(bans, replaced.as_ref(), now);
        let listing = listing.map_err(|(net, refusal)| Refused {
            hint: refusal_hint(&refusal),
            ..failed(format!(
                "{net} cannot be banned: {refusal}; nothing was changed"
            ))
        })?;
        for (net, entry) in &listing.allowed {
            set.skip(*net, Refusal::Allowed(entry.clone()).to_string());
        }
        set.added = listing.added;
        set.renewed = listing.renewed;
        set.kept = listing.kept;
        set.held = listing.held;
        set.over = listing.over;
        set.removed = listing.removed();
        if commit.dry_run {
            let manual = &self.health.manual_allowed;
            let is_new = |net: &&ipnet::IpNet| !manual.iter().any(|entry| entry.net == **net);
            set.allowed = commit.allow.iter().filter(is_new).count();
            return Ok(set);
        }
        // Before the bans: what is allowed inside them is let through from the first packet on. Bans that end because of it
        // are none of those that follow.
        if !commit.allow.is_empty() {
            let allowed = self.allow(&commit.allow, &commit.allow_reason)?;
            set.allowed = allowed.added.len();
        }
        self.judge.put_list(listing);
        self.carry_out_decisions();
        Ok(set)
    }

    fn check_lists(&self, bans: &[Ban]) -> Result<(), Refused> {
        let known = self.judge.bans().lists();
        let mut new: Vec<&ListName> = Vec::new();
        for list in bans.iter().filter_map(|ban| ban.origin.list()) {
            if !known.contains_key(list) && !new.contains(&list) {
                new.push(list);
                if known.len() + new.len() > LISTS_MAX {
                    return Err(failed(format!("more than {LISTS_MAX} lists")));
                }
            }
        }
        Ok(())
    }
}

/// What of a stage may be banned, as far as that needs no judge.
fn wanted(bans: Vec<Ban>, commit: &Commit, set: &mut BansSet) -> Result<Vec<Ban>, Refused> {
    let mut peers: Vec<IpAddr> = host::ssh_peers();
    peers.extend(commit.caller);
    let allow = commit.allow.iter().map(|net| AllowEntry {
        net: *net,
        origin: AllowOrigin::Manual,
        reason: commit.allow_reason.clone(),
    });
    let allow = Allowlist::new(allow);
    let mut kept = Vec::with_capacity(bans.len());
    let mut refused: Option<(Refused, usize)> = None;
    let mut refuse = |refusal: Refused| match &mut refused {
        Some((_, count)) => *count += 1,
        None => refused = Some((refusal, 1)),
    };
    for ban in bans {
        let net = ban.net;
        let entry = allow.covering_net(net);
        if let Some(entry) = entry.filter(|entry| entry.origin == AllowOrigin::Manual) {
            set.skip(net, Refusal::Allowed(entry.clone()).to_string());
        } else if let Some(peer) = peers.iter().find(|peer| net.contains(*peer)) {
            let text = format!("{net} holds {peer}, where an SSH session to this host comes from");
            match commit.partial {
                true => set.skip(net, text),
                false => refuse(Refused {
                    hint: Some(format!(
                        "mailwall allow add {peer}, if it is not to be shut out"
                    )),
                    ..failed(text)
                }),
            }
        } else if is_wide(&net) && !commit.wide {
            let text = format!("{net} is wider than /16 (IPv4) or /32 (IPv6)");
            match commit.partial {
                true => set.skip(net, text),
                false => refuse(Refused {
                    hint: Some("--yes, if that is meant".to_owned()),
                    ..failed(text)
                }),
            }
        } else {
            kept.push(ban);
        }
    }
    match refused {
        None => Ok(kept),
        Some((refusal, 1)) => Err(refusal),
        Some((refusal, count)) => Err(Refused {
            error: format!("{}, and {} more like it", refusal.error, count - 1),
            ..refusal
        }),
    }
}

impl BansSet {
    fn skip(&mut self, net: ipnet::IpNet, reason: String) {
        self.skipped_total += 1;
        if self.skipped.len() < SKIPPED_MAX {
            self.skipped.push(Skipped { net, reason });
        }
    }
}

fn gone() -> Refused {
    Refused {
        hint: Some("try again".to_owned()),
        ..failed("what was sent is forgotten: it took too long".to_owned())
    }
}

fn not_a_list(name: &str) -> Refused {
    Refused {
        hint: Some("lower-case letters, digits and hyphens, 1 to 32 of them".to_owned()),
        ..failed(format!(
            "{} is no name of a list",
            line::escaped(name.as_bytes(), 64)
        ))
    }
}
