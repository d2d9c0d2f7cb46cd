//! The interfaces that the filter is to guard, and whether it does.

use tracing::{info, warn};

use super::{
    Filter,
    attach::{self, AttachChoice, AttachError},
    interface::{self, AttachMode, Interface},
    link, load, pins,
};

/// An interface that the filter is to guard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Name of the interface.
    pub name: String,
    /// How the filter is attached, as the kernel says; `None` while it is not.
    pub mode: Option<AttachMode>,
    /// Why it is not attached, or what is not as good as it could be.
    pub problem: Option<String>,
}

impl Filter {
    /// Attaches the program to exactly these interfaces: where one of an earlier start is, it takes its place in one step; from
    /// other interfaces it is taken off. An interface that refuses has a problem, and keeps nobody from the others.
    pub fn attach(&mut self, interfaces: &[String], choice: AttachChoice) -> &[Attachment] {
        if let Err(error) = self.pins.take_over_links() {
            warn!("{:#}", anyhow::Error::from(error));
        }
        for (interface, pin) in self.pins.links() {
            if !interfaces.contains(&interface) {
                pins::remove_link_or_warn(&pin);
                info!(interface, "detached");
            }
        }
        let mut before = std::mem::take(&mut self.attachments);
        if std::mem::replace(&mut self.choice, choice) != choice {
            before.clear();
        }
        for name in interfaces {
            let was = before.iter().find(|attachment| attachment.name == *name);
            let attachment = self.attach_to(name, choice, was);
            if was != Some(&attachment) {
                report(&attachment);
            }
            self.attachments.push(attachment);
        }
        &self.attachments
    }

    fn attach_to(
        &mut self,
        name: &str,
        choice: AttachChoice,
        was: Option<&Attachment>,
    ) -> Attachment {
        let failed = |problem| Attachment {
            name: name.to_owned(),
            mode: None,
            problem: Some(problem),
        };
        let interface = match find(name) {
            Ok(interface) => interface,
            Err(problem) => return failed(problem),
        };
        let pin = self.pins.link(name);
        // What is in place is left alone: an agent with a problem elsewhere asks again and again.
        if let (Some(was), Ok(link)) = (was, link::pinned(&pin))
            && was.mode.is_some()
            && link.program_id == self.program_id
            && link.if_index == interface.index
            && interface.hook.mode_of(self.program_id) == was.mode
        {
            return was.clone();
        }
        let program = match load::program_of(&mut self.ebpf) {
            Ok(program) => program,
            Err(error) => return failed(error.to_string()),
        };
        match attach::attach(program, &interface, &pin, choice) {
            Ok(attached) => Attachment {
                name: name.to_owned(),
                mode: Some(self.mode_at(name).unwrap_or(attached.mode)),
                problem: attached.problem,
            },
            Err(error) => failed(error.in_full(choice)),
        }
    }

    /// The mode that the kernel tells for the program on this interface.
    fn mode_at(&self, name: &str) -> Option<AttachMode> {
        find(name).ok()?.hook.mode_of(self.program_id)
    }
}

fn find(name: &str) -> Result<Interface, String> {
    let interfaces =
        interface::list().map_err(|error| format!("cannot list the interfaces: {error}"))?;
    let known: Vec<&str> = interfaces.iter().map(|known| known.name.as_str()).collect();
    let known = known.join(", ");
    interfaces
        .into_iter()
        .find(|interface| interface.name == name)
        .ok_or_else(|| {
            AttachError::Unknown {
                name: name.to_owned(),
                known,
            }
            .to_string()
        })
}

fn report(attachment: &Attachment) {
    let Attachment {
        name,
        mode,
        problem,
    } = attachment;
    match (mode, problem) {
        (Some(mode), None) => info!(interface = name, %mode, "attached"),
        (Some(mode), Some(problem)) => warn!(interface = name, %mode, problem, "attached"),
        (None, problem) => warn!(
            interface = name,
            problem, "could not attach; its packets are not filtered"
        ),
    }
}
