//! The windows of one host (or network): one for each rule that counted something, and for each of its sessions.

use ipnet::IpNet;

use super::{
    super::{Breach, Counter, Found, Measure, Per, Reach, note::Note, window::Window},
    Rules,
};
use crate::event::SessionId;

/// Most windows of sessions that are kept of one host: the one longest without an event gives way.
const SESSIONS_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Windows {
    all: Vec<OfRule>,
}

#[derive(Debug)]
struct OfRule {
    rule: usize,
    session: Option<SessionId>,
    window: Window,
}

impl Windows {
    /// Takes in what was noted while no limit was near.
    pub(super) fn replay<G>(&mut self, note: &Note, rules: &mut Rules<'_, G>) {
        for &rule in rules.of_book {
            let counter = &rules.all[rule];
            if counter.counts_note(note) && counter.knew(note, rules.era) {
                let position = self.position(rule, counter, note);
                let window = &mut self.all[position].window;
                window.add(note, counter.settings(), counter.slots);
            }
        }
    }

    /// Takes in an event. Whether any window is left.
    pub(super) fn observe<G: Fn(usize) -> u64>(
        &mut self,
        subject: IpNet,
        note: &Note,
        rules: Rules<'_, G>,
        found: &mut Found,
    ) -> bool {
        for &rule in rules.of_kind {
            let counter = &mut rules.all[rule];
            if !counter.counts_note(note) {
                continue;
            }
            let position = self.position(rule, counter, note);
            let window = &mut self.all[position].window;
            let settings = counter.settings();
            let is_one_more = window.add(note, settings, counter.slots);
            let reach = match is_one_more {
                true => window.reach(settings),
                false => Reach::Far,
            };
            let is_bad = || {
                settings.bad_share == 0
                    || is_bad_enough(
                        window.counted(note.at(), counter.slots),
                        (rules.good)(rule),
                        settings.bad_share,
                    )
            };
            match reach {
                Reach::Full if is_bad() => {
                    let breach = Breach::new(subject, window, settings);
                    if settings.then.delay.is_some() {
                        // It counts on: the next delay is longer.
                        window.trim(settings);
                    } else {
                        // From here the count starts anew: a ban is the answer to what led to it.
                        self.all.remove(position);
                    }
                    counter.breached();
                    found.breaches.push((rule, breach));
                }
                Reach::Near if is_bad() => {
                    found.near.push((rule, subject, window.sum(settings)));
                    window.trim(settings);
                }
                Reach::Full | Reach::Near | Reach::Far => {
                    window.trim(settings);
                }
            }
        }
        !self.all.is_empty()
    }

    /// Forgets the session; whether any window is left.
    pub(super) fn end_session(&mut self, session: SessionId) -> bool {
        self.all.retain(|of_rule| of_rule.session != Some(session));
        !self.all.is_empty()
    }

    /// How many are of the rule.
    pub(super) fn count_of(&self, rule: usize) -> usize {
        self.all
            .iter()
            .filter(|of_rule| of_rule.rule == rule)
            .count()
    }

    /// How many of the rule have a sum, in tenths, that is near its limit.
    pub(super) fn near_of(
        &self,
        rule: usize,
        measure: Measure,
        is_near: impl Fn(i64) -> bool,
    ) -> usize {
        let tenths = |window: &Window| match measure {
            Measure::Count | Measure::Recipients | Measure::Megabytes => 10 * window.len() as i64,
            Measure::Score => window.tenths(),
        };
        let of_rule = self.all.iter().filter(|of_rule| of_rule.rule == rule);
        of_rule
            .filter(|of_rule| is_near(tenths(&of_rule.window)))
            .count()
    }

    pub(super) fn renumber(&mut self, to: &[Option<usize>]) {
        self.all.retain_mut(|of_rule| match to.get(of_rule.rule) {
            Some(Some(rule)) => {
                of_rule.rule = *rule;
                true
            }
            _ => false,
        });
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let entries: usize = self
            .all
            .iter()
            .map(|of_rule| of_rule.window.heap_bytes())
            .sum();
        size_of::<Self>() + self.all.capacity() * size_of::<OfRule>() + entries
    }

    /// Where the window is that the rule counts the note in.
    fn position(&mut self, rule: usize, counter: &Counter, note: &Note) -> usize {
        let session = match counter.settings().per {
            Per::Session => note.session(),
            Per::Address | Per::Network | Per::Account | Per::AccountSession => None,
        };
        let is_it = |of_rule: &OfRule| of_rule.rule == rule && of_rule.session == session;
        if let Some(position) = self.all.iter().position(is_it) {
            return position;
        }
        if session.is_some() {
            self.make_room(rule, counter, note);
        }
        self.all.push(OfRule {
            rule,
            session,
            window: Window::default(),
        });
        self.all.len() - 1
    }

    /// Forgets sessions of the rule that are out of its window, and one more when there are too many.
    fn make_room(&mut self, rule: usize, counter: &Counter, note: &Note) {
        if self.count_of(rule) < SESSIONS_MAX {
            return;
        }
        let length = counter.settings().window;
        self.all.retain(|of_rule| {
            let latest = of_rule.window.latest();
            of_rule.rule != rule || latest.is_some_and(|at| note.at().since(at) < length)
        });
        if self.count_of(rule) < SESSIONS_MAX {
            return;
        }
        let of_sessions = self
            .all
            .iter()
            .enumerate()
            .filter(|(_, of_rule)| of_rule.rule == rule);
        let oldest = of_sessions.min_by_key(|(_, of_rule)| of_rule.window.latest());
        if let Some((oldest, _)) = oldest {
            self.all.remove(oldest);
        }
    }
}

/// Whether `bad` is at least `share` percent of all.
fn is_bad_enough(bad: u64, good: u64, share: u8) -> bool {
    bad * 100 >= (bad + good) * u64::from(share)
}
