//! What the rules remember of hosts (in another book, of networks), within bounds of number and of bytes.
//!
//! Most hosts never do enough to come near a limit. Of those only notes are kept, in the order in which they were taken. When a
//! limit may be reached, or the notes become many, they are shown to the rules one after the other and laid out in windows,
//! which gives what the rules would have counted all along.

mod windows;

use std::time::Duration;

use ipnet::IpNet;

use self::windows::Windows;
use super::{Counter, Found, Measure, Moment, NetKey, Tracked, moment::whole_millis, note::Note};
use crate::event::SessionId;

/// Most notes that are kept of a host as they are: more take about as much memory as windows do.
const NOTES_MAX: usize = 8;

/// What all rules remember of the hosts, or of the networks.
#[derive(Debug)]
pub(crate) struct Book {
    records: Tracked<NetKey, Record>,
    /// Bytes that records take beside themselves, and how many that may be.
    bytes: usize,
    bytes_max: usize,
    /// [`NOTES_MAX`], but in tests.
    notes_max: usize,
}

/// What is remembered of one of them.
#[derive(Debug)]
enum Record {
    Note(Note),
    Notes(Vec<Note>),
    Windows(Box<Windows>),
}

/// The rules that a book is for, as an event is held against them.
pub(crate) struct Rules<'a, G> {
    /// All rules.
    pub(crate) all: &'a mut [Counter],
    /// Indices of those whose records are in the book.
    pub(crate) of_book: &'a [usize],
    /// Those among them that may count the kind of the event.
    pub(crate) of_kind: &'a [usize],
    /// How many times they have changed.
    pub(crate) era: u8,
    /// What the subject did well, in the window of a rule.
    pub(crate) good: G,
}

impl Book {
    /// An empty one for at most `capacity` subjects, which take at most `bytes_max` bytes and what one event adds, beside the
    /// 100 that each has.
    pub(crate) fn new(capacity: usize, bytes_max: usize) -> Self {
        Self {
            records: Tracked::new(capacity),
            bytes: 0,
            bytes_max,
            notes_max: NOTES_MAX,
        }
    }

    /// Keeps no notes: everything is laid out in windows at once.
    #[cfg(test)]
    pub(crate) fn keep_no_notes(&mut self) {
        self.notes_max = 0;
    }

    /// How many it tracks.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes that the records take beside themselves.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many of them a rule counts something of: a look at each, for people who ask.
    pub(crate) fn tracked_by(&self, rule: usize, counters: &[Counter], era: u8) -> usize {
        let counter = &counters[rule];
        let counts = |note: &Note| counter.counts_note(note) && counter.knew(note, era);
        let of_record = |record: &Record| match record {
            Record::Note(note) => usize::from(counts(note)),
            Record::Notes(notes) => usize::from(notes.iter().any(counts)),
            Record::Windows(windows) => windows.count_of(rule),
        };
        self.records.values().map(of_record).sum()
    }

    /// How many of them are near the rule's limit: at four fifths of it, or beyond. A look at each, too.
    pub(crate) fn near_by(&self, rule: usize, counters: &[Counter], era: u8) -> usize {
        let counter = &counters[rule];
        let counts = |note: &&Note| counter.counts_note(note) && counter.knew(note, era);
        let sum = |notes: &[Note]| {
            let counted = notes.iter().filter(counts);
            match counter.settings().measure {
                Measure::Count | Measure::Recipients | Measure::Megabytes => {
                    10 * counted.count() as i64
                }
                Measure::Score => counted.map(|note| i64::from(note.tenths())).sum(),
            }
        };
        let is_near = |tenths: i64| tenths * 5 >= i64::from(counter.settings().limit) * 40;
        let of_record = |record: &Record| match record {
            Record::Note(note) => usize::from(is_near(sum(std::slice::from_ref(note)))),
            Record::Notes(notes) => usize::from(is_near(sum(notes))),
            Record::Windows(windows) => windows.near_of(rule, counter.settings().measure, is_near),
        };
        self.records.values().map(of_record).sum()
    }

    /// Takes in what `subject` did. Breaches of rules go to `found`.
    pub(crate) fn observe<G: Fn(usize) -> u64>(
        &mut self,
        subject: IpNet,
        note: Note,
        longest: Duration,
        rules: Rules<'_, G>,
        found: &mut Found,
    ) {
        let notes_max = self.notes_max;
        let longest_ms = whole_millis(longest);
        let fits = |rules: &Rules<'_, G>, notes: &[Note]| {
            notes.len() < notes_max
                && !rules.of_kind.iter().any(|&rule| {
                    let counter = &rules.all[rule];
                    counter.counts_note(&note) && counter.may_be_near(notes, &note)
                })
        };
        let mut is_new = false;
        let (record, displaced) = self.records.touch(NetKey(subject), note.at(), || {
            is_new = true;
            Record::Note(note)
        });
        let before = if is_new { 0 } else { record.heap_bytes() };
        let mut is_left = true;
        match record {
            Record::Note(_) if is_new => {
                if !fits(&rules, &[]) {
                    is_left = record.unfold(&[], subject, &note, rules, found);
                }
            }
            Record::Note(first) => {
                let first = *first;
                if is_out(&first, &note, longest_ms) {
                    *record = Record::Note(note);
                    if !fits(&rules, &[]) {
                        is_left = record.unfold(&[], subject, &note, rules, found);
                    }
                } else if fits(&rules, &[first]) {
                    let mut notes = Vec::with_capacity(2);
                    notes.extend([first, note]);
                    *record = Record::Notes(notes);
                } else {
                    is_left = record.unfold(&[first], subject, &note, rules, found);
                }
            }
            Record::Notes(notes) => {
                notes.retain(|earlier| !is_out(earlier, &note, longest_ms));
                if fits(&rules, notes) {
                    if notes.len() == notes.capacity() {
                        // One more, or two: many hosts have few.
                        notes.reserve_exact(1 + notes.len() / 4);
                    }
                    notes.push(note);
                } else {
                    let notes = std::mem::take(notes);
                    is_left = record.unfold(&notes, subject, &note, rules, found);
                }
            }
            Record::Windows(windows) => {
                is_left = windows.observe(subject, &note, rules, found);
            }
        }
        let after = record.heap_bytes();
        self.bytes = self.bytes + after - before;
        self.bytes -= displaced.map_or(0, |record| record.heap_bytes());
        if !is_left {
            self.forget_net(&subject);
        }
        while self.bytes > self.bytes_max {
            let Some(record) = self.records.pop_oldest() else {
                break;
            };
            self.bytes -= record.heap_bytes();
        }
    }

    /// The session of the subject is over.
    pub(crate) fn end_session(&mut self, subject: &IpNet, session: SessionId) {
        let Some(record) = self.records.get_mut(&NetKey(*subject)) else {
            return;
        };
        let before = record.heap_bytes();
        let mut is_left = true;
        match record {
            Record::Note(note) => end(note, session),
            Record::Notes(notes) => notes.iter_mut().for_each(|note| end(note, session)),
            Record::Windows(windows) => is_left = windows.end_session(session),
        }
        self.bytes = self.bytes + record.heap_bytes() - before;
        if !is_left {
            self.forget_net(subject);
        }
    }

    /// Forgets everything of exactly `net`.
    pub(crate) fn forget_net(&mut self, net: &IpNet) {
        if let Some(record) = self.records.remove(&NetKey(*net)) {
            self.bytes -= record.heap_bytes();
        }
    }

    /// Forgets those that nothing was counted of for `longest`, the longest window.
    pub(crate) fn forget(&mut self, now: Moment, longest: Duration) {
        while let Some(record) = self.records.pop_idle(now, longest) {
            self.bytes -= record.heap_bytes();
        }
    }

    /// The rules have changed: `to` has the new index of each that stays.
    pub(crate) fn renumber(&mut self, to: &[Option<usize>]) {
        let mut bytes = 0;
        self.records.for_each(|record| {
            if let Record::Windows(windows) = record {
                windows.renumber(to);
            }
            bytes += record.heap_bytes();
        });
        self.bytes = bytes;
    }
}

impl Record {
    /// Lays out the notes and one more in windows. Whether anything is left to be remembered.
    fn unfold<G: Fn(usize) -> u64>(
        &mut self,
        notes: &[Note],
        subject: IpNet,
        note: &Note,
        mut rules: Rules<'_, G>,
        found: &mut Found,
    ) -> bool {
        let mut windows = Box::new(Windows::default());
        for earlier in notes {
            windows.replay(earlier, &mut rules);
        }
        let is_left = windows.observe(subject, note, rules, found);
        *self = Self::Windows(windows);
        is_left
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Note(_) => 0,
            Self::Notes(notes) => notes.capacity() * size_of::<Note>(),
            Self::Windows(windows) => windows.heap_bytes(),
        }
    }
}

/// Whether it counts in no window any more that holds `newer`.
fn is_out(note: &Note, newer: &Note, longest_ms: u64) -> bool {
    newer.at().millis_since(note.at()) >= longest_ms
}

fn end(note: &mut Note, session: SessionId) {
    if note.session() == Some(session) {
        note.end_session();
    }
}

const _: () = assert!(size_of::<Record>() <= 48);
