//! Whether a source is banned.

use mailwall_common::{BanSlot, KernelInstant};

use crate::segment::Source;

/// What the agent told the filter. In the kernel these are maps.
pub trait Tables {
    /// Whether connections to `port` are guarded.
    fn guards(&self, port: u16) -> bool;
    /// Whether bans are enforced, and not only observed.
    fn enforces(&self) -> bool;
    /// The ban of the source's address (IPv6: of its /64), over or not.
    fn address_ban(&self, source: Source) -> Option<BanSlot>;
    /// The ban of the narrowest banned network that the source is in, over or not.
    fn network_ban(&self, source: Source) -> Option<BanSlot>;
    /// Whether the source is allowlisted.
    fn allows(&self, source: Source) -> bool;
    /// When a ban ends; nothing if there is no record of it.
    fn end(&self, slot: BanSlot) -> Option<KernelInstant>;
    /// The time that ends are compared with.
    fn now(&self) -> KernelInstant;
    /// Counts one more drop for a ban.
    fn count_drop(&self, slot: BanSlot);
}

/// How the bans see a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// There is no ban of it.
    Clean,
    /// There is a ban, but the source is allowlisted.
    Allowed,
    /// There was a ban, which is over.
    Expired,
    /// Its address is banned.
    BannedAddress(BanSlot),
    /// A network it is in is banned.
    BannedNetwork(BanSlot),
}

/// How the bans see `source`: its address before the networks it is in. Allowlist, clock and records are only asked when
/// there is a ban, so that a clean source costs two lookups.
#[inline(always)]
pub fn standing<T: Tables>(tables: &T, source: Source) -> Standing {
    let address = tables.address_ban(source);
    let mut network = match address {
        Some(_) => None,
        None => tables.network_ban(source),
    };
    if address.is_none() && network.is_none() {
        return Standing::Clean;
    }
    if tables.allows(source) {
        return Standing::Allowed;
    }
    let now = tables.now();
    if let Some(slot) = address {
        if is_in_force(tables, slot, now) {
            return Standing::BannedAddress(slot);
        }
        network = tables.network_ban(source);
    }
    match network {
        Some(slot) if is_in_force(tables, slot, now) => Standing::BannedNetwork(slot),
        _ => Standing::Expired,
    }
}

#[inline(always)]
fn is_in_force<T: Tables>(tables: &T, slot: BanSlot, now: KernelInstant) -> bool {
    match tables.end(slot) {
        Some(end) => !end.is_over_at(now),
        None => false,
    }
}

#[cfg(test)]
mod tests;
