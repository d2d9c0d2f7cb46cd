//! Takes a changed config over: all of it or nothing.

use std::fmt::Display;

use super::{Daemon, notify::host_name, start};
use crate::{
    config::{Config, ConfigError},
    control::protocol::{Reloaded, SCHEMA},
};

impl Daemon {
    /// Reads the config again and puts it in force.
    ///
    /// # Errors
    /// When it is broken; the old one stays in force.
    pub(super) fn reload(&mut self) -> Result<Reloaded, ConfigError> {
        self.manager.reloading();
        let reloaded = self.take_over();
        self.tell_ready();
        reloaded
    }

    fn take_over(&mut self) -> Result<Reloaded, ConfigError> {
        let config = Config::load(&self.paths.config)?;
        let old = std::mem::replace(&mut self.config, config);
        let changes = changes(&old, &self.config);
        self.judge.reconfigure(start::judge_settings(&self.config));
        self.renew_allowlist();
        self.renew_clemency();
        self.bound_store();
        self.fill_filter();
        self.limit_connections();
        self.attach();
        if old.patterns != self.config.patterns {
            self.read_by_patterns();
        }
        self.renew_policy(&old.policy);
        self.follow_sources();
        self.next_report = None;
        self.notify
            .reconfigure(&self.config.all_notifiers(), &host_name());
        self.serve_metrics();
        let needs_restart = (old.control != self.config.control)
            .then(|| "[control] is read at the next start".to_owned());
        Ok(Reloaded {
            schema: SCHEMA,
            changes,
            needs_restart: needs_restart.into_iter().collect(),
        })
    }
}

/// One line for each section that differs.
fn changes(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |differs: bool, line: String| {
        if differs {
            changes.push(line);
        }
    };
    let patterns = |config: &Config| config.patterns.set.settings().count();
    let (was, is) = (&old.filter, &new.filter);
    note(
        was.mode != is.mode,
        was_is("mode", was.mode.as_str(), is.mode.as_str()),
    );
    note(
        was.ports != is.ports,
        format!("ports: {:?} -> {:?}", was.ports, is.ports),
    );
    note(
        was.interfaces != is.interfaces || was.attach != is.attach,
        "interfaces to attach to".to_owned(),
    );
    note(
        was.ipv6_prefix != is.ipv6_prefix,
        was_is("ipv6_prefix", was.ipv6_prefix, is.ipv6_prefix),
    );
    note(
        old.allow != new.allow,
        was_is("[allow] networks", old.allow.len(), new.allow.len()),
    );
    note(
        old.clemency != new.clemency,
        "[spare], [breaker], [honeypot] or providers".to_owned(),
    );
    note(
        old.limits != new.limits,
        was_is("limits", old.limits.len(), new.limits.len()),
    );
    note(
        old.sources != new.sources,
        was_is("sources", old.sources.len(), new.sources.len()),
    );
    note(old.report != new.report, "[report]".to_owned());
    note(
        old.notifiers != new.notifiers,
        was_is("notifiers", old.notifiers.len(), new.notifiers.len()),
    );
    note(
        old.patterns != new.patterns,
        was_is("patterns", patterns(old), patterns(new)),
    );
    note(
        old.policy != new.policy,
        match &new.policy.listen {
            Some(listen) => format!("[policy]: {listen}"),
            None => "[policy]: no service".to_owned(),
        },
    );
    note(
        old.store != new.store,
        was_is("[store] max_mb", old.store.max_mb(), new.store.max_mb()),
    );
    note(
        old.metrics != new.metrics,
        "where metrics are served".to_owned(),
    );
    note(
        old.rules.preset != new.rules.preset,
        was_is("preset", &old.rules.preset, &new.rules.preset),
    );
    note(
        old.rules.rules != new.rules.rules,
        was_is("rules", old.rules.rules.len(), new.rules.rules.len()),
    );
    changes
}

fn was_is(what: &str, old: impl Display, new: impl Display) -> String {
    format!("{what}: {old} -> {new}")
}
