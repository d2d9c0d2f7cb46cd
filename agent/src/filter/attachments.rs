//! The interfaces that the filter is to guard, and whether it does.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
};

use tracing::{info, warn};

use super::{
    Filter,
    attach::{self, AttachChoice, AttachError},
    clsact,
    guard::{self, Guard},
    interface::{self, AttachMode, Interface},
    link,
    load::Entry,
    pinned_link::{self, PinnedLink},
};

/// An interface that the filter is to guard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Name of the interface.
    pub name: String,
    /// How the filter is attached, as the kernel says; `None` while it is not.
    pub mode: Option<AttachMode>,
    /// Whether by the program for frames in several buffers, which drivers want at a large MTU.
    pub multi_buffer: bool,
    /// Why it is not attached, or what is not as good as it could be.
    pub problem: Option<String>,
    /// What is as it should be, but may surprise.
    pub note: Option<String>,
}

/// All of them, and what they were made by.
#[derive(Default)]
pub(super) struct Attachments {
    list: Vec<Attachment>,
    choice: Option<AttachChoice>,
    /// The interfaces as they were when they were last attached to, or refused.
    tried: HashMap<String, Interface>,
}

/// Why the interfaces are looked at.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Occasion {
    /// Everything that is not in place is tried.
    Any,
    /// What refused is tried again only if it has changed: a try may itself be what the host tells as a change.
    HostChanged,
}

impl Filter {
    /// Attaches the filter for exactly these interfaces: where one of an earlier start is, it takes its place in one step; from
    /// other interfaces it is taken off. An interface that refuses has a problem, and keeps nobody from the others.
    pub fn attach(&mut self, names: &[String], choice: AttachChoice) -> &[Attachment] {
        self.attach_on(Occasion::Any, names, choice)
    }

    /// The same after the host's interfaces or routes changed: what refused and is as it was is left alone.
    pub fn follow(&mut self, names: &[String], choice: AttachChoice) -> &[Attachment] {
        self.attach_on(Occasion::HostChanged, names, choice)
    }

    /// Where the filter is attached, and where it should be.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attached.list
    }

    /// Names of the interfaces that a filter is on, of this start or an earlier one.
    pub fn guarded(&self) -> Vec<String> {
        let links = self.pins.links().into_iter().map(|link| link.interface);
        let mut names: BTreeSet<String> = links.collect();
        let filters = clsact::interfaces().unwrap_or_default();
        if !filters.is_empty() {
            let present = interface::list().unwrap_or_default().into_iter();
            let with_filter = present.filter(|interface| filters.contains(&interface.index));
            names.extend(with_filter.map(|interface| interface.name));
        }
        names.into_iter().collect()
    }

    fn attach_on(
        &mut self,
        occasion: Occasion,
        names: &[String],
        choice: AttachChoice,
    ) -> &[Attachment] {
        if self.pin_again().is_err() {
            // What holds the programs is not where it is looked for, so nothing is touched.
            return &self.attached.list;
        }
        if let Err(error) = self.pins.take_over_links() {
            warn!("{:#}", anyhow::Error::from(error));
        }
        let mut before = std::mem::take(&mut self.attached.list);
        if self.attached.choice.replace(choice) != Some(choice) {
            before.clear();
            self.attached.tried.clear();
        }
        let attachments = match interface::list() {
            Ok(present) => {
                self.rename_pins(&present);
                let guards = guard::resolve(names, &present);
                self.detach_from_others(&guards, &present);
                let attach = |guard: &Guard| {
                    let was = before.iter().find(|was| was.name == guard.name);
                    self.attach_to(guard, &present, was, occasion)
                };
                guards.iter().map(attach).collect()
            }
            // Nothing is known, so nothing is touched.
            Err(error) => names
                .iter()
                .map(|name| failed(name, format!("cannot list the interfaces: {error}")))
                .collect::<Vec<_>>(),
        };
        for attachment in &attachments {
            if !before.contains(attachment) {
                report(attachment);
            }
        }
        self.attached.list = attachments;
        self.spares.renew(&self.pins);
        &self.attached.list
    }

    fn attach_to(
        &mut self,
        guard: &Guard,
        present: &[Interface],
        was: Option<&Attachment>,
        occasion: Occasion,
    ) -> Attachment {
        let name = &guard.name;
        let Some(interface) = &guard.interface else {
            self.attached.tried.remove(name);
            return failed(name, unknown(name, present));
        };
        let tried = self.attached.tried.insert(name.clone(), interface.clone());
        let is_worth_a_try = occasion == Occasion::Any || tried.as_ref() != Some(interface);
        let kept = was.filter(|was| match was.mode {
            Some(mode) => {
                // `auto` takes XDP as soon as the other program is gone.
                let may_be_better = self.attached.choice == Some(AttachChoice::Auto)
                    && mode == AttachMode::Tc
                    && interface.is_ethernet
                    && interface.hook.program_id().is_none();
                !(may_be_better && is_worth_a_try)
                    && attach::is_in_place(&self.programs, interface, &self.pins, mode)
            }
            None => !is_worth_a_try,
        });
        if let Some(kept) = kept {
            return Attachment {
                note: guard.note(),
                ..kept.clone()
            };
        }
        let choice = self.attached.choice.unwrap_or(AttachChoice::Auto);
        match attach::attach(&mut self.programs, interface, &self.pins, choice) {
            Ok(attached) => Attachment {
                name: name.clone(),
                mode: Some(self.xdp_mode_at(interface).unwrap_or(attached.mode)),
                multi_buffer: attached.multi_buffer,
                problem: attached.problem,
                note: guard.note(),
            },
            Err(error) => failed(name, error.in_full(choice)),
        }
    }

    /// Links stay with an interface that is renamed, and their pins go with it.
    fn rename_pins(&self, present: &[Interface]) {
        for PinnedLink {
            kind,
            interface: old,
            path,
        } in self.pins.links()
        {
            let Ok(link) = link::pinned(&path) else {
                continue;
            };
            let Some(held) = present.iter().find(|held| held.index == link.if_index) else {
                continue;
            };
            let to = self.pins.link(kind, &held.name);
            if held.name != old && !to.exists() {
                match fs::rename(&path, &to) {
                    Ok(()) => info!(from = old, to = held.name, "an interface was renamed"),
                    Err(error) => warn!(pin = %path.display(), %error, "cannot rename a pin"),
                }
            }
        }
    }

    fn detach_from_others(&mut self, guards: &[Guard], present: &[Interface]) {
        let mut detached = BTreeSet::new();
        for link in self.pins.links() {
            if guards.iter().all(|guard| guard.name != link.interface) {
                pinned_link::remove_or_warn(&link.path);
                detached.insert(link.interface);
            }
        }
        let filters = clsact::interfaces().unwrap_or_else(|error| {
            warn!("cannot list the filters of tc: {error}");
            Vec::new()
        });
        for index in filters {
            let mut wanted = guards.iter().filter_map(|guard| guard.interface.as_ref());
            if wanted.any(|interface| interface.index == index) {
                continue;
            }
            match clsact::remove(index) {
                Ok(true) => {
                    let name = present.iter().find(|interface| interface.index == index);
                    detached.extend(name.map(|interface| interface.name.clone()));
                }
                Ok(false) => {}
                Err(error) => warn!("cannot take the filter out of tc: {error}"),
            }
        }
        for interface in detached {
            self.attached.tried.remove(&interface);
            info!(interface, "detached");
        }
    }

    /// The XDP mode that the kernel tells for the filter on this interface.
    fn xdp_mode_at(&self, interface: &Interface) -> Option<AttachMode> {
        let now = interface::list().ok()?;
        let hook = now.iter().find(|now| now.index == interface.index)?.hook;
        Entry::XDP
            .into_iter()
            .find_map(|entry| hook.mode_of(self.programs.id(entry)?))
    }
}

fn failed(name: &str, problem: String) -> Attachment {
    Attachment {
        name: name.to_owned(),
        mode: None,
        multi_buffer: false,
        problem: Some(problem),
        note: None,
    }
}

fn unknown(name: &str, present: &[Interface]) -> String {
    let known: Vec<&str> = present.iter().map(|known| known.name.as_str()).collect();
    let error = AttachError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
    };
    error.to_string()
}

fn report(attachment: &Attachment) {
    let Attachment {
        name,
        mode,
        multi_buffer,
        problem,
        note,
    } = attachment;
    match (mode, problem) {
        (Some(mode), None) => info!(interface = name, %mode, multi_buffer, note, "attached"),
        (Some(mode), Some(problem)) => {
            warn!(interface = name, %mode, multi_buffer, note, problem, "attached");
        }
        (None, problem) => warn!(
            interface = name,
            problem, "could not attach; its packets are not filtered"
        ),
    }
}
