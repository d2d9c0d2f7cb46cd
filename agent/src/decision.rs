//! What the judge wants done. Plain data.

use ipnet::IpNet;

use crate::ban::Ban;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Put this ban in force, in place of any earlier one of the same net.
    Ban(Ban),
    /// End the ban of `net`.
    Unban {
        /// Exactly the net of a ban in force.
        net: IpNet,
        /// Why it ends.
        pardon: Pardon,
    },
}

/// Why a ban ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pardon {
    /// Its time is over.
    Expired,
    /// An operator removed it.
    Removed,
    /// The net was put on the allowlist.
    Allowed,
    /// The filter had no room for a new ban: the one that was to end next gave way.
    Displaced,
}

impl Pardon {
    /// Kebab-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Allowed => "allowed",
            Self::Displaced => "displaced",
        }
    }
}
