//! Addresses and networks as people and programs write them.

use std::{fmt, net::IpAddr, str::FromStr as _};

use ipnet::{IpNet, IpSubnets, Ipv4Net, Ipv4Subnets, Ipv6Subnets};

/// Most networks that a range of addresses may need.
const RANGE_NETS_MAX: usize = 256;

/// A text that is no network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NetError {
    /// It is something else.
    Syntax,
    /// It is a network with an address inside it.
    HostBits(IpNet),
    /// It is a range that ends before it begins, or between two families.
    Range,
    /// It is a range that needs too many networks.
    Scattered,
}

impl NetError {
    /// What to write in its place.
    pub fn hint(&self) -> String {
        match self {
            Self::Syntax => "write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64".to_owned(),
            Self::HostBits(net) => format!(
                "the network is {}, the address alone {}",
                net.trunc(),
                net.addr()
            ),
            Self::Range => "a range goes from a lower address to a higher one".to_owned(),
            Self::Scattered => "write it as networks".to_owned(),
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("neither an address nor a network"),
            Self::HostBits(net) => write!(f, "{net} has host bits set"),
            Self::Range => f.write_str("no range of addresses"),
            Self::Scattered => write!(f, "a range of more than {RANGE_NETS_MAX} networks"),
        }
    }
}

/// An address, which stands for itself alone, or a network.
///
/// # Errors
///
/// When it is neither, or has host bits set.
pub fn parse(text: &str) -> Result<IpNet, NetError> {
    let net = if text.contains('/') {
        unmapped(IpNet::from_str(text).map_err(|_| NetError::Syntax)?)
    } else {
        let address = text.parse::<IpAddr>().map_err(|_| NetError::Syntax)?;
        IpNet::from(address.to_canonical())
    };
    if net == net.trunc() {
        Ok(net)
    } else {
        Err(NetError::HostBits(net))
    }
}

/// As [`parse`], or a range like `203.0.113.0-203.0.113.9` as the fewest networks that are it.
///
/// # Errors
///
/// When it is none of these, or needs too many networks.
pub fn parse_range(text: &str) -> Result<Vec<IpNet>, NetError> {
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![parse(text)?]);
    };
    range(first, last)
}

/// The fewest networks from the address `first` to `last`.
///
/// # Errors
///
/// When these are no addresses of one family in their order, or need too many networks.
pub fn range(first: &str, last: &str) -> Result<Vec<IpNet>, NetError> {
    let address = |text: &str| {
        let address = text.trim().parse::<IpAddr>();
        address
            .map(|address| address.to_canonical())
            .map_err(|_| NetError::Syntax)
    };
    let subnets = match (address(first)?, address(last)?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            IpSubnets::from(Ipv4Subnets::new(first, last, 0))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            IpSubnets::from(Ipv6Subnets::new(first, last, 0))
        }
        _ => return Err(NetError::Range),
    };
    let nets: Vec<IpNet> = subnets.take(RANGE_NETS_MAX + 1).collect();
    if nets.len() > RANGE_NETS_MAX {
        return Err(NetError::Scattered);
    }
    Ok(nets)
}

/// `net` without what lies in it of `spared`, as networks; `None` when these would be too many.
pub(super) fn without(net: IpNet, spared: &[IpNet]) -> Option<Vec<IpNet>> {
    let mut left = vec![net];
    for hole in spared {
        let mut next = Vec::with_capacity(left.len());
        for part in left {
            if hole.contains(&part) {
                continue;
            }
            if !part.contains(hole) {
                next.push(part);
                continue;
            }
            let mut around = part;
            while around != *hole {
                let halves = around.subnets(around.prefix_len() + 1).ok()?;
                for half in halves {
                    if half.contains(hole) {
                        around = half;
                    } else {
                        next.push(half);
                    }
                }
            }
        }
        left = next;
        if left.len() > RANGE_NETS_MAX {
            return None;
        }
    }
    left.sort();
    Some(left)
}

/// An IPv4 network written as IPv4-mapped IPv6 is the IPv4 network: that is what packets carry.
fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6
        .addr()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(96));
    match mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok()) {
        Some(v4) => IpNet::V4(v4),
        None => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_the_fewest_networks() {
        let nets = |text| {
            let nets = parse_range(text)?;
            Ok(nets
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "))
        };
        assert_eq!(nets("203.0.113.7"), Ok("203.0.113.7/32".to_owned()));
        assert_eq!(
            nets("203.0.113.0-203.0.113.9"),
            Ok("203.0.113.0/29 203.0.113.8/31".to_owned())
        );
        assert_eq!(
            nets("2001:db8::-2001:db8::ffff"),
            Ok("2001:db8::/112".to_owned())
        );
        assert_eq!(nets("203.0.113.9-203.0.113.0"), Err(NetError::Range));
        assert_eq!(nets("203.0.113.9-2001:db8::"), Err(NetError::Range));
        assert_eq!(nets("a-b"), Err(NetError::Syntax));
    }
}
