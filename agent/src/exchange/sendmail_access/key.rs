//! Whom an entry is about: octets of an IPv4 address, groups of an IPv6 address, or a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Most keys that one network is written as.
const KEYS_MAX: usize = 256;

/// Whom an entry is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Subject {
    /// All that no other entry is about.
    Everybody,
    /// An address or a network.
    Net(IpNet),
    /// A host or a domain, in lower case.
    Name(String),
}

/// Why a key is none.
pub(super) struct Wrong {
    pub(super) what: &'static str,
    pub(super) hint: String,
}

/// Reads a key without its tag, and what to note of it.
pub(super) fn subject(text: &str) -> Result<(Subject, Option<String>), Wrong> {
    if text.is_empty() {
        return Ok((Subject::Everybody, None));
    }
    if let Some((tag, groups)) = text.split_once(':')
        && tag.eq_ignore_ascii_case("ipv6")
    {
        return groups_of(groups);
    }
    if text.contains('/') {
        return Err(Wrong {
            what: "has a slash, which Sendmail does not know",
            hint: match text.parse::<IpNet>() {
                Ok(net) => {
                    let keys = written(&net.trunc()).unwrap_or_default();
                    match keys.as_slice() {
                        [key] => format!("write {key}"),
                        _ => "write its octets, such as 203.0.113".to_owned(),
                    }
                }
                Err(_) => "write octets, such as 203.0.113".to_owned(),
            },
        });
    }
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return octets(text)
            .map(|net| (Subject::Net(net), None))
            .ok_or_else(|| Wrong {
                what: "is no part of an IPv4 address",
                hint: "write one to four octets, such as 203.0.113".to_owned(),
            });
    }
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || b".-_+=@".contains(&byte) || byte >= 0x80;
    if text.bytes().all(is_name) {
        return Ok((Subject::Name(text.to_ascii_lowercase()), None));
    }
    Err(Wrong {
        what: "is neither an address nor a name",
        hint: "write IPv6 addresses like IPv6:2001:db8:0:1".to_owned(),
    })
}

fn octets(text: &str) -> Option<IpNet> {
    let mut octets = [0_u8; 4];
    let mut count = 0_u8;
    for part in text.split('.') {
        *octets.get_mut(usize::from(count))? = part.parse().ok()?;
        count += 1;
    }
    let net = Ipv4Net::new(Ipv4Addr::from(octets), 8 * count).ok()?;
    Some(IpNet::V4(net))
}

fn groups_of(text: &str) -> Result<(Subject, Option<String>), Wrong> {
    let wrong = || Wrong {
        what: "is no part of an IPv6 address",
        hint: "write groups of hexadecimal digits, such as IPv6:2001:db8:0:1".to_owned(),
    };
    let (groups, is_whole) = match text.strip_suffix("::") {
        Some(groups) => (groups, false),
        None => (text, text.contains("::")),
    };
    if is_whole {
        let address = text.parse::<Ipv6Addr>().map_err(|_| wrong())?;
        let net = IpNet::from(std::net::IpAddr::V6(address).to_canonical());
        return Ok((Subject::Net(net), None));
    }
    let mut values = [0_u16; 8];
    let mut count = 0_u8;
    for group in groups.split(':') {
        let place = values.get_mut(usize::from(count)).ok_or_else(wrong)?;
        let is_group =
            (1..=4).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
        *place = u16::from_str_radix(group, 16)
            .ok()
            .filter(|_| is_group)
            .ok_or_else(wrong)?;
        count += 1;
    }
    let net = Ipv6Net::new(Ipv6Addr::from(values), 16 * count).map_err(|_| wrong())?;
    let note = (groups != text).then(|| format!("is taken as {net}"));
    Ok((Subject::Net(IpNet::V6(net)), note))
}

/// The keys of a network; `None` when they are too many.
pub(super) fn written(net: &IpNet) -> Option<Vec<String>> {
    let step = if matches!(net, IpNet::V4(_)) { 8 } else { 16 };
    let length = net.prefix_len().div_ceil(step).max(1) * step;
    if 1_usize.checked_shl(u32::from(length - net.prefix_len()))? > KEYS_MAX {
        return None;
    }
    let subnets = net.subnets(length).ok()?;
    let key = |net: IpNet| match net {
        IpNet::V4(net) => {
            let octets = net.addr().octets();
            let octets = octets.iter().take(usize::from(length / 8));
            let octets: Vec<String> = octets.map(ToString::to_string).collect();
            octets.join(".")
        }
        IpNet::V6(net) => {
            let groups = net.addr().segments();
            let groups = groups.iter().take(usize::from(length / 16));
            let groups: Vec<String> = groups.map(|group| format!("{group:x}")).collect();
            format!("IPv6:{}", groups.join(":"))
        }
    };
    Some(subnets.map(key).collect())
}
