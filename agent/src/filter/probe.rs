//! What stands in the way of the filter on this host. Only looks: nothing is pinned, attached or mounted.

mod feature;
mod occupant;
mod syscall;

use std::{io, path::Path};

use super::{
    AttachMode, FilterError, TracepointError, attach,
    interface::{self, Interface},
    link::{self, LinkKind},
    load::{Entry, Programs},
    pins::{self, Pins},
    tracefs,
};

pub use self::{feature::Feature, occupant::Occupant};

/// How the kernel took the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loaded {
    /// Instructions that the verifier looked at; `None` where the kernel does not say (before 5.16).
    pub verified_instructions: Option<u32>,
    /// Whether it is machine code, and not interpreted.
    pub is_compiled: bool,
}

/// Loads the program over maps of its own, and lets go of both.
///
/// # Errors
/// As [`Filter::open`](super::Filter::open) would.
pub fn load() -> Result<Loaded, FilterError> {
    let info = Programs::unpinned()?.load(Entry::Xdp)?;
    Ok(Loaded {
        verified_instructions: info.verified_instruction_count(),
        is_compiled: info.size_jitted() > 0,
    })
}

/// Whether the kernel tells of connections as the program that counts them reads it.
///
/// # Errors
/// Why it does not.
pub fn tracepoint() -> Result<(), TracepointError> {
    tracefs::tracepoint().map(drop)
}

/// Whether the folder of the pins, or as much of it as exists, is on a BPF file system.
///
/// # Errors
/// When that cannot be found out.
pub fn is_on_bpffs(bpffs_dir: &Path) -> Result<bool, FilterError> {
    pins::is_on_bpffs(bpffs_dir)
}

/// Who has an interface: its XDP hook, or, where the filter is there, its `tc`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// The filter, of this agent or another one with the same pins.
    Filter(AttachMode),
    /// Another program.
    Other(Occupant),
}

/// An interface, as far as it matters to the filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Guardable {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// Who has it.
    pub holder: Holder,
}

/// The interfaces of this network namespace.
///
/// # Errors
/// When the kernel does not list them.
pub fn interfaces(bpffs_dir: &Path) -> io::Result<Vec<Guardable>> {
    let guardable = |interface: Interface| Guardable {
        holder: holder(&interface, bpffs_dir),
        index: interface.index,
        name: interface.name,
        mtu: interface.mtu,
    };
    Ok(interface::list()?.into_iter().map(guardable).collect())
}

fn holder(interface: &Interface, bpffs_dir: &Path) -> Holder {
    let pins = Pins::existing(bpffs_dir);
    let own = link::pinned(&pins.link(LinkKind::Xdp, &interface.name))
        .ok()
        .filter(|link| link.if_index == interface.index)
        .and_then(|link| interface.hook.mode_of(link.program_id));
    if let Some(mode) = own {
        return Holder::Filter(mode);
    }
    if attach::is_in_tc(interface, &pins) {
        return Holder::Filter(AttachMode::Tc);
    }
    match interface.hook.program_id() {
        Some(id) => Holder::Other(Occupant::of(id, interface.hook.mode_of(id))),
        None => Holder::Nobody,
    }
}
