//! The failures of one host that may be told again.

use std::{collections::VecDeque, num::NonZeroU16};

use super::WITHIN;
use crate::rule::Moment;

/// Most failures of a host that are remembered.
pub(super) const FAILURES_MAX: usize = 16;
/// Most programs that tell of one failure.
const TELLERS_MAX: usize = 3;

/// The failures of a host: at most [`FAILURES_MAX`], the one that was told first gives way.
#[derive(Debug)]
pub(super) struct Failures {
    pub(super) older: VecDeque<Failure>,
    /// Most hosts have no more than one.
    newest: Failure,
    /// The latest time of all.
    pub(super) latest: Moment,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    at: Moment,
    pub(super) account: Option<u64>,
    tellers: [Option<Teller>; TELLERS_MAX],
}

/// The number of a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Teller(pub(super) NonZeroU16);

impl Failures {
    pub(super) fn new(first: Failure) -> Self {
        Self {
            older: VecDeque::new(),
            newest: first,
            latest: first.at,
        }
    }

    /// The one told first of those that `teller` may tell of again.
    pub(super) fn again(
        &mut self,
        at: Moment,
        teller: Teller,
        account: Option<u64>,
    ) -> Option<&mut Failure> {
        let all = self.older.iter_mut().chain([&mut self.newest]);
        let mut all = all.into_iter();
        all.find(|failure| failure.may_be_told(at, teller, account))
    }

    pub(super) fn push(&mut self, failure: Failure) {
        if self.older.len() + 1 >= FAILURES_MAX {
            self.older.pop_front();
        }
        self.older.push_back(self.newest);
        self.newest = failure;
        self.latest = self.latest.max(failure.at);
    }
}

impl Failure {
    pub(super) fn new(at: Moment, account: Option<u64>, teller: Teller) -> Self {
        let mut tellers = [None; TELLERS_MAX];
        tellers[0] = Some(teller);
        Self {
            at,
            account,
            tellers,
        }
    }

    fn may_be_told(&self, at: Moment, teller: Teller, account: Option<u64>) -> bool {
        let is_same = match (self.account, account) {
            (Some(mine), Some(other)) => mine == other,
            _ => true,
        };
        is_same
            && self.at.apart(at) <= WITHIN
            && !self.tellers.contains(&Some(teller))
            && self.tellers.contains(&None)
    }

    pub(super) fn add(&mut self, teller: Teller) {
        if let Some(free) = self.tellers.iter_mut().find(|teller| teller.is_none()) {
            *free = Some(teller);
        }
    }
}
