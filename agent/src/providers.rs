//! Networks that large providers send mail from. Their hosts are not banned for what mail servers do, since some of their many
//! users always write to addresses that are gone; for guessing logins they are.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

/// Most networks of a list.
pub const PROVIDER_NETWORKS_MAX: usize = 65_536;
/// Most characters of a provider's name.
pub const PROVIDER_NAME_MAX: usize = 64;
/// Networks wider than these are a mistake: they would spare a large part of the Internet.
const WIDEST_V4: u8 = 10;
const WIDEST_V6: u8 = 24;

/// Networks with the names of their providers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Providers {
    names: Vec<Box<str>>,
    /// Sorted, none within another; each with the index of its name.
    networks: Vec<(IpNet, usize)>,
}

/// What is wrong with a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderMistake {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for ProviderMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ProviderMistake {}

impl Providers {
    /// The list that is shipped.
    pub fn shipped() -> Self {
        Self::parse(Self::shipped_text()).expect("the shipped list is read in a test")
    }

    /// The text of the list that is shipped.
    pub const fn shipped_text() -> &'static str {
        include_str!("../providers/providers.txt")
    }

    /// Reads a list: a network and the name of its provider in each line, `#` begins a comment.
    ///
    /// # Errors
    ///
    /// At the first line that is neither; nothing of such a list is used.
    pub fn parse(text: &str) -> Result<Self, ProviderMistake> {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut networks = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let mistake = |what| ProviderMistake { line, what };
            let (net, name) = entry(text).map_err(mistake)?;
            if networks.len() >= PROVIDER_NETWORKS_MAX {
                return Err(mistake(format!(
                    "more than {PROVIDER_NETWORKS_MAX} networks"
                )));
            }
            let known = names.iter().position(|known| **known == *name);
            let name = known.unwrap_or_else(|| {
                names.push(name.into());
                names.len() - 1
            });
            networks.push((net, name));
        }
        networks.sort_unstable();
        // Sorted so, what is within another comes after it.
        let mut outer: Option<IpNet> = None;
        networks.retain(|(net, _)| {
            let is_within = outer.is_some_and(|outer| outer.contains(net));
            if !is_within {
                outer = Some(*net);
            }
            !is_within
        });
        Ok(Self { names, networks })
    }

    /// The provider that `address` is of.
    pub fn of(&self, address: IpAddr) -> Option<&str> {
        self.touching(address.to_canonical().into())
    }

    /// The provider of a network that `net` is in, or that is in `net`.
    pub fn touching(&self, net: IpNet) -> Option<&str> {
        let next = self.networks.partition_point(|(known, _)| *known <= net);
        let around = next.checked_sub(1).map(|index| self.networks[index]);
        let around = around.filter(|(known, _)| known.contains(&net));
        let inside = || {
            self.networks
                .get(next)
                .filter(|(known, _)| net.contains(known))
                .copied()
        };
        let (_, name) = around.or_else(inside)?;
        Some(&self.names[name])
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

fn entry(text: &str) -> Result<(IpNet, &str), String> {
    let (net, name) = text
        .split_once(char::is_whitespace)
        .ok_or_else(|| format!("{text:?} is not a network and the name of its provider"))?;
    let net = net
        .parse::<IpNet>()
        .or_else(|_| net.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{net:?} is not a network such as 192.0.2.0/24"))?;
    if net != net.trunc() {
        return Err(format!("{net} has host bits; write {}", net.trunc()));
    }
    let widest = if net.addr().is_ipv4() {
        WIDEST_V4
    } else {
        WIDEST_V6
    };
    if net.prefix_len() < widest {
        return Err(format!(
            "{net} is wider than any provider's network: at most a /{widest}"
        ));
    }
    let name = name.trim();
    let fits = name.chars().count() <= PROVIDER_NAME_MAX && !name.chars().any(char::is_control);
    match fits {
        true => Ok((net, name)),
        false => Err(format!(
            "the name of a provider has at most {PROVIDER_NAME_MAX} characters"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Providers;

    #[test]
    fn networks_are_found_by_address_and_by_network() {
        let text = "# a comment\n192.0.2.0/24 One\n192.0.2.128/25\tTwo # within One\n2001:db8::/32 Two Words\n198.51.100.7 One\n";
        let providers = Providers::parse(text).unwrap();
        assert_eq!(providers.len(), 3);
        let of = |address: &str| providers.of(address.parse().unwrap());
        assert_eq!(of("192.0.2.200"), Some("One"));
        assert_eq!(of("::ffff:192.0.2.1"), Some("One"));
        assert_eq!(of("2001:db8:1::5"), Some("Two Words"));
        assert_eq!(of("198.51.100.8"), None);
        assert_eq!(of("192.0.3.0"), None);
        let touching = |net: &str| providers.touching(net.parse().unwrap());
        assert_eq!(touching("198.51.100.0/24"), Some("One"));
        assert_eq!(touching("198.51.101.0/24"), None);
        assert_eq!(touching("2001:db8:5::/48"), Some("Two Words"));
    }

    #[test]
    fn a_list_that_is_wrong_is_not_used() {
        let what = |text: &str| Providers::parse(text).unwrap_err().to_string();
        assert_eq!(
            what("\nfoo Bar"),
            "line 2: \"foo\" is not a network such as 192.0.2.0/24"
        );
        assert_eq!(
            what("192.0.2.0/24"),
            "line 1: \"192.0.2.0/24\" is not a network and the name of its provider"
        );
        assert_eq!(
            what("192.0.2.1/24 A"),
            "line 1: 192.0.2.1/24 has host bits; write 192.0.2.0/24"
        );
        assert_eq!(
            what("0.0.0.0/0 All"),
            "line 1: 0.0.0.0/0 is wider than any provider's network: at most a /10"
        );
    }

    #[test]
    fn the_shipped_list_can_be_read() {
        assert!(Providers::shipped().len() > 40);
        assert_eq!(
            Providers::shipped().of("209.85.128.5".parse().unwrap()),
            Some("Google")
        );
    }
}
