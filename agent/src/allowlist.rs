//! The allowlist: addresses that no rule and no operator's ban touches. It is asked before any rule, and the filter asks its
//! own copy again.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

/// Addresses that cannot be a mail client from the Internet, or that nobody may be shut out by. Each with its reason.
///
/// The shared address space of carriers (RFC 6598) is among them: it is not routed on the Internet, so that what comes from it
/// is the host's own provider or an overlay network (Tailscale numbers its hosts from it), not an attacker. Documentation
/// networks are not: tests and demonstrations ban them.
const BUILT_IN: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this host on this network (RFC 1122)"),
    ("10.0.0.0/8", "private network (RFC 1918)"),
    (
        "100.64.0.0/10",
        "shared address space of carriers (RFC 6598)",
    ),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local (RFC 3927)"),
    ("172.16.0.0/12", "private network (RFC 1918)"),
    ("192.168.0.0/16", "private network (RFC 1918)"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified address"),
    ("::1/128", "loopback"),
    (
        "::ffff:0.0.0.0/96",
        "IPv4 written as IPv6: name the IPv4 address",
    ),
    ("fc00::/7", "unique local addresses (RFC 4193)"),
    ("fe80::/10", "link-local (RFC 4291)"),
    ("ff00::/8", "multicast"),
];

/// Who put an entry on the allowlist.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AllowOrigin {
    /// It is always there.
    BuiltIn,
    /// An address of this host.
    Own,
    /// The config.
    Config,
    /// An operator, at run time.
    Manual,
}

impl AllowOrigin {
    /// Kebab-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Own => "own",
            Self::Config => "config",
            Self::Manual => "manual",
        }
    }
}

/// A net that is never banned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowEntry {
    /// Whom.
    pub net: IpNet,
    /// Who says so.
    pub origin: AllowOrigin,
    /// Why, for people.
    pub reason: String,
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.net, self.origin.as_str())?;
        match self.reason.as_str() {
            "" => f.write_str(")"),
            reason => write!(f, ": {reason})"),
        }
    }
}

/// The entries, sorted so that each question is a binary search.
#[derive(Clone, Debug)]
pub struct Allowlist {
    /// In the order of [`IpNet`]: IPv4 first, by first address, wider ones before what is inside them.
    entries: Vec<AllowEntry>,
    /// For each entry the nearest one around it.
    around: Vec<Option<u32>>,
    /// Where the IPv6 entries begin.
    v6: usize,
    /// First bytes of IPv4 and of IPv6 addresses that are in some entry, as bits: of most clients it tells at once that
    /// they are in none.
    first_bytes: [[u64; 4]; 2],
}

impl Allowlist {
    /// `entries` and the built-in ones. Host bits are cleared; of two entries of the same net the one whose
    /// [`AllowOrigin`] comes first is kept.
    pub fn new(entries: impl IntoIterator<Item = AllowEntry>) -> Self {
        let mut entries: Vec<AllowEntry> = entries
            .into_iter()
            .map(|entry| AllowEntry {
                net: entry.net.trunc(),
                ..entry
            })
            .chain(built_in())
            .collect();
        entries.sort_by_key(|entry| (entry.net, entry.origin));
        entries.dedup_by_key(|entry| entry.net);
        let v6 = entries.partition_point(|entry| matches!(entry.net, IpNet::V4(_)));
        let mut around = Vec::with_capacity(entries.len());
        let mut open: Vec<u32> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            while let Some(&outer) = open.last() {
                if entries[outer as usize].net.contains(&entry.net) {
                    break;
                }
                open.pop();
            }
            around.push(open.last().copied());
            open.push(u32::try_from(index).expect("fewer than 2^32 entries fit in memory"));
        }
        let mut first_bytes = [[0; 4]; 2];
        for entry in &entries {
            let (family, first) = first_byte(entry.net);
            // An entry shorter than a byte begins with several.
            let more = 0xff_u8.checked_shr(entry.net.prefix_len().into());
            for byte in first..=first | more.unwrap_or(0) {
                first_bytes[family][usize::from(byte) / 64] |= 1_u64 << (byte % 64);
            }
        }
        Self {
            entries,
            around,
            v6,
            first_bytes,
        }
    }

    /// The narrowest entry that `address` lies in.
    pub fn covering(&self, address: IpAddr) -> Option<&AllowEntry> {
        self.covering_net(IpNet::from(address.to_canonical()))
    }

    /// The narrowest entry that the whole of `net` lies in.
    pub fn covering_net(&self, net: IpNet) -> Option<&AllowEntry> {
        let (family, first) = first_byte(net);
        if self.first_bytes[family][usize::from(first) / 64] >> (first % 64) & 1 == 0 {
            return None;
        }
        let net = net.trunc();
        let family = match net {
            IpNet::V4(_) => &self.entries[..self.v6],
            IpNet::V6(_) => &self.entries,
        };
        // What covers it sorts before it or is it, and so does everything between: the last of those is inside, beside or
        // around what covers it.
        let last = family
            .partition_point(|entry| entry.net <= net)
            .checked_sub(1)?;
        let mut candidate = Some(last);
        while let Some(index) = candidate {
            if self.entries[index].net.contains(&net) {
                return Some(&self.entries[index]);
            }
            candidate = self.around[index].map(|outer| outer as usize);
        }
        None
    }

    /// The entries that lie inside `net` or are it.
    pub fn inside(&self, net: IpNet) -> impl Iterator<Item = &AllowEntry> {
        let net = net.trunc();
        let first = self.entries.partition_point(|entry| entry.net < net);
        self.entries[first..]
            .iter()
            .take_while(move |entry| net.contains(&entry.net))
    }

    /// Every entry, IPv4 first, in the order of addresses.
    pub fn iter(&self) -> impl Iterator<Item = &AllowEntry> {
        self.entries.iter()
    }

    /// How many there are, built-in ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: the built-in entries are always there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Default for Allowlist {
    /// The built-in entries.
    fn default() -> Self {
        Self::new([])
    }
}

/// The family of a net, and the first byte of its address.
fn first_byte(net: IpNet) -> (usize, u8) {
    match net {
        IpNet::V4(net) => (0, net.addr().octets()[0]),
        IpNet::V6(net) => (1, net.addr().octets()[0]),
    }
}

fn built_in() -> impl Iterator<Item = AllowEntry> {
    BUILT_IN.iter().map(|(net, reason)| AllowEntry {
        net: net.parse().expect("the table holds nets"),
        origin: AllowOrigin::BuiltIn,
        reason: (*reason).to_owned(),
    })
}

#[cfg(test)]
mod tests;
