//! What stands in the way of the filter on this host. Only looks: nothing is pinned, attached or mounted.

use std::{io, path::Path};

use super::{
    AttachMode, FilterError, attach,
    interface::{self, Interface},
    link, load,
    pins::{self, Pins},
};

/// Loads the program over maps of its own and lets go of both. Tells how many instructions the verifier looked at, where the
/// kernel (5.16 and later) says so.
///
/// # Errors
/// As [`Filter::open`](super::Filter::open) would.
pub fn load() -> Result<Option<u32>, FilterError> {
    let mut ebpf = load::unpinned()?;
    let info = load::program_of(&mut ebpf)?
        .info()
        .map_err(FilterError::Load)?;
    Ok(info.verified_instruction_count())
}

/// Whether the folder of the pins, or as much of it as exists, is on a BPF file system.
///
/// # Errors
/// When that cannot be found out.
pub fn is_on_bpffs(bpffs_dir: &Path) -> Result<bool, FilterError> {
    pins::is_on_bpffs(bpffs_dir)
}

/// Who has an interface's XDP hook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// The filter that is pinned.
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
    /// Who has its XDP hook.
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
    if interface.hook.program_id().is_none() {
        return Holder::Nobody;
    }
    let pin = Pins::existing(bpffs_dir).link(&interface.name);
    let own = link::pinned(&pin)
        .ok()
        .filter(|link| link.if_index == interface.index)
        .and_then(|link| interface.hook.mode_of(link.program_id));
    match own {
        Some(mode) => Holder::Filter(mode),
        None => Holder::Other(attach::holder(interface)),
    }
}
