//! Whether a source is banned.

use mailwall_common::{KernelInstant, Presence};

use crate::segment::Source;

/// What the agent told the filter. In the kernel these are maps.
pub trait Tables {
    /// Where the drops of a ban are counted.
    type Counter: Copy;

    /// Whether connections to `port` are guarded.
    fn guards(&self, port: u16) -> bool;
    /// Whether bans are enforced, and not only observed.
    fn enforces(&self) -> bool;
    /// Whether looking for the source's address costs less than asking whether there can be any.
    fn has_few_addresses(&self, source: Source) -> bool;
    /// Which of the two below can find anything. They find nothing where this says so.
    fn presence(&self, source: Source) -> Presence;
    /// The ban of the source's address (IPv6: of its /64), over or not.
    fn address_ban(&self, source: Source) -> Option<Found<Self::Counter>>;
    /// The ban of the narrowest banned network that the source is in, over or not.
    fn network_ban(&self, source: Source) -> Option<Found<Self::Counter>>;
    /// Whether the source is allowlisted.
    fn allows(&self, source: Source) -> bool;
    /// The time that ends are compared with.
    fn now(&self) -> KernelInstant;
    /// Counts one more drop for a ban.
    fn count_drop(&self, counter: Self::Counter);
}

/// A ban, over or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found<C> {
    /// When it is over.
    pub end: KernelInstant,
    /// Whether the allowlist may hold the source.
    pub may_be_allowed: bool,
    /// Where its drops are counted.
    pub counter: C,
}

/// How the bans see a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing<C> {
    /// There is no ban of it.
    Clean,
    /// There is a ban in force, but the source is allowlisted.
    Allowed,
    /// There was a ban, which is over.
    Expired,
    /// Its address is banned.
    BannedAddress(C),
    /// A network it is in is banned.
    BannedNetwork(C),
}

/// How the bans see `source`: its address before the networks it is in. Most clean sources cost the look at where bans can be,
/// or, where few addresses are banned, at those; clock and allowlist are only asked when there is a ban.
#[inline(always)]
pub fn standing<T: Tables>(tables: &T, source: Source) -> Standing<T::Counter> {
    let few = tables.has_few_addresses(source);
    let mut presence = Presence::default();
    if !few {
        presence = tables.presence(source);
    }
    let mut expired = false;
    if (few || presence.address)
        && let Some(ban) = tables.address_ban(source)
    {
        if !ban.end.is_over_at(tables.now()) {
            return banned(tables, source, ban, Standing::BannedAddress(ban.counter));
        }
        expired = true;
    }
    if few {
        presence = tables.presence(source);
    }
    if presence.network
        && let Some(ban) = tables.network_ban(source)
    {
        if !ban.end.is_over_at(tables.now()) {
            return banned(tables, source, ban, Standing::BannedNetwork(ban.counter));
        }
        expired = true;
    }
    if expired {
        Standing::Expired
    } else {
        Standing::Clean
    }
}

#[inline(always)]
fn banned<T: Tables>(
    tables: &T,
    source: Source,
    ban: Found<T::Counter>,
    standing: Standing<T::Counter>,
) -> Standing<T::Counter> {
    if ban.may_be_allowed && tables.allows(source) {
        Standing::Allowed
    } else {
        standing
    }
}

#[cfg(test)]
mod tests;
