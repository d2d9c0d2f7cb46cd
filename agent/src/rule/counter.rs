//! A rule at work: its settings and the windows of the hosts it tracks, within bounds.

use ipnet::IpNet;

use super::{
    Breach, Moment, Per, REMEMBERED_MAX, RuleSettings, TRACKED_MAX, Tracked, subject::network,
    window::Window,
};
use crate::event::{Event, SessionId};

/// One rule and what it has counted.
#[derive(Debug)]
pub(crate) struct Counter {
    settings: RuleSettings,
    windows: Tracked<Key, Window>,
    /// Entries of all windows together, at most [`REMEMBERED_MAX`] and what one event adds.
    remembered: usize,
    breaches: u64,
}

/// What events are counted together under.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Key {
    Net(IpNet),
    Session(SessionId, IpNet),
}

impl Counter {
    pub(crate) fn new(settings: RuleSettings) -> Self {
        Self {
            settings,
            windows: Tracked::new(TRACKED_MAX),
            remembered: 0,
            breaches: 0,
        }
    }

    pub(crate) fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// How many hosts (networks, sessions) it tracks.
    pub(crate) fn tracked(&self) -> usize {
        self.windows.len()
    }

    /// How many events it remembers one by one.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.remembered
    }

    /// How many breaches there were.
    pub(crate) fn breaches(&self) -> u64 {
        self.breaches
    }

    /// Takes in an event of `host`. `good` says what the host (the network, for a rule on networks) did well lately.
    pub(crate) fn observe(
        &mut self,
        event: &Event,
        host: IpNet,
        good: impl FnOnce(&IpNet) -> u64,
    ) -> Option<Breach> {
        let rule = &self.settings;
        if !rule.counts(event) {
            return None;
        }
        let subject = match rule.per {
            Per::Address | Per::Session => host,
            Per::Network => network(host.addr()),
        };
        let key = match rule.per {
            Per::Address | Per::Network => Key::Net(subject),
            Per::Session => Key::Session(event.session?, host),
        };
        let at = Moment::from(event.at);
        let (window, displaced) = self.windows.touch(key, at, Window::default);
        self.remembered -= displaced.map_or(0, |window| window.len());
        let before = window.len();
        let is_one_more = window.add(event, &host, rule);
        let breach = (is_one_more && window.is_full(rule))
            .then(|| Breach::new(subject, window, rule))
            .filter(|_| {
                rule.bad_share == 0
                    || is_bad_enough(window.counted(at, rule), good(&subject), rule.bad_share)
            });
        let after = window.trim(rule);
        self.remembered = self.remembered + after - before;
        if breach.is_some() {
            // From here the count starts anew: a ban is the answer to what led to it.
            self.forget_key(&key);
            self.breaches += 1;
        }
        while self.remembered > REMEMBERED_MAX {
            let Some(window) = self.windows.pop_oldest() else {
                break;
            };
            self.remembered -= window.len();
        }
        breach
    }

    /// The session is over.
    pub(crate) fn end_session(&mut self, session: SessionId, host: IpNet) {
        if self.settings.per == Per::Session {
            self.forget_key(&Key::Session(session, host));
        }
    }

    /// Forgets the windows that nothing happened in for as long as they are.
    pub(crate) fn forget(&mut self, now: Moment) {
        while let Some(window) = self.windows.pop_idle(now, self.settings.window) {
            self.remembered -= window.len();
        }
    }

    /// Forgets what was counted for exactly `net`.
    pub(crate) fn forget_net(&mut self, net: &IpNet) {
        self.forget_key(&Key::Net(*net));
    }

    fn forget_key(&mut self, key: &Key) {
        if let Some(window) = self.windows.remove(key) {
            self.remembered -= window.len();
        }
    }
}

/// Whether `bad` is at least `share` percent of all.
fn is_bad_enough(bad: u64, good: u64, share: u8) -> bool {
    bad * 100 >= (bad + good) * u64::from(share)
}
