//! The accounts whose mail is held.

use std::{collections::HashMap, time::SystemTime};

use crate::{ban::End, decision::Hold, line::escaped};

/// Most accounts that are held here; the judge holds fewer.
const HOLDS_MAX: usize = 100_000;
/// Most characters of an account's name.
const ACCOUNT_MAX: usize = 256;

/// For each account, in lower case, until when it is held.
#[derive(Debug, Default)]
pub struct Holds {
    of_account: HashMap<String, End>,
}

impl Holds {
    /// Holds an account's mail.
    pub fn put(&mut self, hold: &Hold) {
        if self.of_account.len() < HOLDS_MAX {
            self.of_account.insert(name(&hold.account), hold.end);
        }
    }

    /// Lets an account send again.
    pub fn release(&mut self, account: &str) {
        self.of_account.remove(&name(account));
    }

    /// Whether an account's mail is held.
    pub fn has(&self, account: &str, now: SystemTime) -> bool {
        let end = self.of_account.get(&name(account));
        end.is_some_and(|end| !end.is_over_at(now))
    }
}

/// An account as the judge names it: in lower case, and escaped, as clients choose what they try.
fn name(account: &str) -> String {
    escaped(account.to_lowercase().as_bytes(), ACCOUNT_MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ban::Origin;

    #[test]
    fn an_account_is_held_until_its_end_or_its_release() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let hold = |account: &str, end| Hold::new(account.into(), Origin::Manual, at(0), end);
        let mut holds = Holds::default();
        holds.put(&hold("alice@example.test", End::At(at(10))));
        holds.put(&hold("Bob", End::Never));
        assert!(holds.has("Alice@example.test", at(9)));
        assert!(!holds.has("alice@example.test", at(10)));
        assert!(!holds.has("alice", at(9)));
        assert!(holds.has("bob", at(1_000_000)));
        holds.release("BOB");
        assert!(!holds.has("bob", at(0)));
    }
}
