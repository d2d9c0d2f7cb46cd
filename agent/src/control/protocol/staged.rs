//! Many bans that are put in force together: staged in as many requests as they need, and committed in one.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{NETS_MAX, Refused};
#[cfg(doc)]
use super::{Request, SCHEMA};

/// A ban that is staged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StagedBan {
    /// Whom.
    pub net: IpNet,
    /// Who decided it: `manual`, `list:NAME`, or the name of a rule.
    pub rule: String,
    /// Since when; `None` for now.
    pub since: Option<String>,
    /// Until when; `None` for until it is removed.
    pub ends: Option<String>,
    /// Offences that led to it.
    pub offences: u32,
    /// Earlier bans that count towards its length.
    pub level: u8,
    /// Why.
    pub reason: String,
}

impl StagedBan {
    pub(super) fn check(bans: &[Self]) -> Result<(), Refused> {
        if bans.len() > NETS_MAX {
            return Err(Refused::failed(format!(
                "{} networks in one request; at most {NETS_MAX}",
                bans.len()
            )));
        }
        match bans.iter().find(|ban| ban.net != ban.net.trunc()) {
            Some(ban) => Err(Refused {
                hint: Some(format!("the network is {}", ban.net.trunc())),
                ..Refused::failed(format!("{} has host bits set", ban.net))
            }),
            None => Ok(()),
        }
    }
}

/// What is to become of what is staged.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Which stage.
    pub stage: u64,
    /// What this list has beside what is staged leaves it.
    pub replace: Option<String>,
    /// Whom to put on the allowlist with it.
    pub allow: Vec<IpNet>,
    /// Why these.
    pub allow_reason: String,
    /// Address that the caller's terminal session comes from, which must not be shut out.
    pub caller: Option<IpAddr>,
    /// The operator knows that some nets are wide (wider than IPv4 /16, IPv6 /32).
    pub wide: bool,
    /// What cannot be banned is passed over; else nothing is banned then.
    pub partial: bool,
    /// Only say what would be done. The stage stays.
    pub dry_run: bool,
}

/// What is staged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Staged {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Where; to be named in the requests that follow. It is forgotten when none follows for two minutes.
    pub stage: u64,
    /// How many bans it has.
    pub bans: usize,
}

/// What was put in force, or would be.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BansSet {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whether nothing was done, but only found out.
    pub dry_run: bool,
    /// Bans that are new.
    pub added: usize,
    /// Bans that were there and have a new end, or belong to the list now.
    pub renewed: usize,
    /// Bans that were there as they were staged.
    pub kept: usize,
    /// Nets that stay banned by somebody else: by hand, by another list, or by a rule for longer.
    pub held: usize,
    /// Bans that left the list.
    pub removed: usize,
    /// Bans that would have been over.
    pub over: usize,
    /// Nets that are new on the allowlist.
    pub allowed: usize,
    /// Nets that cannot be banned: the first of them.
    pub skipped: Vec<Skipped>,
    /// How many these are in all.
    pub skipped_total: usize,
}

/// A net that is not banned.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Skipped {
    /// Which.
    pub net: IpNet,
    /// Why not.
    pub reason: String,
}
