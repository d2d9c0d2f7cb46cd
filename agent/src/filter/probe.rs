//! What stands in the way of the filter on this host. Only looks: nothing is pinned, attached or mounted.

use std::{io, path::Path};

use super::{
    AttachMode, FilterError, attach,
    interface::{self, Interface},
    link::{self, LinkKind},
    load::{Entry, Programs},
    pins::{self, Pins},
};

/// Loads the program over maps of its own and lets go of both. Tells how many instructions the verifier looked at, where the
/// kernel (5.16 and later) says so.
///
/// # Errors
/// As [`Filter::open`](super::Filter::open) would.
pub fn load() -> Result<Option<u32>, FilterError> {
    let info = Programs::unpinned()?.load(Entry::Xdp)?;
    Ok(info.verified_instruction_count())
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
    /// Another program, as people know it.
    Other(String),
}

/// An interface, as far as it matters to the filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Guardable {
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
        Some(_) => Holder::Other(attach::holder(interface)),
        None => Holder::Nobody,
    }
}
