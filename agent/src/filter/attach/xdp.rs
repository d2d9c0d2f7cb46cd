//! The XDP hook of an interface, held by a pinned link.

use std::{io, os::fd::AsFd, path::Path};

use aya::programs::loaded_programs;
use tracing::{info, warn};

use super::{AttachChoice, AttachError, Attached};
use crate::filter::{
    interface::{AttachMode, Interface},
    link::{self, Hook, Link, LinkKind},
    load::{Entry, Programs},
    pinned_link,
};

/// Above this MTU in bytes, some drivers that have native XDP say of a program that they have none: it is one that sees a
/// single buffer.
const ETHERNET_MTU: u32 = 1500;

/// Puts the program on `interface` and pins the link at `pin`. Where a link is pinned already, only its program is replaced, in
/// one step; not even a packet passes without one.
///
/// # Errors
/// When the interface refuses, in every mode that `choice` leaves.
pub fn put(
    programs: &mut Programs,
    interface: &Interface,
    pin: &Path,
    choice: AttachChoice,
) -> Result<Attached, AttachError> {
    let Some((link, mode)) = pinned(interface, pin) else {
        return put_new(programs, interface, pin, choice);
    };
    if allows(choice, mode) {
        return match replace(programs, &link, mode) {
            Ok(multi_buffer) => Ok(Attached {
                mode,
                multi_buffer,
                problem: leftover_problem(choice, mode),
            }),
            Err(Refusal::Kernel(error)) if error.raw_os_error() == Some(libc::ENOLINK) => {
                pinned_link::remove_or_warn(pin);
                put_new(programs, interface, pin, choice)
            }
            Err(refusal) => Ok(still_in_force(mode, &refusal)),
        };
    }
    drop(link);
    // The kernel has no way from one mode to the other but off and on again.
    warn!(interface = interface.name, from = %mode, "detached to attach in another mode");
    pinned_link::remove_or_warn(pin);
    put_new(programs, interface, pin, choice).or_else(|error| {
        let attached = put_in(programs, interface, pin, mode)?;
        Ok(Attached {
            problem: Some(error.in_full(choice)),
            ..attached
        })
    })
}

/// Puts the program in the place of the one that a link pinned at `pin` holds, if one does, in whichever mode that is.
pub fn renew(programs: &mut Programs, interface: &Interface, pin: &Path) -> Option<Attached> {
    let (link, mode) = pinned(interface, pin)?;
    Some(match replace(programs, &link, mode) {
        Ok(multi_buffer) => Attached {
            mode,
            multi_buffer,
            problem: None,
        },
        Err(refusal) => still_in_force(mode, &refusal),
    })
}

/// Whether one of these programs is on the interface, held by the link at `pin`.
pub fn is_in_place(programs: &Programs, interface: &Interface, pin: &Path) -> bool {
    let Ok(link) = link::pinned(pin) else {
        return false;
    };
    let is_ours = Entry::XDP
        .into_iter()
        .any(|entry| programs.id(entry) == Some(link.program_id));
    is_ours && link.if_index == interface.index && interface.hook.mode_of(link.program_id).is_some()
}

/// The program that is on the interface, for people.
fn holder(interface: &Interface) -> String {
    let hook = &interface.hook;
    let Some(id) = hook.program_id() else {
        return "which is gone again, or is on an interface above it".to_owned();
    };
    let how = match hook.mode_of(id) {
        Some(mode) => mode.as_str(),
        None => "offloaded",
    };
    let name = loaded_programs()
        .flatten()
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_owned))
        .unwrap_or_default();
    if name.is_empty() {
        return format!("number {id} ({how})");
    }
    format!("`{}`, number {id} ({how})", name.escape_default())
}

/// Why a program was not put in the place of another.
enum Refusal {
    Kernel(io::Error),
    Program(AttachError),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Kernel(error)
    }
}

fn still_in_force(mode: AttachMode, refusal: &Refusal) -> Attached {
    let why = match refusal {
        Refusal::Kernel(error) => error.to_string(),
        Refusal::Program(error) => error.to_string(),
    };
    Attached {
        mode,
        multi_buffer: false,
        problem: Some(format!(
            "the filter of an earlier start is still in force: {why}"
        )),
    }
}

/// Whether a filter that is attached in this mode may stay so.
fn allows(choice: AttachChoice, mode: AttachMode) -> bool {
    match choice {
        AttachChoice::Native => mode == AttachMode::Native,
        AttachChoice::Generic => mode == AttachMode::Generic,
        AttachChoice::Auto | AttachChoice::Tc | AttachChoice::Clsact => true,
    }
}

/// The link at `pin` and its mode, if it is one that holds `interface`; else the pin is removed.
fn pinned(interface: &Interface, pin: &Path) -> Option<(Link, AttachMode)> {
    let link = match link::pinned(pin) {
        Ok(link) if link.kind == LinkKind::Xdp => link,
        Ok(_) => {
            warn!(pin = %pin.display(), "removed a pin that is not an XDP program's link");
            pinned_link::remove_or_warn(pin);
            return None;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(pin = %pin.display(), %error, "removed a pin that is not a link");
            pinned_link::remove_or_warn(pin);
            return None;
        }
    };
    let mode = interface.hook.mode_of(link.program_id);
    match mode {
        Some(mode) if link.if_index == interface.index => Some((link, mode)),
        _ => {
            info!(
                interface = interface.name,
                "removed the link to an interface that was there before under this name"
            );
            pinned_link::remove_or_warn(pin);
            None
        }
    }
}

/// Replaces the program of a link; tells whether by the one for frames in several buffers.
fn replace(programs: &mut Programs, link: &Link, mode: AttachMode) -> Result<bool, Refusal> {
    let mut update = |entry| {
        let (program, _) = programs
            .get(entry)
            .map_err(|error| Refusal::Program(error.into()))?;
        link.update(program).map_err(Refusal::Kernel)
    };
    match update(Entry::Xdp) {
        Ok(()) => Ok(false),
        Err(Refusal::Kernel(error))
            if mode == AttachMode::Native && error.raw_os_error() != Some(libc::ENOLINK) =>
        {
            // What the driver says of a program that sees one buffer is what the operator can do something about.
            update(Entry::XdpFrags).map_err(|_| Refusal::Kernel(error))?;
            Ok(true)
        }
        Err(refusal) => Err(refusal),
    }
}

fn leftover_problem(choice: AttachChoice, mode: AttachMode) -> Option<String> {
    (choice == AttachChoice::Auto && mode == AttachMode::Generic).then(|| {
        "in generic mode, which costs more for each packet: the driver refused native mode at an earlier start".to_owned()
    })
}

fn put_new(
    programs: &mut Programs,
    interface: &Interface,
    pin: &Path,
    choice: AttachChoice,
) -> Result<Attached, AttachError> {
    if !interface.is_ethernet {
        return Err(AttachError::NoEthernet {
            interface: interface.name.clone(),
        });
    }
    if choice == AttachChoice::Generic {
        return put_in(programs, interface, pin, AttachMode::Generic);
    }
    match put_in(programs, interface, pin, AttachMode::Native) {
        Err(refused) if choice == AttachChoice::Auto && refused.depends_on_mode() => {
            let attached = put_in(programs, interface, pin, AttachMode::Generic)?;
            let problem = format!("in generic mode, which costs more for each packet: {refused}");
            Ok(Attached {
                problem: Some(problem),
                ..attached
            })
        }
        attached => attached,
    }
}

fn put_in(
    programs: &mut Programs,
    interface: &Interface,
    pin: &Path,
    mode: AttachMode,
) -> Result<Attached, AttachError> {
    let attached = |multi_buffer| Attached {
        mode,
        multi_buffer,
        problem: None,
    };
    match create(programs, Entry::Xdp, interface, pin, mode) {
        Ok(()) => Ok(attached(false)),
        Err(refused) if mode == AttachMode::Native && may_be_the_mtu(&refused, interface) => {
            // What the driver says of a program that sees one buffer is what the operator can do something about.
            match create(programs, Entry::XdpFrags, interface, pin, mode) {
                Ok(()) => Ok(attached(true)),
                Err(_) => Err(refused),
            }
        }
        Err(error) => Err(error),
    }
}

fn may_be_the_mtu(refused: &AttachError, interface: &Interface) -> bool {
    match refused {
        AttachError::Mtu { .. } => true,
        AttachError::NoNative { .. } => interface.mtu > ETHERNET_MTU,
        _ => false,
    }
}

fn create(
    programs: &mut Programs,
    entry: Entry,
    interface: &Interface,
    pin: &Path,
    mode: AttachMode,
) -> Result<(), AttachError> {
    let hook = match mode {
        AttachMode::Native => Hook::XdpNative,
        AttachMode::Generic | AttachMode::Tc => Hook::XdpGeneric,
    };
    let (program, _) = programs.get(entry)?;
    let link = link::create(program, interface.index, hook)
        .map_err(|error| explain(error, interface, mode))?;
    link::pin(link.as_fd(), pin).map_err(|source| AttachError::Pin {
        interface: interface.name.clone(),
        source,
    })
}

fn explain(error: io::Error, interface: &Interface, mode: AttachMode) -> AttachError {
    let name = interface.name.clone();
    match (error.raw_os_error(), mode) {
        // Busy in this mode, and busy in the other one.
        (Some(libc::EBUSY | libc::EEXIST), _) => AttachError::Held {
            interface: name,
            holder: holder(interface),
        },
        (Some(libc::EOPNOTSUPP), AttachMode::Native) => AttachError::NoNative { interface: name },
        (Some(libc::ERANGE | libc::EINVAL), AttachMode::Native) => AttachError::Mtu {
            interface: name,
            mtu: interface.mtu,
            source: error,
        },
        _ => AttachError::Refused {
            interface: name,
            mode,
            source: error,
        },
    }
}
