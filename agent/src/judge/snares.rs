//! The baits, made ready to be asked for with each offence: nearly all names are none, which is to be seen at once.

use std::{collections::BTreeSet, net::IpAddr};

use memchr::memmem::Finder;

use crate::{dialect::says_helo, honeypot::Baits};

/// Lengths of names that are told apart.
const LENGTHS: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Snares {
    accounts: Names,
    recipients: Names,
    helo: Vec<(Box<str>, Finder<'static>)>,
}

/// Baits of a kind.
#[derive(Debug)]
struct Names {
    names: BTreeSet<Box<str>>,
    /// The first letters of those of each length (the last stands for all that are longer), as bits.
    first_letters: [u32; LENGTHS],
}

impl Snares {
    pub(super) fn new(baits: Baits) -> Self {
        Self {
            accounts: Names::new(baits.accounts),
            recipients: Names::new(baits.recipients),
            helo: baits
                .helo
                .into_iter()
                .filter(|name| !name.is_empty())
                .map(|name| {
                    let finder = Finder::new(name.as_bytes()).into_owned();
                    (name, finder)
                })
                .collect(),
        }
    }

    /// Whether `account` is a bait: digits at its end do not matter.
    pub(super) fn has_account(&self, account: &str) -> bool {
        self.accounts.has(account)
    }

    /// Whether `recipient` is one; likewise.
    pub(super) fn has_recipient(&self, recipient: &str) -> bool {
        self.recipients.has(recipient)
    }

    /// Whether the line says that the client at `address` called itself by the name of one.
    pub(super) fn has_helo(&self, line: &[u8], address: IpAddr) -> bool {
        // Most lines do not have the name at all.
        self.helo
            .iter()
            .any(|(name, finder)| finder.find(line).is_some() && says_helo(line, name, address))
    }
}

impl Names {
    fn new(names: BTreeSet<Box<str>>) -> Self {
        let mut first_letters = [0; LENGTHS];
        for name in &names {
            let (length, letter) = shape(name);
            first_letters[length] |= letter;
        }
        Self {
            names,
            first_letters,
        }
    }

    fn has(&self, name: &str) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let bytes = name.as_bytes();
        let local = memchr::memchr(b'@', bytes).unwrap_or(bytes.len());
        let digits = bytes[..local].iter().rev();
        let root = local - digits.take_while(|byte| byte.is_ascii_digit()).count();
        [bytes.len(), local, root].into_iter().any(|length| {
            let name = &name[..length];
            let (length, letter) = shape(name);
            self.first_letters[length] & letter != 0
                && self.names.contains(name.to_ascii_lowercase().as_str())
        })
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new(BTreeSet::new())
    }
}

/// What names have in common that are the same but for the case of letters: the length, and a bit for the first letter.
fn shape(name: &str) -> (usize, u32) {
    let first = name.bytes().next().unwrap_or(0);
    let letter = 1 << (first.to_ascii_lowercase() & 31);
    (name.len().min(LENGTHS - 1), letter)
}

#[cfg(test)]
mod tests {
    use super::Snares;
    use crate::honeypot::Baits;

    #[test]
    fn a_bait_is_found_in_any_domain_and_with_a_number() {
        let baits = Snares::new(Baits::default());
        for account in ["oracle", "Oracle@example.org", "postgres12", "www-data"] {
            assert!(baits.has_account(account), "{account}");
        }
        for account in ["info", "oracles", "admin@oracle", "", "12"] {
            assert!(!baits.has_account(account), "{account}");
        }
        let long = format!("{}@example.org", "x".repeat(100));
        let own = Snares::new(Baits {
            recipients: ["trap@example.org".into(), long.as_str().into()].into(),
            ..Baits::none()
        });
        assert!(own.has_recipient("Trap@example.org") && !own.has_recipient("trap@example.com"));
        assert!(own.has_recipient(&long) && !own.has_recipient(&long[1..]));
    }
}
