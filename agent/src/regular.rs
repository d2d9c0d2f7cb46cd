//! A host that was seen doing well: mail of it was accepted, somebody logged in from it. Plain data.

use std::time::SystemTime;

use ipnet::IpNet;

/// Most hosts, and networks of such hosts, that are remembered for what they did well; the one longest without it is forgotten.
pub const REGULARS_MAX: usize = 1 << 17;
/// For how many days what was done well is remembered, the present one left out.
pub const DAYS_REMEMBERED: u32 = 30;

/// What a host did well, day by day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Regular {
    /// The host, or the network around it.
    pub net: IpNet,
    /// When it did something well last, to the day.
    pub last: SystemTime,
    /// Days on which mail of it was accepted: bit n stands for n days before [`Regular::last`].
    pub mail: u32,
    /// Days on which somebody logged in from it, likewise.
    pub logins: u32,
}

/// What makes a host a regular, and what that is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpareSettings {
    /// On how many of the last [`DAYS_REMEMBERED`] days, today left out, it did something well; 0: nobody is a regular.
    pub days: u8,
    /// How many times it may reach limits of rules within a day before it is banned.
    pub patience: u32,
}

impl Default for SpareSettings {
    fn default() -> Self {
        Self {
            days: 2,
            patience: 10,
        }
    }
}
