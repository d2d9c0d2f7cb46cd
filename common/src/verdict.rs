//! What the kernel did with a packet, and why.

/// What the kernel did with a packet, and why: the index of its counter.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u32)]
pub enum Verdict {
    /// Passed: neither IPv4 nor IPv6.
    NotIp = 0,
    /// Passed: not TCP, or an IPv6 extension header that hides what it is.
    NotTcp = 1,
    /// Passed: more VLAN tags than are looked through.
    DeepVlan = 2,
    /// Passed: a header that is cut short or contradicts itself.
    Malformed = 3,
    /// Passed: a fragment that is not the first.
    LaterFragment = 4,
    /// Passed: a first fragment too short to show the TCP flags, from a source that is not banned.
    TinyFragment = 5,
    /// Passed: TCP to a port that is not guarded.
    UnguardedPort = 6,
    /// Passed: to a guarded port, but not a connection's first segment.
    NotSyn = 7,
    /// Passed: a SYN to a guarded port from a source with no ban.
    Clean = 8,
    /// Passed: a SYN to a guarded port whose source is banned, but allowlisted.
    Allowed = 9,
    /// Passed: a SYN to a guarded port whose source's ban is over.
    Expired = 10,
    /// Dropped: a SYN to a guarded port from a banned address (IPv4 /32, IPv6 /64).
    BannedAddress = 11,
    /// Dropped: a SYN to a guarded port from a banned network.
    BannedNetwork = 12,
    /// Dropped: a first fragment too short to show the TCP flags, from a banned source.
    BannedFragment = 13,
    /// Passed in observe mode: would have been `BannedAddress`.
    ObservedAddress = 14,
    /// Passed in observe mode: would have been `BannedNetwork`.
    ObservedNetwork = 15,
    /// Passed in observe mode: would have been `BannedFragment`.
    ObservedFragment = 16,
    /// Dropped: a SYN to a guarded port from a source that opens connections faster than its limit allows.
    OverRate = 17,
    /// Dropped: a SYN to a guarded port from a source that has as many open connections as its limit allows.
    OverConcurrent = 18,
    /// Passed in observe mode: would have been `OverRate`.
    ObservedRate = 19,
    /// Passed in observe mode: would have been `OverConcurrent`.
    ObservedConcurrent = 20,
}

/// Which protocol a packet was counted under.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u32)]
pub enum Family {
    /// Neither IPv4 nor IPv6, or not known.
    Other = 0,
    /// IPv4.
    V4 = 1,
    /// IPv6.
    V6 = 2,
}

const FAMILIES: u32 = 3;

impl Family {
    /// Every family, in the order of their numbers.
    pub const ALL: [Self; FAMILIES as usize] = [Self::Other, Self::V4, Self::V6];
}

/// Entries of the `TOTALS` map: one for each verdict and family.
pub const TOTALS_LEN: u32 = Verdict::ALL.len() as u32 * FAMILIES;

impl Verdict {
    /// Every verdict, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::NotIp,
        Self::NotTcp,
        Self::DeepVlan,
        Self::Malformed,
        Self::LaterFragment,
        Self::TinyFragment,
        Self::UnguardedPort,
        Self::NotSyn,
        Self::Clean,
        Self::Allowed,
        Self::Expired,
        Self::BannedAddress,
        Self::BannedNetwork,
        Self::BannedFragment,
        Self::ObservedAddress,
        Self::ObservedNetwork,
        Self::ObservedFragment,
        Self::OverRate,
        Self::OverConcurrent,
        Self::ObservedRate,
        Self::ObservedConcurrent,
    ];

    /// Index of the counter of this verdict for packets of `family` in the `TOTALS` map.
    pub const fn total_index(self, family: Family) -> u32 {
        self as u32 * FAMILIES + family as u32
    }

    /// Whether a packet of this verdict goes no further.
    pub const fn is_drop(self) -> bool {
        matches!(
            self,
            Self::BannedAddress
                | Self::BannedNetwork
                | Self::BannedFragment
                | Self::OverRate
                | Self::OverConcurrent
        )
    }

    /// Whether packets of this verdict are told of by the programs that trace: SYNs to guarded ports, and what was dropped.
    pub const fn is_traced(self) -> bool {
        !matches!(
            self,
            Self::NotIp
                | Self::NotTcp
                | Self::DeepVlan
                | Self::Malformed
                | Self::LaterFragment
                | Self::TinyFragment
                | Self::UnguardedPort
                | Self::NotSyn
        )
    }

    /// What this verdict is in observe mode.
    pub const fn observed(self) -> Self {
        match self {
            Self::BannedAddress => Self::ObservedAddress,
            Self::BannedNetwork => Self::ObservedNetwork,
            Self::BannedFragment => Self::ObservedFragment,
            Self::OverRate => Self::ObservedRate,
            Self::OverConcurrent => Self::ObservedConcurrent,
            other => other,
        }
    }

    /// Kebab-case name, as output and metrics show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotIp => "not-ip",
            Self::NotTcp => "not-tcp",
            Self::DeepVlan => "deep-vlan",
            Self::Malformed => "malformed",
            Self::LaterFragment => "later-fragment",
            Self::TinyFragment => "tiny-fragment",
            Self::UnguardedPort => "unguarded-port",
            Self::NotSyn => "not-syn",
            Self::Clean => "clean",
            Self::Allowed => "allowed",
            Self::Expired => "expired",
            Self::BannedAddress => "banned-address",
            Self::BannedNetwork => "banned-network",
            Self::BannedFragment => "banned-fragment",
            Self::ObservedAddress => "observed-address",
            Self::ObservedNetwork => "observed-network",
            Self::ObservedFragment => "observed-fragment",
            Self::OverRate => "over-rate",
            Self::OverConcurrent => "over-concurrent",
            Self::ObservedRate => "observed-rate",
            Self::ObservedConcurrent => "observed-concurrent",
        }
    }
}

// The numbers are the order of ALL, so that a counter's index says what it counts.
const _: () = {
    let mut i = 0;
    while i < Verdict::ALL.len() {
        assert!(Verdict::ALL[i] as usize == i);
        i += 1;
    }
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_verdict_and_family_has_a_counter_of_its_own() {
        let indices: BTreeSet<u32> = Verdict::ALL
            .into_iter()
            .flat_map(|verdict| Family::ALL.map(|family| verdict.total_index(family)))
            .collect();
        assert!(indices.into_iter().eq(0..TOTALS_LEN));
    }

    #[test]
    fn names_are_kebab_case_and_differ() {
        let names: BTreeSet<&str> = Verdict::ALL.into_iter().map(Verdict::as_str).collect();
        assert_eq!(names.len(), Verdict::ALL.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_dropped_or_would_be_is_traced() {
        for verdict in Verdict::ALL {
            assert!(verdict.is_traced() || !verdict.is_drop());
            assert_eq!(verdict.is_traced(), verdict.observed().is_traced());
        }
    }

    #[test]
    fn what_is_observed_is_not_dropped() {
        for verdict in Verdict::ALL {
            assert!(!verdict.observed().is_drop());
            assert_eq!(verdict.is_drop(), verdict.observed() != verdict);
        }
    }
}
