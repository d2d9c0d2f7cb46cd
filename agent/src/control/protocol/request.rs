//! What the command line asks.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{AccountSort, Commit, KickWhom, NETS_MAX, Refused, ReportBy, StagedBan};
#[cfg(doc)]
use super::{
    AllowAdded, AllowList, AllowRemoved, BanAdded, BanCheck, BanList, BanRemoved, Counters,
    EventLog, HostList, LoggedEvent, NotifyList, NotifyTested, Reloaded, RuleList, SourceList,
    Status,
};

/// What the command line asks of the agent. One a connection, one line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// [`Status`].
    Status,
    /// [`BanList`].
    BanList {
        /// Order of the list.
        sort: BanSort,
        /// At most this many; 0 for all.
        limit: usize,
        /// Only these.
        #[serde(default, skip_serializing_if = "BanFilter::is_empty")]
        only: BanFilter,
        /// Also what the days before know of them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        past: bool,
    },
    /// [`BanAdded`]. All or nothing: one refused net refuses the request.
    BanAdd {
        /// Whom.
        nets: Vec<IpNet>,
        /// For how long; `None` for until it is removed.
        for_s: Option<u64>,
        /// Why.
        reason: String,
        /// Address that the caller's terminal session comes from, which must not be shut out.
        caller: Option<IpAddr>,
        /// The operator knows that these nets are wide (wider than IPv4 /16, IPv6 /32).
        wide: bool,
    },
    /// [`Staged`](super::Staged). Puts bans aside, so that many requests can hold what one commit puts in force.
    BanStage {
        /// Where to; `None` for a new stage.
        stage: Option<u64>,
        /// What is put there beside what there is.
        bans: Vec<StagedBan>,
    },
    /// [`BansSet`](super::BansSet). Puts in force what is staged, all or nothing; the stage is gone afterwards.
    BanCommit(Commit),
    /// [`BanRemoved`]. Nets without a ban are named in the answer.
    BanRemove {
        /// Exactly as listed.
        nets: Vec<IpNet>,
    },
    /// [`BanCheck`].
    BanCheck {
        /// Whom.
        address: IpAddr,
    },
    /// [`AllowList`].
    AllowList,
    /// [`AllowAdded`].
    AllowAdd {
        /// Whom.
        nets: Vec<IpNet>,
        /// Why.
        reason: String,
    },
    /// [`AllowRemoved`].
    AllowRemove {
        /// Exactly as listed.
        nets: Vec<IpNet>,
    },
    /// [`RuleList`].
    RuleList,
    /// [`SourceList`].
    SourceList,
    /// [`EventLog`], or, with `follow`, one [`LoggedEvent`] a line until the caller goes.
    Events {
        /// Go on with what comes.
        follow: bool,
        /// At most this many of the past; 0 for all that are kept, or, with `follow`, for none.
        limit: usize,
    },
    /// [`Report`](super::Report).
    Report {
        /// How far back, in seconds.
        since_s: u64,
        /// At most this many offenders of each sort; 0 for all.
        limit: usize,
        /// Sorts of offenders.
        by: Vec<ReportBy>,
    },
    /// [`NotifyList`].
    NotifyList,
    /// [`NotifyTested`], when it is known how it went.
    NotifyTest {
        /// Which notifier; `None` for all.
        name: Option<String>,
    },
    /// [`AccountList`](super::AccountList).
    AccountList {
        /// Order of the list.
        sort: AccountSort,
        /// At most this many; 0 for all.
        limit: usize,
    },
    /// [`AccountShown`](super::AccountShown).
    AccountShow {
        /// Which one.
        account: String,
    },
    /// [`AccountDone`](super::AccountDone).
    AccountHold {
        /// Which one.
        account: String,
        /// For how long; `None` for until it is released.
        for_s: Option<u64>,
        /// Why.
        reason: String,
    },
    /// [`AccountDone`](super::AccountDone).
    AccountRelease {
        /// Which one.
        account: String,
    },
    /// [`KickDone`](super::KickDone), when it is done.
    Kick {
        /// Whose connections end.
        whom: KickWhom,
    },
    /// [`BreakerShown`](super::BreakerShown).
    BreakerShow,
    /// [`BreakerResumed`](super::BreakerResumed).
    BreakerResume,
    /// [`HostList`].
    HostList {
        /// At most this many; 0 for as many as are shown at all.
        limit: usize,
    },
    /// [`Counters`].
    Counters,
    /// [`Reloaded`].
    Reload,
}

/// Bans that an answer may hold without being large.
const SHORT_LIST: usize = 1000;

impl Request {
    /// Whether the answer may take much memory: what lists all bans.
    pub(crate) fn has_large_answer(&self) -> bool {
        match self {
            Self::BanList { limit, .. } => *limit == 0 || *limit > SHORT_LIST,
            _ => false,
        }
    }

    /// What no agent can carry out: networks that are none, and too many of them.
    ///
    /// # Errors
    ///
    /// With the refusal, when there is such a thing in it.
    pub fn check(&self) -> Result<(), Refused> {
        let nets = match self {
            Self::BanStage { bans, .. } => return StagedBan::check(bans),
            Self::BanCommit(commit) if !commit.allow.is_empty() => &commit.allow,
            Self::BanAdd { nets, .. }
            | Self::BanRemove { nets }
            | Self::AllowAdd { nets, .. }
            | Self::AllowRemove { nets } => nets,
            Self::Status
            | Self::BanList { .. }
            | Self::BanCommit(_)
            | Self::BanCheck { .. }
            | Self::AllowList
            | Self::RuleList
            | Self::SourceList
            | Self::Events { .. }
            | Self::Report { .. }
            | Self::NotifyList
            | Self::NotifyTest { .. }
            | Self::BreakerShow
            | Self::BreakerResume
            | Self::HostList { .. }
            | Self::AccountList { .. }
            | Self::AccountShow { .. }
            | Self::AccountHold { .. }
            | Self::AccountRelease { .. }
            | Self::Kick { .. }
            | Self::Counters
            | Self::Reload => return Ok(()),
        };
        if nets.is_empty() {
            return Err(Refused::failed("no networks in the request".to_owned()));
        }
        if nets.len() > NETS_MAX {
            return Err(Refused::failed(format!(
                "{} networks in one request; at most {NETS_MAX}",
                nets.len()
            )));
        }
        match nets.iter().find(|net| **net != net.trunc()) {
            Some(net) => Err(Refused {
                hint: Some(format!("the network is {}", net.trunc())),
                ..Refused::failed(format!("{net} has host bits set"))
            }),
            None => Ok(()),
        }
    }
}

/// Which bans of all. Each that is said must hold.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct BanFilter {
    /// Those of this list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// Those of this rule, or `manual` or `kernel`, as the list names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Those that an offence at this service made due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Those within this net, and those around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net: Option<IpNet>,
    /// Those that were added within the last so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_s: Option<u64>,
}

impl BanFilter {
    /// Whether it lets all through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Order of a list of bans.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BanSort {
    /// Newest last.
    #[default]
    Added,
    /// The next to end first.
    Ends,
    /// The most dropped first.
    Drops,
}
