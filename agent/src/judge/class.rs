//! What is remembered of one class of subjects.

use std::time::Duration;

use crate::rule::{
    Book, Counter, Goods, Moment, NETWORKS_BYTES_MAX, NETWORKS_TRACKED_MAX, Per, TRACKED_BYTES_MAX,
    TRACKED_MAX, good_window,
};

/// What is remembered of one class of subjects: of hosts and their sessions, or of networks.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) book: Book,
    pub(super) goods: Goods,
    /// For each rule the number of the window that its good events are counted in; `None` where they do not matter.
    pub(super) good_of: Vec<Option<usize>>,
    /// Indices of the rules on such subjects.
    pub(super) rules: Vec<usize>,
}

impl Class {
    pub(super) fn of_hosts() -> Self {
        Self::new(Book::new(TRACKED_MAX, TRACKED_BYTES_MAX))
    }

    pub(super) fn of_networks() -> Self {
        Self::new(Book::new(NETWORKS_TRACKED_MAX, NETWORKS_BYTES_MAX))
    }

    fn new(book: Book) -> Self {
        Self {
            book,
            goods: Goods::new(Vec::new()),
            good_of: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Other rules: `to` has the new index of each that stays, `goods` the windows in which good events are asked for.
    pub(super) fn reconfigure(
        &mut self,
        to: &[Option<usize>],
        goods: Vec<Duration>,
        counters: &[Counter],
        is_of: fn(Per) -> bool,
    ) {
        self.book.renumber(to);
        self.goods.set_windows(goods);
        let good_of = |counter: &Counter| self.goods.window(good_window(counter.settings().window));
        self.good_of = counters.iter().map(good_of).collect();
        let is_of = |&rule: &usize| is_of(counters[rule].settings().per);
        self.rules = (0..counters.len()).filter(is_of).collect();
    }

    pub(super) fn forget(&mut self, now: Moment, longest: Duration) {
        self.book.forget(now, longest);
        self.goods.forget(now);
    }
}
