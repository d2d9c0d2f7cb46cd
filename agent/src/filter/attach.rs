//! Putting the filter on an interface, in the best mode there is, so that it stays when the agent goes, and the next agent's
//! program takes its place in one step.

mod error;
mod tc;
mod xdp;

pub use error::AttachError;

use tc::Way;
use tracing::info;

use super::{
    interface::{AttachMode, Interface},
    link::LinkKind,
    load::Programs,
    pinned_link,
    pins::Pins,
};

/// How the filter is to be attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttachChoice {
    /// Native, where that is refused generic, and where XDP is taken by another program `tc`.
    Auto,
    /// Native or not at all.
    Native,
    /// Generic.
    Generic,
    /// `tc`.
    Tc,
    /// `tc` by a filter of the clsact qdisc, as on kernels that have no links for it. No setting leads here: it is for tests on
    /// kernels that have.
    Clsact,
}

/// How it went: the mode asked for, and what is not as good as it could be.
#[derive(Debug)]
pub struct Attached {
    /// In this mode, unless the kernel says another.
    pub mode: AttachMode,
    /// Whether by the program for frames in several buffers.
    pub multi_buffer: bool,
    /// Why not in a better way.
    pub problem: Option<String>,
}

/// Attaches the filter to `interface`. What is there of an earlier start is replaced in one step where it may stay in its mode;
/// between XDP and `tc`, the new one is there before the old one goes.
///
/// # Errors
/// When the interface refuses, in every mode that `choice` leaves, and nothing of an earlier start is there.
pub fn attach(
    programs: &mut Programs,
    interface: &Interface,
    pins: &Pins,
    choice: AttachChoice,
) -> Result<Attached, AttachError> {
    let link = pins.link(LinkKind::Xdp, &interface.name);
    let tcx = pins.link(LinkKind::Tcx, &interface.name);
    let way = match choice {
        AttachChoice::Clsact => Way::Clsact,
        _ => Way::Best,
    };
    let by_tc = |problem| Attached {
        mode: AttachMode::Tc,
        multi_buffer: false,
        problem,
    };
    if matches!(choice, AttachChoice::Tc | AttachChoice::Clsact) {
        return match tc::put(programs, interface, &tcx, way) {
            Ok(()) => {
                if link.exists() {
                    pinned_link::remove_or_warn(&link);
                    info!(interface = interface.name, "took tc in place of XDP");
                }
                Ok(by_tc(None))
            }
            Err(error) => {
                let renewed = xdp::renew(programs, interface, &link);
                let problem = Some(error.to_string());
                renewed
                    .map(|attached| Attached {
                        problem,
                        ..attached
                    })
                    .ok_or(error)
            }
        };
    }
    match xdp::put(programs, interface, &link, choice) {
        Ok(attached) => {
            tc::remove(interface, &tcx);
            Ok(attached)
        }
        Err(error) if choice == AttachChoice::Auto && error.leaves_tc() => {
            let problem = beside(&error);
            match tc::put(programs, interface, &tcx, way) {
                Ok(()) => Ok(by_tc(problem)),
                Err(tc) => Err(AttachError::Neither {
                    xdp: Box::new(error),
                    tc: Box::new(tc),
                }),
            }
        }
        // What cannot be had does not cost what there is.
        Err(error) if is_in_tc(interface, pins) => {
            tc::put(programs, interface, &tcx, way)?;
            Ok(by_tc(Some(error.in_full(choice))))
        }
        Err(error) => Err(error),
    }
}

/// Whether the filter is on the interface as `was` says, by the programs of this start.
pub fn is_in_place(
    programs: &Programs,
    interface: &Interface,
    pins: &Pins,
    mode: AttachMode,
) -> bool {
    match mode {
        AttachMode::Native | AttachMode::Generic => {
            let pin = pins.link(LinkKind::Xdp, &interface.name);
            xdp::is_in_place(programs, interface, &pin)
        }
        AttachMode::Tc => {
            let pin = pins.link(LinkKind::Tcx, &interface.name);
            tc::is_in_place(programs, interface, &pin)
        }
    }
}

/// Whether a filter is in `tc` on the interface, of this start or an earlier one.
pub fn is_in_tc(interface: &Interface, pins: &Pins) -> bool {
    tc::is_there(interface, &pins.link(LinkKind::Tcx, &interface.name))
}

/// What is not as good in `tc` as it would be by XDP; nothing on an interface that is not made for XDP.
fn beside(error: &AttachError) -> Option<String> {
    match error {
        AttachError::NoEthernet { .. } => None,
        error => Some(format!(
            "in tc mode, which costs more for each packet: {error}"
        )),
    }
}
