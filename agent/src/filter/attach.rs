//! Putting the program on an interface, in the best mode there is, through a link that is pinned: the program stays when the
//! agent goes, and the next agent's program takes its place in one step.

use std::{io, path::Path};

use aya::programs::{
    ProgramError, Xdp, XdpMode,
    links::{FdLink, LinkError, PinnedLink},
    loaded_programs,
    xdp::{XdpError, XdpLink},
};
use thiserror::Error;
use tracing::{info, warn};

use super::{
    interface::{AttachMode, Interface},
    link, pins,
};

/// How the filter is to be attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttachChoice {
    /// Native, and where that is refused generic.
    Auto,
    /// Native or not at all.
    Native,
    /// Generic.
    Generic,
}

impl AttachChoice {
    /// Whether a filter that is attached in this mode may stay so.
    fn allows(self, mode: AttachMode) -> bool {
        match self {
            Self::Auto => true,
            Self::Native => mode == AttachMode::Native,
            Self::Generic => mode == AttachMode::Generic,
        }
    }
}

/// Why the program could not be put on an interface.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Its name is not that of an interface.
    #[error("interface {name} does not exist; known: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Another program is there.
    #[error(
        "interface {interface} has another XDP program, {holder}; stop what put it there, \
         or take it off with `ip link set dev {interface} xdp off`"
    )]
    Held {
        /// Where.
        interface: String,
        /// Which program.
        holder: String,
    },
    /// The driver has no native mode.
    #[error("the driver of {interface} has no native XDP")]
    NoNative {
        /// Where.
        interface: String,
    },
    /// Packets are larger than the driver can give to a program.
    #[error("the driver of {interface} has no native XDP at an MTU of {mtu} ({source})")]
    Mtu {
        /// Where.
        interface: String,
        /// Bytes of the largest packet.
        mtu: u32,
        /// As the kernel puts it.
        source: io::Error,
    },
    /// The kernel is too old for links.
    #[error(
        "this kernel has no links for XDP programs (Linux 5.9 has), so the next start could not replace this one; \
         take it off with `ip link set dev {interface} xdp off`"
    )]
    NoLinks {
        /// Where.
        interface: String,
    },
    /// The link could not be pinned.
    #[error("cannot pin the link to {interface}: {source}")]
    Pin {
        /// Where.
        interface: String,
        /// Why not.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot attach to {interface} in {mode} mode: {source}")]
    Refused {
        /// Where.
        interface: String,
        /// How.
        mode: AttachMode,
        /// Why not.
        source: io::Error,
    },
}

impl AttachError {
    /// With what helps beside, where native mode was insisted on.
    pub fn in_full(&self, choice: AttachChoice) -> String {
        match choice {
            AttachChoice::Native if self.depends_on_mode() => {
                format!("{self}; set attach = \"auto\" to fall back on generic mode")
            }
            AttachChoice::Auto | AttachChoice::Native | AttachChoice::Generic => self.to_string(),
        }
    }

    /// Whether another mode may do where this one failed.
    fn depends_on_mode(&self) -> bool {
        match self {
            Self::NoNative { .. } | Self::Mtu { .. } | Self::Refused { .. } => true,
            Self::Unknown { .. } | Self::Held { .. } | Self::NoLinks { .. } | Self::Pin { .. } => {
                false
            }
        }
    }
}

/// How it went: the mode asked for, and what is not as good as it could be.
pub struct Attached {
    /// In this mode, unless the kernel says another.
    pub mode: AttachMode,
    /// Why not in a better way.
    pub problem: Option<String>,
}

/// Attaches the program to `interface` and pins the link at `pin`. Where a link is pinned already, only its program is
/// replaced, in one step; not even a packet passes without one.
///
/// # Errors
/// When the interface refuses, in every mode that `choice` leaves.
pub fn attach(
    program: &mut Xdp,
    interface: &Interface,
    pin: &Path,
    choice: AttachChoice,
) -> Result<Attached, AttachError> {
    let name = &interface.name;
    let Some(mode) = pinned_mode(interface, pin) else {
        return attach_new(program, interface, pin, choice);
    };
    if choice.allows(mode) {
        return match replace(program, pin) {
            Ok(()) => Ok(Attached {
                mode,
                problem: leftover_problem(choice, mode),
            }),
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {
                pins::remove_link_or_warn(pin);
                attach_new(program, interface, pin, choice)
            }
            Err(error) => Ok(Attached {
                mode,
                problem: Some(format!(
                    "the filter of an earlier start is still in force: {error}"
                )),
            }),
        };
    }
    // The kernel has no way from one mode to the other but off and on again.
    warn!(interface = name, from = %mode, "detached to attach in another mode");
    pins::remove_link_or_warn(pin);
    attach_new(program, interface, pin, choice).or_else(|error| {
        attach_in(program, interface, pin, mode)?;
        Ok(Attached {
            mode,
            problem: Some(error.in_full(choice)),
        })
    })
}

/// The mode of the link at `pin`, if it is one that holds `interface`; else the pin is removed.
fn pinned_mode(interface: &Interface, pin: &Path) -> Option<AttachMode> {
    let link = match link::pinned(pin) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(pin = %pin.display(), %error, "removed a pin that is not a link");
            pins::remove_link_or_warn(pin);
            return None;
        }
    };
    let mode = interface.hook.mode_of(link.program_id);
    if link.if_index != interface.index || mode.is_none() {
        info!(
            interface = interface.name,
            "removed the link to an interface that was there before under this name"
        );
        pins::remove_link_or_warn(pin);
        return None;
    }
    mode
}

fn replace(program: &mut Xdp, pin: &Path) -> io::Result<()> {
    let pinned = PinnedLink::from_pin(pin).map_err(link_error)?;
    let link = XdpLink::try_from(FdLink::from(pinned)).map_err(link_error)?;
    let id = program.attach_to_link(link).map_err(program_error)?;
    // Out of aya's hands: the pin alone holds the link.
    let link = program.take_link(id).map_err(program_error)?;
    FdLink::try_from(link).map_err(link_error)?;
    Ok(())
}

fn leftover_problem(choice: AttachChoice, mode: AttachMode) -> Option<String> {
    (choice == AttachChoice::Auto && mode == AttachMode::Generic).then(|| {
        "in generic mode, which costs more for each packet: the driver refused native mode at an earlier start".to_owned()
    })
}

fn attach_new(
    program: &mut Xdp,
    interface: &Interface,
    pin: &Path,
    choice: AttachChoice,
) -> Result<Attached, AttachError> {
    let plain = |mode| Attached {
        mode,
        problem: None,
    };
    match choice {
        AttachChoice::Native => attach_in(program, interface, pin, AttachMode::Native)
            .map(|()| plain(AttachMode::Native)),
        AttachChoice::Generic => attach_in(program, interface, pin, AttachMode::Generic)
            .map(|()| plain(AttachMode::Generic)),
        AttachChoice::Auto => match attach_in(program, interface, pin, AttachMode::Native) {
            Ok(()) => Ok(plain(AttachMode::Native)),
            Err(refused) if refused.depends_on_mode() => {
                attach_in(program, interface, pin, AttachMode::Generic)?;
                let problem =
                    format!("in generic mode, which costs more for each packet: {refused}");
                Ok(Attached {
                    mode: AttachMode::Generic,
                    problem: Some(problem),
                })
            }
            Err(error) => Err(error),
        },
    }
}

fn attach_in(
    program: &mut Xdp,
    interface: &Interface,
    pin: &Path,
    mode: AttachMode,
) -> Result<(), AttachError> {
    let flags = match mode {
        AttachMode::Native => XdpMode::Driver,
        AttachMode::Generic => XdpMode::Skb,
    };
    let link = program
        .attach_to_if_index(interface.index, flags)
        .and_then(|id| program.take_link(id))
        .map_err(|error| explain(program_error(error), interface, mode))?;
    let name = || interface.name.clone();
    let link =
        FdLink::try_from(link).map_err(|_not_a_link| AttachError::NoLinks { interface: name() })?;
    link.pin(pin).map_err(|error| AttachError::Pin {
        interface: name(),
        source: match error {
            aya::pin::PinError::SyscallError(error) => error.io_error,
            other => io::Error::other(other),
        },
    })?;
    Ok(())
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

/// The program that is on the interface, for people.
pub fn holder(interface: &Interface) -> String {
    let hook = &interface.hook;
    let Some(id) = hook.program_id() else {
        return "which is gone again".to_owned();
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

fn program_error(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        ProgramError::XdpError(XdpError::NetlinkError(error))
        | ProgramError::NetlinkError(error) => match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::other(error),
        },
        other => io::Error::other(other),
    }
}

fn link_error(error: LinkError) -> io::Error {
    match error {
        LinkError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}
