//! The filter's limits on connections: those in force, what is counted for them, and what the kernel tells of them.

use std::net::IpAddr;

use mailwall_common::LimitEvent;

use super::{
    Belief, Census, Filter, FilterError, Ring, TracepointError, tracefs,
    tracepoint::{self, Attached, Tracepoint},
};
use crate::limit::{LimitNotice, LimitRule};

impl Filter {
    /// Makes the kernel hold exactly these limits. Who is limited before and after is limited throughout.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn set_limits(&mut self, limits: &[LimitRule]) -> Result<(), FilterError> {
        self.limits.set(limits, &mut self.settings)
    }

    /// Counts connections where there is any limit, and does not where there is none. Tells whether something may be missing from
    /// the count, because it began only now.
    ///
    /// # Errors
    /// When the kernel cannot; SYNs are limited all the same.
    pub fn count_connections(&mut self) -> Result<bool, TracepointError> {
        let pin = self.pins.tracepoint();
        if self.settings.get().limits.is_empty() {
            self.tracepoint = None;
            tracepoint::detach(&pin).map_err(TracepointError::Program)?;
            return Ok(false);
        }
        if self.tracepoint.is_some() {
            return Ok(false);
        }
        let number = match self.tracepoint_number {
            Some(number) => number,
            None => tracefs::tracepoint()?,
        };
        let (tracepoint, attached) = Tracepoint::attach(number, &mut self.programs, &pin)?;
        self.tracepoint = Some(tracepoint);
        Ok(attached == Attached::Now)
    }

    /// Whether connections are counted.
    pub fn counts_connections(&self) -> bool {
        self.tracepoint.is_some()
    }

    /// The open connections as they are counted now.
    ///
    /// # Errors
    /// When the count cannot be read.
    pub fn census(&self) -> Result<Census, FilterError> {
        self.connections.census().map_err(FilterError::Connections)
    }

    /// Connections that this client, or its network where that is counted as one, has open; `None` where they are not counted.
    pub fn open_connections(&self, client: IpAddr) -> Option<u32> {
        self.tracepoint.as_ref()?;
        let key = self.limits.key_of(client)?;
        self.connections.open_of(key).ok()
    }

    /// Corrects the count by the `peers` of the sockets that there are, each as often as it has one; `before` is the
    /// [census](Self::census) from before they were looked for. Tells how many sources were counted wrongly.
    ///
    /// # Errors
    /// When the count cannot be changed.
    pub fn correct_census(
        &mut self,
        before: &Census,
        peers: &[IpAddr],
        belief: Belief,
    ) -> Result<usize, FilterError> {
        let mut sockets = Census::new();
        for key in peers.iter().filter_map(|peer| self.limits.key_of(*peer)) {
            *sockets.entry(key).or_default() += 1;
        }
        self.connections
            .correct(before, &sockets, belief)
            .map_err(FilterError::Connections)
    }

    /// The rings that the kernel leaves its limit events in, for [`follow_limit_events`](super::follow_limit_events); once.
    pub fn take_rings(&mut self) -> Option<[Ring; 2]> {
        self.rings.take()
    }

    /// What a limit event says; `None` for one of a limit that is no more.
    pub fn limit_notice(&self, event: &LimitEvent) -> Option<LimitNotice> {
        self.limits.notice(event)
    }

    /// Limit events that were lost, since the maps were made.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn lost_limit_events(&self) -> Result<u64, FilterError> {
        self.limits.lost()
    }
}
