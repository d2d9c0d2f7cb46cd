//! What can be stored later: counts, accounts, regulars. It is stored a piece at a time, when nothing else is to be done: a ban
//! never waits for more than one piece.

use tracing::warn;

use super::Daemon;
use crate::{account::Account, regular::Regular, tally::Tallied};

/// Most rows of a piece: half a millisecond of work. An account is several.
const ROWS: usize = 64;
const ACCOUNTS: usize = 16;

/// Waits to be stored; at most what was heard of between two times that the house is kept.
#[derive(Default)]
pub(super) struct Chores {
    tally: Vec<Tallied>,
    accounts: Vec<Account>,
    regulars: Vec<Regular>,
}

impl Chores {
    /// Whether there are none.
    pub(super) fn are_done(&self) -> bool {
        self.tally.is_empty() && self.accounts.is_empty() && self.regulars.is_empty()
    }
}

impl Daemon {
    /// Stores one piece.
    pub(super) fn do_chore(&mut self) {
        if !self.chores.tally.is_empty() {
            self.store_tally(ROWS);
        } else if !self.chores.accounts.is_empty() {
            self.store_accounts(ACCOUNTS);
        } else {
            self.store_regulars(ROWS);
        }
    }

    /// Stores all that was counted. After the checkpoints, so that a crash can lose seconds of it, but never counts a line twice.
    pub(super) fn save_tally(&mut self) {
        self.put_off_tally();
        self.store_tally(usize::MAX);
    }

    /// Stores all that is known of accounts and regulars. A crash loses what was heard since the last time, and no hold.
    pub(super) fn save_accounts_and_regulars(&mut self) {
        self.put_off_accounts_and_regulars();
        self.store_accounts(usize::MAX);
        self.store_regulars(usize::MAX);
    }

    /// [`Daemon::save_tally`] by and by.
    pub(super) fn put_off_tally(&mut self) {
        // What was put off until now had no quiet moment.
        self.store_tally(usize::MAX);
        self.retold.forget_before(self.clock.now());
        self.echoes.forget(self.clock.now());
        let mut rows = self.tally.take();
        // Those of a piece lie together in the table, so that it writes few pages.
        rows.sort_unstable_by(|a, b| (&a.who, a.at, a.kind).cmp(&(&b.who, b.at, b.kind)));
        self.chores.tally = rows;
    }

    /// [`Daemon::save_accounts_and_regulars`] by and by.
    pub(super) fn put_off_accounts_and_regulars(&mut self) {
        self.store_accounts(usize::MAX);
        self.store_regulars(usize::MAX);
        self.chores.accounts = self.judge.take_changed_accounts();
        self.chores.regulars = self.judge.take_regulars();
        self.chores
            .regulars
            .sort_unstable_by_key(|regular| regular.net);
    }

    fn store_tally(&mut self, most: usize) {
        let rows = piece(&mut self.chores.tally, most);
        if let Some(rows) = rows
            && let Err(error) = self.store.add_tally(&rows, &self.clock)
        {
            self.chores.tally.extend(rows);
            let rows = std::mem::take(&mut self.chores.tally);
            if self.health.unsaved().is_none() {
                warn!(
                    counts = rows.len(),
                    "not in reports yet, for they cannot be saved: {error}"
                );
            }
            self.tally.give_back(rows);
        }
    }

    fn store_accounts(&mut self, most: usize) {
        let accounts = piece(&mut self.chores.accounts, most);
        if let Some(accounts) = accounts
            && let Err(error) = self.store.save_accounts(&accounts, &self.clock)
        {
            warn!(accounts = accounts.len(), "not saved yet: {error}");
            self.judge.give_back_accounts(&accounts);
        }
    }

    fn store_regulars(&mut self, most: usize) {
        let regulars = piece(&mut self.chores.regulars, most);
        if let Some(regulars) = regulars
            && let Err(error) = self.store.save_regulars(&regulars, &self.clock)
        {
            warn!(
                hosts = regulars.len(),
                "who did well is not saved yet: {error}"
            );
            self.judge.give_back_regulars(&regulars);
        }
    }
}

/// Takes `most` of what waits, or all of it where that is less; `None` where nothing does.
fn piece<T>(waiting: &mut Vec<T>, most: usize) -> Option<Vec<T>> {
    let first = waiting.len().saturating_sub(most);
    let piece = waiting.split_off(first);
    (!piece.is_empty()).then_some(piece)
}
