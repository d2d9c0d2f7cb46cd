//! How full the judge's tables are: whoever attacks with ever new addresses and names must not make them grow without bound.

use super::{
    EVIDENCE_BYTES_MAX, Judge, SPARED_MAX, accounts, endings, holds::HOLDS_MAX, near::NEAR_MAX,
    observed, patrons::PATRONS_MAX, retold, widening,
};
use crate::{
    bans,
    penalty::PAST_BANS_MAX,
    regular::REGULARS_MAX,
    rule::{
        GOOD_HOSTS_MAX, NETWORKS_BYTES_MAX, NETWORKS_TRACKED_MAX, TRACKED_BYTES_MAX, TRACKED_MAX,
    },
};

/// How full a table is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Table {
    /// What is in it.
    pub name: &'static str,
    /// Entries, or bytes.
    pub used: usize,
    /// Most of them.
    pub max: usize,
}

/// What one event may add to the bytes of what is tracked before the oldest gives way: the longest window.
const ONE_EVENT_BYTES: usize = 1 << 20;

impl Judge {
    /// Every table of it with its bound, for those who watch memory.
    pub fn tables(&self) -> Vec<Table> {
        let table = |name, used, max| Table { name, used, max };
        let (hosts, networks) = (&self.hosts, &self.networks);
        let clemency = &self.clemency;
        let (known, strangers) = self.accounts.len();
        let (sessions, addresses) = self.endings.len();
        let (near, reached) = self.near.len();
        let mut tables = vec![
            table("hosts", hosts.book.len(), TRACKED_MAX),
            table(
                "bytes of hosts",
                hosts.book.bytes(),
                TRACKED_BYTES_MAX + ONE_EVENT_BYTES,
            ),
            table("networks", networks.book.len(), NETWORKS_TRACKED_MAX),
            table(
                "bytes of networks",
                networks.book.bytes(),
                NETWORKS_BYTES_MAX + ONE_EVENT_BYTES,
            ),
            table("hosts with good events", hosts.goods.len(), GOOD_HOSTS_MAX),
            table(
                "networks with good events",
                networks.goods.len(),
                GOOD_HOSTS_MAX,
            ),
            table("bytes of evidence", self.pieces.bytes(), EVIDENCE_BYTES_MAX),
            table(
                "bytes of evidence of bans",
                self.bans.evidence_bytes(),
                bans::EVIDENCE_BYTES_MAX,
            ),
            table("past bans", self.history.len(), PAST_BANS_MAX),
            table(
                "neighbourhoods",
                self.neighbours.len(),
                widening::WATCHED_MAX,
            ),
            table("failures told", self.retold.len(), retold::HOSTS_MAX),
            table(
                "sessions with a failed login",
                sessions,
                endings::SESSIONS_MAX,
            ),
            table("failed accounts", addresses, endings::ADDRESSES_MAX),
            table("near misses", near, NEAR_MAX),
            table("limits reached", reached, NEAR_MAX),
            table("told on trial", self.quiet.len(), observed::QUIET_MAX),
            table("regulars", clemency.regulars.len(), REGULARS_MAX),
            table(
                "regulars to be stored",
                clemency.regulars.changed(),
                REGULARS_MAX + 1,
            ),
            table("patrons", clemency.patrons.len(), PATRONS_MAX),
            table("spared", clemency.spared.len(), SPARED_MAX),
            table("accounts", known, accounts::ACCOUNTS_MAX),
            table("strange names", strangers, accounts::STRANGERS_MAX),
            table(
                "live sessions",
                self.accounts.live_len(),
                accounts::LIVE_MAX,
            ),
            table("holds", self.accounts.holds.len(), HOLDS_MAX),
        ];
        let fill = self.bans.fill();
        tables.extend(fill.map(|(name, used, max)| table(name, used, max)));
        tables
    }
}
