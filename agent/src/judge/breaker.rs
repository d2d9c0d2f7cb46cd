//! The circuit breaker: when the server is broken, its clients look like attackers, and bans would make it worse.
//!
//! What tells the one from the other is who fails. An attack, of ten thousand hosts too, comes from hosts that never did
//! well here, while the regulars go on delivering and logging in. In a failure of our own the regulars fail as well: they get
//! nothing done, and rules would ban hosts that are known. Then new bans pause, until that has not been seen for a while.

use std::time::{Duration, SystemTime};

use super::pulse::{Areas, Health, Pulse, Sums};
use crate::{event::Event, rule::Moment};

/// While the server tells of so many faults of its own, less is enough.
const MANY_FAULTS: u32 = 10;
/// Bans of hosts that are known are too many from this share of all bans on, in percent.
const KNOWN_SHARE: u64 = 10;
/// An operator who lets bans go on is believed for so long.
const MUTED: Duration = Duration::from_secs(3_600);

/// When bans pause, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerSettings {
    /// Whether they ever do.
    pub enabled: bool,
    /// So many regulars that get nothing done are too many...
    pub hosts: u32,
    /// ... if they are this share, in percent, of the regulars that were seen.
    pub share: u8,
    /// So many bans are too many, if one in ten is of a host that did well on an earlier day.
    pub bans: u32,
    /// All of that within this time.
    pub within: Duration,
    /// Bans go on when it was not seen for so long.
    pub pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            hosts: 3,
            share: 10,
            bans: 50,
            within: Duration::from_secs(600),
            pause: Duration::from_secs(600),
        }
    }
}

/// The pause of bans, as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pause {
    /// Since when.
    pub since: SystemTime,
    /// Until when, if nothing more is seen.
    pub until: SystemTime,
    /// Why, in a sentence.
    pub reason: String,
    /// Bans that there would have been.
    pub spared: u64,
    /// What bans pause for.
    areas: Areas,
}

/// What changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// Bans pause from here on.
    Paused(String),
    /// They go on.
    Resumed(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    pulse: Pulse,
    pause: Option<Pause>,
    muted_until: Option<SystemTime>,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self {
            pulse: Pulse::new(settings.within),
            settings,
            pause: None,
            muted_until: None,
        }
    }

    /// Other settings: what was seen counts no more, a pause goes on.
    pub(super) fn configure(&mut self, settings: BreakerSettings) {
        if settings != self.settings {
            let pause = self.pause.take().filter(|_| settings.enabled);
            let muted_until = self.muted_until;
            *self = Self::new(settings);
            self.pause = pause;
            self.muted_until = muted_until;
        }
    }

    pub(super) fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// Until when an operator is believed that all is well.
    pub(super) fn muted_until(&self) -> Option<SystemTime> {
        self.muted_until
    }

    /// When it has something to do by itself.
    pub(super) fn poll_timeout(&self) -> Option<SystemTime> {
        self.pause.as_ref().map(|pause| pause.until)
    }

    pub(super) fn note_fault(&mut self, at: SystemTime) {
        self.pulse.note_fault(Moment::from(at));
    }

    /// A regular did well.
    pub(super) fn note_good(&mut self, health: &mut Health, at: SystemTime) {
        self.pulse.note_good(health, Moment::from(at));
    }

    /// A regular did what it should not have done.
    pub(super) fn note_offence(&mut self, health: &mut Health, event: &Event) -> Option<Turn> {
        let is_failing = self
            .pulse
            .note_offence(health, event, Moment::from(event.at));
        is_failing.then(|| self.look(event.at)).flatten()
    }

    /// A rule asks for a ban. Whether it may be.
    pub(super) fn ask(
        &mut self,
        is_known: bool,
        areas: Areas,
        at: SystemTime,
    ) -> (bool, Option<Turn>) {
        self.pulse.note_ban(is_known, Moment::from(at));
        let turn = match is_known {
            true => self.look(at),
            false => None,
        };
        match &mut self.pause {
            Some(pause) if pause.areas.touch(areas) => {
                pause.spared += 1;
                (false, turn)
            }
            _ => (true, turn),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: SystemTime) -> Option<Turn> {
        let pause = self.pause.take_if(|pause| pause.until <= now)?;
        Some(Turn::Resumed(resumed(
            &pause,
            "nothing was seen of it lately",
        )))
    }

    /// An operator lets bans go on.
    pub(super) fn resume(&mut self, now: SystemTime) -> Option<Turn> {
        let pause = self.pause.take()?;
        self.muted_until = now.checked_add(MUTED);
        Some(Turn::Resumed(resumed(&pause, "by the operator")))
    }

    fn look(&mut self, at: SystemTime) -> Option<Turn> {
        if !self.settings.enabled || self.muted_until.is_some_and(|until| at < until) {
            return None;
        }
        let (areas, reason) = self.trouble(self.pulse.clone().sums(Moment::from(at)))?;
        let until = at.checked_add(self.settings.pause).unwrap_or(at);
        match &mut self.pause {
            Some(pause) => {
                pause.until = pause.until.max(until);
                pause.areas = pause.areas.and(areas);
                None
            }
            None => {
                self.pause = Some(Pause {
                    since: at,
                    until,
                    reason: reason.clone(),
                    spared: 0,
                    areas,
                });
                Some(Turn::Paused(reason))
            }
        }
    }

    fn trouble(&self, sums: Sums) -> Option<(Areas, String)> {
        let settings = &self.settings;
        let easier = if sums.faults >= MANY_FAULTS { 2 } else { 1 };
        let needed = (settings.hosts / easier).max(1);
        let share = u64::from(settings.share) / u64::from(easier);
        let is_share =
            |part: u32, all: u32, share: u64| u64::from(part) * 100 >= u64::from(all) * share;
        let failing = |failing| failing >= needed && is_share(failing, sums.active, share);
        let areas = Areas {
            logins: failing(sums.failing_logins),
            mail: failing(sums.failing_mail),
        };
        if areas != Areas::default() {
            let what = match (areas.logins, areas.mail) {
                (true, true) => "get nothing done",
                (true, false) => "cannot log in",
                _ => "get no mail through",
            };
            let hosts = sums.failing_logins + sums.failing_mail;
            let text = format!(
                "{hosts} of {} regular hosts seen lately {what}: the server may be broken",
                sums.active
            );
            return Some((areas, text));
        }
        if sums.bans >= settings.bans && is_share(sums.known_bans, sums.bans, KNOWN_SHARE) {
            let everything = Areas {
                logins: true,
                mail: true,
            };
            let text = format!(
                "{} bans lately, {} of hosts that did well before: the server may be broken",
                sums.bans, sums.known_bans
            );
            return Some((everything, text));
        }
        None
    }
}

fn resumed(pause: &Pause, why: &str) -> String {
    format!(
        "bans go on, {why}; {} would have been while they paused ({})",
        pause.spared, pause.reason
    )
}
