//! The sliding window of one host under one rule: what counts, and how much it comes to.

use std::time::Duration;

use super::{
    Measure, Moment, RuleSettings,
    breach::{Reach, is_near},
    good::{Slots, Tally},
    note::Note,
};
use crate::event::EventKind;

/// Times between which a mail program and its login server log the same failure, the one with the account, the other
/// without (research D-16).
const TWIN_WITHIN: Duration = Duration::from_secs(3);
const TWIN_WITHIN_MS: u64 = TWIN_WITHIN.as_secs() * 1_000;

/// Events of one host that count, oldest first: never more than the rule's limit makes necessary.
#[derive(Debug, Default)]
pub(crate) struct Window {
    entries: Vec<Entry>,
    /// Sum of the entries' scores, in tenths.
    tenths: i64,
    /// Every event that counted in the window, also those no longer remembered one by one.
    counted: Tally,
    /// Kinds of the counted events, as bits.
    kinds: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Moment,
    /// Hash of what must differ; `None` for what always differs.
    value: Option<u64>,
    tenths: i16,
    twin: Twin,
}

/// Whether another program may log the same event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Twin {
    /// It does not.
    None,
    /// A failed login without an account: one with an account may follow.
    Anonymous,
    /// A failed login of an account: one without an account may follow.
    Named,
}

impl Window {
    /// Takes in an event that the rule counts. Whether it was one more: not a repeat, not older than the window.
    pub(crate) fn add(&mut self, note: &Note, rule: &RuleSettings, slots: Slots) -> bool {
        let at = note.at();
        let latest = self.entries.last().map_or(at, |entry| entry.at.max(at));
        if latest.millis_since(at) >= slots.window_ms {
            return false;
        }
        self.forget(latest, slots.window_ms);
        let value = note.identity(rule);
        let twin = twin(note);
        let was_counted_without_account = match twin {
            Twin::Anonymous if self.has_named_twin(at) => return false,
            Twin::Named => self.drop_anonymous_twin(at),
            Twin::None | Twin::Anonymous => false,
        };
        if let Some(known) = self.position(value) {
            let entry = self.remove(known);
            self.insert(Entry {
                at: entry.at.max(at),
                twin,
                ..entry
            });
            return false;
        }
        self.insert(Entry {
            at,
            value,
            tenths: note.tenths(),
            twin,
        });
        if was_counted_without_account {
            return false;
        }
        self.counted.add(at, slots);
        self.kinds |= note.kind_bit();
        true
    }

    /// How far it has come to the rule's limit.
    pub(crate) fn reach(&self, rule: &RuleSettings) -> Reach {
        let (sum, unit) = match rule.measure {
            Measure::Count | Measure::Recipients | Measure::Megabytes => {
                (self.entries.len() as u64, 1)
            }
            Measure::Score => (u64::try_from(self.tenths).unwrap_or(0), 10),
        };
        if sum >= u64::from(rule.full()) * unit {
            Reach::Full
        } else if is_near(sum, u64::from(rule.limit) * unit) {
            Reach::Near
        } else {
            Reach::Far
        }
    }

    /// What it comes to, in what the limit is told in.
    pub(crate) fn sum(&self, rule: &RuleSettings) -> u32 {
        let sum = match rule.measure {
            Measure::Count | Measure::Recipients | Measure::Megabytes => self.entries.len() as u64,
            Measure::Score => u64::try_from(self.tenths / 10).unwrap_or(0),
        };
        u32::try_from(sum).unwrap_or(u32::MAX)
    }

    /// Forgets what is more than enough for the limit; how many entries are left.
    pub(crate) fn trim(&mut self, rule: &RuleSettings) -> usize {
        let enough = |window: &Self| match rule.measure {
            Measure::Count | Measure::Recipients | Measure::Megabytes => {
                window.entries.len() > rule.enough() as usize
            }
            Measure::Score => window.entries.first().is_some_and(|oldest| {
                window.tenths - i64::from(oldest.tenths) >= i64::from(rule.limit) * 10
            }),
        };
        while enough(self) {
            self.remove(0);
        }
        self.entries.len()
    }

    /// Time of the newest entry.
    pub(crate) fn latest(&self) -> Option<Moment> {
        self.entries.last().map(|entry| entry.at)
    }

    /// Bytes that it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// How many entries it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every event that counted in the window that ends at `now`.
    pub(crate) fn counted(&self, now: Moment, slots: Slots) -> u64 {
        self.counted.sum(now, slots)
    }

    /// Sum of the scores in tenths.
    pub(crate) fn tenths(&self) -> i64 {
        self.tenths
    }

    /// Time from the first entry to the last.
    pub(crate) fn span(&self) -> Duration {
        match (self.entries.first(), self.entries.last()) {
            (Some(first), Some(last)) => last.at.since(first.at),
            _ => Duration::ZERO,
        }
    }

    /// Kinds of the counted events, in the order of [`EventKind::ALL`].
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        EventKind::ALL
            .iter()
            .copied()
            .filter(|kind| self.kinds & (1 << *kind as u32) != 0)
            .collect()
    }

    fn forget(&mut self, now: Moment, window_ms: u64) {
        let is_out = |entry: &Entry| now.millis_since(entry.at) >= window_ms;
        // Mostly nothing is.
        if self.entries.first().is_some_and(is_out) {
            let gone = self.entries.partition_point(is_out);
            for entry in self.entries.drain(..gone) {
                self.tenths -= i64::from(entry.tenths);
            }
        }
        if self.entries.is_empty() {
            self.kinds = 0;
        }
    }

    fn insert(&mut self, entry: Entry) {
        let position = match self.entries.last() {
            Some(last) if last.at > entry.at => self
                .entries
                .partition_point(|present| present.at <= entry.at),
            // Lines come in the order of time.
            _ => self.entries.len(),
        };
        if self.entries.capacity() == 0 {
            // Most hosts never come to a second one.
            self.entries.reserve_exact(1);
        }
        self.entries.insert(position, entry);
        self.tenths += i64::from(entry.tenths);
    }

    fn remove(&mut self, position: usize) -> Entry {
        let entry = self.entries.remove(position);
        self.tenths -= i64::from(entry.tenths);
        entry
    }

    /// Where the entry is that an event of `value` repeats.
    fn position(&self, value: Option<u64>) -> Option<usize> {
        let value = value?;
        self.entries
            .iter()
            .position(|entry| entry.value == Some(value))
    }

    /// The first entry that may be the twin of an event at `at`.
    fn first_near(&self, at: Moment) -> usize {
        // The last ones are near, and few.
        let is_far = |entry: &Entry| at.millis_since(entry.at) > TWIN_WITHIN_MS;
        self.entries
            .iter()
            .rposition(is_far)
            .map_or(0, |far| far + 1)
    }

    /// Whether a failure without an account is one of those that came with theirs; each is the twin of one only.
    fn has_named_twin(&mut self, at: Moment) -> bool {
        let near = self.first_near(at);
        let twin = self.entries[near..]
            .iter_mut()
            .find(|entry| entry.twin == Twin::Named && entry.at.apart(at) <= TWIN_WITHIN);
        match twin {
            Some(entry) => {
                entry.twin = Twin::None;
                true
            }
            None => false,
        }
    }

    /// Takes out the failure without an account that one with an account turns out to be, if there is one.
    fn drop_anonymous_twin(&mut self, at: Moment) -> bool {
        let near = self.first_near(at);
        let twin = self.entries[near..]
            .iter()
            .position(|entry| entry.twin == Twin::Anonymous && entry.at.apart(at) <= TWIN_WITHIN);
        match twin {
            Some(position) => {
                self.remove(near + position);
                true
            }
            None => false,
        }
    }
}

fn twin(note: &Note) -> Twin {
    match (note.kind(), note.has_account()) {
        (EventKind::AuthFailure, false) => Twin::Anonymous,
        (EventKind::AuthFailure, true) => Twin::Named,
        _ => Twin::None,
    }
}

const _: () = assert!(EventKind::ALL.len() <= 32, "kinds are bits of a u32");
