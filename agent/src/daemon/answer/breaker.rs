//! The pause of bans: shown, and ended by the operator.

use super::super::{Daemon, view};
use crate::control::protocol::{BreakerResumed, BreakerShown, PauseView, SCHEMA};

impl Daemon {
    pub(super) fn show_breaker(&self) -> BreakerShown {
        let now = self.clock.now();
        let settings = &self.config.clemency.breaker;
        let pause = self.judge.pause().map(|pause| PauseView {
            since: view::time(pause.since, &self.clock),
            age_s: now
                .duration_since(pause.since)
                .unwrap_or_default()
                .as_secs(),
            until: view::time(pause.until, &self.clock),
            reason: pause.reason.clone(),
            spared: pause.spared,
        });
        BreakerShown {
            schema: SCHEMA,
            enabled: settings.enabled,
            hosts: settings.hosts,
            share: settings.share,
            bans: settings.bans,
            within_s: settings.within.as_secs(),
            pause_s: settings.pause.as_secs(),
            pause,
            muted_until: self.muted_until(),
        }
    }

    pub(super) fn resume_bans(&mut self) -> BreakerResumed {
        let spared = self.judge.pause().map_or(0, |pause| pause.spared);
        let resumed = self.judge.resume(self.clock.now());
        self.carry_out_decisions();
        BreakerResumed {
            schema: SCHEMA,
            resumed,
            spared,
            muted_until: self.muted_until().filter(|_| resumed),
        }
    }

    fn muted_until(&self) -> Option<String> {
        let until = self.judge.muted_until(self.clock.now());
        until.map(|until| view::time(until, &self.clock))
    }
}
