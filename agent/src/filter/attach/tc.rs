//! `tc` on an interface: a pinned link where the kernel has such links, else a filter of the clsact qdisc.

use std::{io, os::fd::AsFd, path::Path};

use tracing::warn;

use super::AttachError;
use crate::filter::{
    clsact,
    interface::{AttachMode, Interface},
    link::{self, Hook, Link, LinkKind},
    load::{Entry, Programs},
    pinned_link,
};

/// How a program gets into `tc`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// By a link, and where the kernel has none by a filter.
    Best,
    /// By a filter.
    Clsact,
}

/// Puts the program on `interface`, in place of the one of an earlier start if there is one, in one step.
///
/// # Errors
/// When the kernel refuses.
pub fn put(
    programs: &mut Programs,
    interface: &Interface,
    pin: &Path,
    way: Way,
) -> Result<(), AttachError> {
    let refused = |source| AttachError::Refused {
        interface: interface.name.clone(),
        mode: AttachMode::Tc,
        source,
    };
    let (program, _) = programs.get(entry_for(interface))?;
    if way == Way::Best {
        if let Some(link) = pinned(interface, pin) {
            match link.update(program) {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {
                    pinned_link::remove_or_warn(pin);
                }
                Err(error) => return Err(refused(error)),
            }
        }
        match link::create(program, interface.index, Hook::Tcx) {
            Ok(link) => {
                link::pin(link.as_fd(), pin).map_err(|source| AttachError::Pin {
                    interface: interface.name.clone(),
                    source,
                })?;
                remove_filter(interface);
                return Ok(());
            }
            Err(error) if is_unknown(&error) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    clsact::put(program, interface.index).map_err(refused)?;
    if pin.exists() {
        pinned_link::remove_or_warn(pin);
    }
    Ok(())
}

/// Whether a filter of ours is on the interface, of this start or an earlier one.
pub fn is_there(interface: &Interface, pin: &Path) -> bool {
    let by_link = link::pinned(pin).is_ok_and(|link| link.if_index == interface.index);
    by_link || matches!(clsact::find(interface.index), Ok(Some(_)))
}

/// Whether the program of this start is on the interface.
pub fn is_in_place(programs: &Programs, interface: &Interface, pin: &Path) -> bool {
    let Some(id) = programs.id(entry_for(interface)) else {
        return false;
    };
    let by_link = link::pinned(pin)
        .is_ok_and(|link| link.if_index == interface.index && link.program_id == id);
    by_link || matches!(clsact::find(interface.index), Ok(Some(filter)) if filter.program_id == id)
}

/// Takes our filter off the interface, if it is there.
pub fn remove(interface: &Interface, pin: &Path) {
    if pin.exists() {
        pinned_link::remove_or_warn(pin);
    }
    remove_filter(interface);
}

fn remove_filter(interface: &Interface) {
    if let Err(error) = clsact::remove(interface.index) {
        warn!(interface = interface.name, %error, "cannot take the filter out of tc");
    }
}

fn entry_for(interface: &Interface) -> Entry {
    if interface.is_ethernet {
        Entry::Tc
    } else {
        Entry::TcIp
    }
}

/// The link at `pin`, if it is one that holds `interface`; else the pin is removed.
fn pinned(interface: &Interface, pin: &Path) -> Option<Link> {
    match link::pinned(pin) {
        Ok(link) if link.kind == LinkKind::Tcx && link.if_index == interface.index => {
            return Some(link);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        _ => pinned_link::remove_or_warn(pin),
    }
    None
}

/// What kernels answer that do not know links for `tc`, or were built without them.
fn is_unknown(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::E2BIG)
    )
}
