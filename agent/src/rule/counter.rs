//! A rule at work: its settings, in the form that events are held against, and how often its limit was reached.

use super::{Measure, Per, RuleSettings, good::Slots, note::Note};
use crate::event::{EventKind, Service};

/// One rule.
#[derive(Debug)]
pub(crate) struct Counter {
    settings: RuleSettings,
    /// Kinds that count, as bits.
    kinds: u32,
    /// Services that count, as bits.
    services: u8,
    pub(super) slots: Slots,
    /// Four fifths of the limit. Of small limits nothing is near but the limit itself.
    near: u64,
    /// Since which change of the rules it is in force: what was noted before is none of its.
    since: u8,
    breaches: u64,
}

impl Counter {
    /// A rule in force since the change of the rules that is numbered `era`.
    pub(crate) fn new(settings: RuleSettings, era: u8) -> Self {
        let services = match settings.service.as_slice() {
            [] => u8::MAX,
            services => services
                .iter()
                .fold(0, |bits, service| bits | 1 << *service as u8),
        };
        Self {
            kinds: settings
                .count
                .iter()
                .fold(0, |bits, kind| bits | 1 << *kind as u32),
            services,
            slots: Slots::of(settings.window),
            near: (u64::from(settings.limit) * 4).div_ceil(5),
            settings,
            since: era,
            breaches: 0,
        }
    }

    pub(crate) fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// How many breaches there were.
    pub(crate) fn breaches(&self) -> u64 {
        self.breaches
    }

    pub(crate) fn breached(&mut self) {
        self.breaches += 1;
    }

    /// Whether events of the kind may count.
    pub(crate) fn counts_kind(&self, kind: EventKind) -> bool {
        self.kinds & 1 << kind as u32 != 0
    }

    /// Services that count, as bits.
    pub(crate) fn services(&self) -> u8 {
        self.services
    }

    /// Whether it counts what is noted.
    #[inline]
    pub(crate) fn counts_note(&self, note: &Note) -> bool {
        self.kinds & note.kind_bit() != 0
            && self.services & note.service_bit() != 0
            && note.scores_as_its_kind()
            && (self.settings.per != Per::Session || note.session().is_some())
    }

    /// Whether it was in force when the note was taken, in the era before `now` or earlier.
    pub(super) fn knew(&self, note: &Note, now: u8) -> bool {
        let age = |era: u8| now.wrapping_sub(era) % super::note::ERAS;
        age(note.era()) <= age(self.since)
    }

    /// Whether the rule's limit may come near by `note` after `earlier` ones; surely not when it says so.
    #[inline]
    pub(super) fn may_be_near(&self, earlier: &[Note], note: &Note) -> bool {
        let is_counted = |earlier: &&Note| {
            self.counts_note(earlier)
                && (self.settings.per != Per::Session || earlier.session() == note.session())
        };
        match self.settings.measure {
            Measure::Count | Measure::Recipients | Measure::Megabytes => {
                earlier.len() as u64 + 1 >= self.near
                    && earlier.iter().filter(is_counted).count() as u64 + 1 >= self.near
            }
            Measure::Score => {
                let tenths = |note: &Note| i64::from(note.tenths().max(0));
                let earlier: i64 = earlier.iter().filter(is_counted).map(tenths).sum();
                earlier + tenths(note) >= i64::from(self.settings.limit) * 8
            }
        }
    }
}

const _: () = assert!(EventKind::ALL.len() <= 32, "kinds are bits of a u32");
const _: () = assert!(Service::ALL.len() <= 8, "services are bits of a u8");
