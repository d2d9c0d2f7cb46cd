//! The allowlist, and what was done to it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// The allowlist.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AllowList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its entries.
    pub allowed: Vec<AllowView>,
}

/// An entry of the allowlist.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AllowView {
    /// Whom.
    pub net: IpNet,
    /// `built-in`, `own`, `config` or `manual`.
    pub origin: String,
    /// Why.
    pub reason: String,
}

/// What was allowed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AllowAdded {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Entries that are new.
    pub added: Vec<IpNet>,
    /// Entries that were there.
    pub known: Vec<IpNet>,
    /// Bans that ended because of it.
    pub unbanned: Vec<IpNet>,
}

/// What is allowed no longer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AllowRemoved {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Entries removed.
    pub removed: Vec<IpNet>,
    /// Nets that had no manual entry.
    pub unknown: Vec<IpNet>,
}
