//! How the regulars fare at present: how many were seen lately, and how many of them get nothing done any more.

use std::time::Duration;

use crate::{
    event::{Event, EventKind},
    rule::Moment,
};

/// Parts of the time that is looked back on.
const SLOTS: usize = 10;
/// So many different misdeeds since it last did something well, and a regular is failing: a device with an old password comes
/// to one, a mailing list with old addresses does well in between.
const FAILING: u8 = 3;

/// What of a server is broken, and what a rule judges by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Areas {
    /// Who may log in.
    pub(super) logins: bool,
    /// Who there is to write to, and from whom.
    pub(super) mail: bool,
}

impl Areas {
    /// What faults of the server can make such events. Nothing but a client talks before the greeting, or speaks HTTP.
    pub(super) fn of(kinds: &[EventKind]) -> Self {
        let mut areas = Self::default();
        for kind in kinds {
            match kind {
                EventKind::AuthFailure
                | EventKind::AuthNotOffered
                | EventKind::AuthAborted
                | EventKind::AuthQuit
                | EventKind::AuthLost => areas.logins = true,
                EventKind::EarlyTalker | EventKind::NonSmtp | EventKind::Honeypot => {}
                _ => areas.mail = true,
            }
        }
        areas
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            logins: self.logins || other.logins,
            mail: self.mail || other.mail,
        }
    }

    pub(super) fn touch(self, other: Self) -> bool {
        self.logins && other.logins || self.mail && other.mail
    }
}

/// How one regular fares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// In which part of time it was seen last; 0 for never.
    slot: i64,
    /// Different misdeeds since it last did something well, up to [`FAILING`].
    misdeeds: u8,
    marks: [u32; FAILING as usize - 1],
    /// What its last misdeed was about.
    area: Areas,
}

/// How all of them fare.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    slot_ms: i64,
    newest: i64,
    active: [u32; SLOTS],
    failing_logins: [u32; SLOTS],
    failing_mail: [u32; SLOTS],
    faults: [u32; SLOTS],
    bans: [u32; SLOTS],
    known_bans: [u32; SLOTS],
}

/// Sums over the time that is looked back on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sums {
    /// Regulars that were seen.
    pub(super) active: u32,
    /// Those of them that cannot log in any more.
    pub(super) failing_logins: u32,
    /// Those of them whose mail is refused.
    pub(super) failing_mail: u32,
    /// Faults that the server told of itself.
    pub(super) faults: u32,
    /// Bans that rules asked for.
    pub(super) bans: u32,
    /// Those of them of hosts that did well on an earlier day.
    pub(super) known_bans: u32,
}

impl Pulse {
    /// Looks back on `within`.
    pub(super) fn new(within: Duration) -> Self {
        let slot = within / SLOTS as u32;
        Self {
            slot_ms: i64::try_from(slot.as_millis()).map_or(i64::MAX, |ms| ms.max(1)),
            newest: 0,
            active: [0; SLOTS],
            failing_logins: [0; SLOTS],
            failing_mail: [0; SLOTS],
            faults: [0; SLOTS],
            bans: [0; SLOTS],
            known_bans: [0; SLOTS],
        }
    }

    /// A regular did well.
    pub(super) fn note_good(&mut self, health: &mut Health, at: Moment) {
        self.leave(health);
        health.misdeeds = 0;
        self.enter(health, at);
    }

    /// A regular did what it should not have done. Whether it is failing.
    pub(super) fn note_offence(&mut self, health: &mut Health, event: &Event, at: Moment) -> bool {
        self.leave(health);
        // What it did long ago is another story.
        if self.slot(at).saturating_sub(health.slot) >= SLOTS as i64 {
            health.misdeeds = 0;
        }
        health.note(mark(event));
        health.area = Areas::of(&[event.kind]);
        self.enter(health, at);
        health.is_failing()
    }

    pub(super) fn note_fault(&mut self, at: Moment) {
        let slot = self.advance(at);
        add(&mut self.faults, slot);
    }

    /// A rule asks for a ban of a host.
    pub(super) fn note_ban(&mut self, is_known: bool, at: Moment) {
        let slot = self.advance(at);
        add(&mut self.bans, slot);
        if is_known {
            add(&mut self.known_bans, slot);
        }
    }

    pub(super) fn sums(&mut self, at: Moment) -> Sums {
        self.advance(at);
        let sum = |slots: &[u32; SLOTS]| {
            slots
                .iter()
                .fold(0, |sum: u32, one| sum.saturating_add(*one))
        };
        Sums {
            active: sum(&self.active),
            failing_logins: sum(&self.failing_logins),
            failing_mail: sum(&self.failing_mail),
            faults: sum(&self.faults),
            bans: sum(&self.bans),
            known_bans: sum(&self.known_bans),
        }
    }

    fn slot(&self, at: Moment) -> i64 {
        at.slot(self.slot_ms)
    }

    /// The slot of `at`, or the newest, which is never left behind.
    fn advance(&mut self, at: Moment) -> i64 {
        let slot = self.slot(at);
        if slot > self.newest {
            let steps = slot.saturating_sub(self.newest).min(SLOTS as i64);
            for step in 0..steps {
                let index = index(slot - step);
                for slots in [
                    &mut self.active,
                    &mut self.failing_logins,
                    &mut self.failing_mail,
                    &mut self.faults,
                    &mut self.bans,
                    &mut self.known_bans,
                ] {
                    slots[index] = 0;
                }
            }
            self.newest = slot;
        }
        self.newest
    }

    /// Takes a regular out of the part of time in which it was seen last.
    fn leave(&mut self, health: &Health) {
        if health.slot > 0 && self.newest.saturating_sub(health.slot) < SLOTS as i64 {
            let index = index(health.slot);
            self.active[index] = self.active[index].saturating_sub(1);
            if health.is_failing() {
                let failing = self.failing(health.area);
                failing[index] = failing[index].saturating_sub(1);
            }
        }
    }

    fn enter(&mut self, health: &mut Health, at: Moment) {
        health.slot = self.advance(at);
        add(&mut self.active, health.slot);
        if health.is_failing() {
            add(self.failing(health.area), health.slot);
        }
    }

    fn failing(&mut self, area: Areas) -> &mut [u32; SLOTS] {
        match area.logins {
            true => &mut self.failing_logins,
            false => &mut self.failing_mail,
        }
    }
}

impl Health {
    fn is_failing(&self) -> bool {
        self.misdeeds >= FAILING
    }

    fn note(&mut self, mark: u32) {
        let known = &self.marks[..usize::from(self.misdeeds).min(self.marks.len())];
        if self.is_failing() || known.contains(&mark) {
            return;
        }
        if let Some(free) = self.marks.get_mut(usize::from(self.misdeeds)) {
            *free = mark;
        }
        self.misdeeds += 1;
    }
}

/// What tells misdeeds apart: the account or the recipient (FNV-1a), else the kind.
fn mark(event: &Event) -> u32 {
    let name = event.recipient.as_deref().or(event.account.as_deref());
    let bytes = name.unwrap_or(event.kind.as_str()).bytes();
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}

fn add(slots: &mut [u32; SLOTS], slot: i64) {
    let count = &mut slots[index(slot)];
    *count = count.saturating_add(1);
}

fn index(slot: i64) -> usize {
    slot.rem_euclid(SLOTS as i64) as usize
}
