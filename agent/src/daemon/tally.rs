//! How often what happened, since the agent started.

use crate::{
    decision::Decision,
    event::{Event, EventKind},
};

/// Counts of events and decisions.
#[derive(Debug)]
pub(super) struct Tally {
    /// By kind, in the order of [`EventKind::ALL`].
    events: Vec<u64>,
    /// By name: as many as there are sorts of decision.
    decisions: Vec<(&'static str, u64)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            events: vec![0; EventKind::ALL.len()],
            decisions: vec![("ban", 0), ("unban", 0)],
        }
    }
}

impl Tally {
    pub(super) fn note_event(&mut self, event: &Event) {
        if let Some(count) = self.events.get_mut(event.kind as usize) {
            *count += 1;
        }
    }

    pub(super) fn note_decision(&mut self, decision: &Decision) {
        let name = name(decision);
        match self.decisions.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.decisions.push((name, 1)),
        }
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
        kinds.zip(self.events.iter().copied())
    }

    pub(super) fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.decisions.iter().copied()
    }
}

fn name(decision: &Decision) -> &'static str {
    match decision {
        Decision::Ban(_) => "ban",
        Decision::Unban { .. } => "unban",
        Decision::WouldBan(_) => "would-ban",
        Decision::WouldAct(trial) => trial.deed.as_trial(),
        Decision::Tarpit(_) => "tarpit",
        Decision::Hold(_) => "hold",
        Decision::Release { .. } => "release",
        Decision::Kick(_) => "kick",
        Decision::Notify(_) => "notify",
    }
}
