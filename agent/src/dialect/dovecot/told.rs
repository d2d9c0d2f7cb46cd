//! Which failures auth has told of, so that the login process's summary does not count them again.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::super::{
    Line,
    sessions::{Key, Sessions},
};
use crate::event::SessionId;

/// A client may try for so long before the login process drops it (3 minutes), and auth delays its answers.
const LASTS: Duration = Duration::from_secs(300);
/// Several passdbs refuse one attempt within this time; auth delays the answer to a failure by two seconds.
const ONE_ATTEMPT: Duration = Duration::from_secs(2);
/// Most bytes of a name that tell accounts apart: auth logs no more.
const ACCOUNT_MAX: usize = 64;

/// Failures by session, or by address and account where auth names no session.
#[derive(Default)]
pub(super) struct Told {
    failures: Sessions<Failures>,
}

#[derive(Clone, Copy)]
struct Failures {
    id: SessionId,
    address: Option<IpAddr>,
    count: i16,
    at: SystemTime,
    account: Key,
    passdb: Key,
}

impl Failures {
    /// Whether they may be of `client`. Accounts are what clients write, and what is looked up by is a hash without a seed:
    /// no client can pass for one with another address.
    fn is_of(&self, client: &Client<'_>) -> bool {
        self.address == client.address || self.address.is_none() || client.address.is_none()
    }
}

/// Whom a line is about.
pub(super) struct Client<'a> {
    /// Its address.
    pub(super) address: Option<IpAddr>,
    /// The account it tried.
    pub(super) account: &'a [u8],
    /// The id of its session; empty if the line names none.
    pub(super) session: &'a [u8],
}

impl Client<'_> {
    fn by_session(&self, line: &Line<'_>) -> Option<Key> {
        (!self.session.is_empty()).then(|| Key::new(&[line.host, b"session", self.session]))
    }

    fn by_account(&self, line: &Line<'_>) -> Option<Key> {
        let octets = match self.address?.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let mut place = [0; ACCOUNT_MAX];
        let account = self.account_in_lower_case(&mut place);
        Some(Key::new(&[line.host, b"account", &octets, account]))
    }

    /// The login process may still have the name as the client wrote it.
    fn account_in_lower_case<'a>(&self, place: &'a mut [u8; ACCOUNT_MAX]) -> &'a [u8] {
        let length = self.account.len().min(ACCOUNT_MAX);
        let account = &mut place[..length];
        account.copy_from_slice(&self.account[..length]);
        account.make_ascii_lowercase();
        account
    }
}

impl Told {
    /// Takes in a failure that auth tells of. Its session, and whether it is another passdb's word on the attempt before it.
    pub(super) fn by_auth(
        &mut self,
        line: &Line<'_>,
        client: &Client<'_>,
        passdb: &[u8],
        at: SystemTime,
    ) -> (SessionId, bool) {
        let account = Key::new(&[client.account_in_lower_case(&mut [0; ACCOUNT_MAX])]);
        let passdb = Key::new(&[passdb]);
        let Some(key) = client.by_session(line).or_else(|| client.by_account(line)) else {
            return (line.new_session(), false);
        };
        let known = self.failures.get(key).copied();
        let known = known.filter(|known| known.is_of(client) && apart(known.at, at) <= LASTS);
        let is_again = known.is_some_and(|known| {
            known.account == account && known.passdb != passdb && apart(known.at, at) < ONE_ATTEMPT
        });
        if let (Some(known), true) = (known, is_again) {
            return (known.id, true);
        }
        let failures = Failures {
            id: known.map_or_else(|| line.new_session(), |known| known.id),
            address: client.address,
            count: known.map_or(0, |known| known.count).saturating_add(1),
            at,
            account,
            passdb,
        };
        self.failures.insert(key, failures);
        (failures.id, false)
    }

    /// Ends a session as its login process does: its id, and how many of its failures auth told of.
    pub(super) fn end(&mut self, line: &Line<'_>, client: &Client<'_>) -> (SessionId, i16) {
        if self.failures.is_unused() {
            // Auth tells of none, as by default.
            return (line.new_session(), 0);
        }
        let keys = [client.by_session(line), client.by_account(line)];
        let mut id = None;
        let mut count = 0_i16;
        for key in keys.into_iter().flatten() {
            let Some(failures) = self.failures.remove(key) else {
                continue;
            };
            if failures.is_of(client) && apart(failures.at, line.at()) <= LASTS {
                id = id.or(Some(failures.id));
                count = count.saturating_add(failures.count);
            }
        }
        (id.unwrap_or_else(|| line.new_session()), count)
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|error| error.duration())
}
