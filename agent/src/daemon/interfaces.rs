//! Which interfaces the filter is to be on, as the config says and the host is now, and putting it there.

use tracing::warn;

use super::Daemon;
use crate::{
    config::{Attach, Interfaces},
    filter::{AttachChoice, Filter},
    host,
};

impl Daemon {
    /// Attaches to the interfaces of the config, and notes which refuse.
    pub(super) fn attach(&mut self) {
        let choice = attach_choice(self.config.filter.attach);
        self.attach_by(|filter, names| {
            filter.attach(names, choice);
        });
    }

    /// The same after the host's interfaces or routes changed.
    pub(super) fn follow_network(&mut self) {
        let choice = attach_choice(self.config.filter.attach);
        self.attach_by(|filter, names| {
            filter.follow(names, choice);
        });
    }

    fn attach_by(&mut self, attach: impl FnOnce(&mut Filter, &[String])) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        let wanted = match &self.config.filter.interfaces {
            Interfaces::Named(names) => Ok(names.clone()),
            Interfaces::Auto => carriers(),
        };
        match wanted {
            Ok(names) => {
                attach(filter, &names);
                self.health.note_attach(None);
            }
            // A route may be gone for a moment only: what is guarded stays so.
            Err(why) => {
                attach(filter, &filter.guarded());
                self.health.note_attach(Some(without_route(filter, &why)));
            }
        }
        if let Err(error) = filter.log_packets() {
            warn!("{:#}", anyhow::Error::from(error));
        }
    }
}

/// The interfaces of the default routes, at least one; or why there is none.
fn carriers() -> Result<Vec<String>, String> {
    match host::default_route_interfaces() {
        Ok(names) if names.is_empty() => Err("no interface carries a default route".to_owned()),
        Ok(names) => Ok(names),
        Err(err) => Err(format!("cannot read the routes: {err}")),
    }
}

fn without_route(filter: &Filter, why: &str) -> String {
    let attachments = filter.attachments().iter();
    let guarded: Vec<&str> = attachments
        .filter(|attachment| attachment.mode.is_some())
        .map(|attachment| attachment.name.as_str())
        .collect();
    match guarded[..] {
        [] => format!("nothing is filtered: {why}; name one in [filter] interfaces"),
        [name] => format!("{why}; {name} stays guarded"),
        _ => format!("{why}; {} stay guarded", guarded.join(", ")),
    }
}

const fn attach_choice(attach: Attach) -> AttachChoice {
    match attach {
        Attach::Auto => AttachChoice::Auto,
        Attach::Native => AttachChoice::Native,
        Attach::Generic => AttachChoice::Generic,
        Attach::Tc => AttachChoice::Tc,
    }
}
