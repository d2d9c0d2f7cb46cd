//! How sessions end in which a login failed: who guesses passwords leaves after a try or two and comes back, so that no session is
//! conspicuous by itself (Exim's BlockCracking counts such ends).
//!
//! Mail programs tell of the failure and of the end in different lines. They are joined here, so that it is the same for every
//! program: by session; where a program tells no sessions apart (Exim without `+pid` and `+incoming_port`), by address.

use std::{net::IpAddr, time::Duration};

use crate::{
    event::{Event, EventKind, SessionId},
    rule::{Moment, Tracked},
};

/// Most sessions with a failed login that are remembered; the one longest without a failure is forgotten.
pub(super) const SESSIONS_MAX: usize = 16_384;
/// Most addresses whose last failed account is remembered; likewise.
pub(super) const ADDRESSES_MAX: usize = 8_192;
/// How long a session is remembered after its last failed login: mail programs end one that is idle after five minutes.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Longest time from the failure to the end where nothing tells sessions apart.
const NEAR: Duration = Duration::from_secs(10);
/// How far apart the mail program and the login server may tell of one failure.
const RETOLD_WITHIN: Duration = Duration::from_secs(3);

/// Sessions in which the last login failed.
#[derive(Debug)]
pub(super) struct Endings {
    /// Whether a rule asks.
    is_wanted: bool,
    failed: Tracked<Place, Failed>,
    /// The account that failed last at an address: the login server names it where the mail program does not.
    accounts: Tracked<IpAddr, Failed>,
}

/// What a session is known by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Place {
    Session(SessionId),
    Address(IpAddr),
}

#[derive(Debug)]
struct Failed {
    at: Moment,
    account: Option<Box<str>>,
}

impl Endings {
    pub(super) fn new() -> Self {
        Self {
            is_wanted: false,
            failed: Tracked::new(SESSIONS_MAX),
            accounts: Tracked::new(ADDRESSES_MAX),
        }
    }

    /// Whether anybody wants to know from here on.
    pub(super) fn want(&mut self, is_wanted: bool) {
        if self.is_wanted && !is_wanted {
            *self = Self::new();
        }
        self.is_wanted = is_wanted;
    }

    /// What an event is beside what it is, when it ends a session in which the last login failed.
    pub(super) fn note(&mut self, event: &Event) -> Option<Event> {
        if !self.is_wanted {
            return None;
        }
        let address = event.address?;
        let place = match event.session {
            Some(session) => Place::Session(session),
            None => Place::Address(address),
        };
        let kind = match event.kind {
            EventKind::AuthFailure | EventKind::AuthAborted if event.is_offence() => {
                self.fail(place, address, event);
                return None;
            }
            EventKind::AuthSuccess | EventKind::MailAccepted => {
                self.failed.remove(&place);
                return None;
            }
            EventKind::Disconnect | EventKind::BadSession => EventKind::AuthQuit,
            EventKind::LostConnection => EventKind::AuthLost,
            _ => return None,
        };
        let failed = self.failed.remove(&place)?;
        let at = Moment::from(event.at);
        if matches!(place, Place::Address(_)) && failed.at.apart(at) > NEAR {
            return None;
        }
        let account = failed.account.or_else(|| {
            let told = self.accounts.get(&address)?;
            let is_it = told.at.apart(failed.at) <= RETOLD_WITHIN;
            told.account.clone().filter(|_| is_it)
        });
        Some(Event {
            kind,
            account,
            score: kind.score(),
            ..event.clone()
        })
    }

    fn fail(&mut self, place: Place, address: IpAddr, event: &Event) {
        let at = Moment::from(event.at);
        let fresh = || Failed { at, account: None };
        let (failed, _) = self.failed.touch(place, at, fresh);
        failed.at = at;
        failed.account.clone_from(&event.account);
        if event.account.is_some() {
            let (told, _) = self.accounts.touch(address, at, fresh);
            told.at = at;
            told.account.clone_from(&event.account);
        }
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.failed.pop_idle(now, REMEMBERED).is_some() {}
        while self.accounts.pop_idle(now, REMEMBERED).is_some() {}
    }

    /// Sessions and addresses that are remembered.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.failed.len(), self.accounts.len())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        time::{Duration, SystemTime},
    };

    use super::{ADDRESSES_MAX, Endings, SESSIONS_MAX};
    use crate::{
        event::{Event, EventKind, Service, SessionId},
        rule::Moment,
    };

    fn event(n: u32, kind: EventKind, session: Option<u64>) -> Event {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Event {
            address: Some(Ipv4Addr::from(n).into()),
            account: Some("joe".into()),
            session: session.map(SessionId),
            ..Event::new(at, kind, Service::Smtp, "test")
        }
    }

    #[test]
    fn an_end_is_told_once_and_names_the_account() {
        let mut endings = Endings::new();
        endings.want(true);
        assert_eq!(
            endings.note(&event(1, EventKind::AuthFailure, Some(7))),
            None
        );
        let mut end = event(1, EventKind::LostConnection, Some(7));
        end.account = None;
        let ending = endings.note(&end).unwrap();
        assert_eq!(ending.kind, EventKind::AuthLost);
        assert_eq!(ending.account.as_deref(), Some("joe"));
        let again = event(1, EventKind::Disconnect, Some(7));
        assert_eq!(endings.note(&again), None);
    }

    #[test]
    fn nothing_is_remembered_that_nobody_asks_for() {
        let mut endings = Endings::new();
        endings.note(&event(1, EventKind::AuthFailure, None));
        assert_eq!(endings.len(), (0, 0));
        endings.want(true);
        endings.note(&event(1, EventKind::AuthFailure, None));
        assert_eq!(endings.len(), (1, 1));
        endings.want(false);
        assert_eq!(endings.len(), (0, 0));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let mut endings = Endings::new();
        endings.want(true);
        for n in 0..40_000 {
            endings.note(&event(n, EventKind::AuthFailure, Some(u64::from(n))));
        }
        assert_eq!(endings.len(), (SESSIONS_MAX, ADDRESSES_MAX));
        endings.forget(Moment::from(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_600),
        ));
        assert_eq!(endings.len(), (0, 0));
    }
}
