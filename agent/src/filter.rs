//! The filter's edge in userspace, and the only place that names aya: loads the programs, pins them with their maps, attaches
//! them, and keeps the bans in the maps. Decides nothing, and never waits.
//!
//! What is pinned outlives the agent. A start takes over the maps with their bans and drops, loads its own program over them,
//! and puts that in the place of the old one by one update of each pinned link: there is no moment without a filter.

use std::{collections::HashSet, path::Path};

use ipnet::IpNet;
use mailwall_common::{
    ALLOWED_CAPACITY, BUCKETS, Family, KernelInstant, MODE_ENFORCE, MODE_OBSERVE, PORT_WORDS,
    Verdict, map_name,
};
use tracing::{info, warn};

mod attach;
mod attachments;
mod bans;
mod batch;
mod bpf;
mod clsact;
mod connections;
mod error;
mod guard;
mod interface;
mod limit_events;
mod limiting;
mod limits;
mod lines;
mod link;
mod load;
mod maps;
mod migrate;
mod netlink;
mod pinned_link;
mod pins;
mod place;
mod presence;
pub mod probe;
mod ranges;
mod readers;
mod room;
mod settings;
mod shared;
mod shortcuts;
mod spares;
mod table;
mod trace;
mod tracefs;
mod tracepoint;
mod tries;

pub use attach::{AttachChoice, AttachError};
pub use attachments::Attachment;
pub use connections::{Belief, Census};
pub use error::FilterError;
pub use interface::AttachMode;
pub use limit_events::follow as follow_limit_events;
pub use limits::Ring;
pub use pins::remove_pins;
pub use room::Full;
pub use trace::Tracing;
pub use tracefs::TracepointError;

use attachments::Attachments;
use bans::Bans;
use connections::Connections;
use limits::Limits;
use load::{Entry, Programs};
use maps::Maps;
use pins::{Pinned, Pins};
use settings::SettingsEntry;
use spares::Spares;
use trace::Trace;
use tracepoint::Tracepoint;

/// The filter in the kernel.
pub struct Filter {
    pins: Pins,
    spares: Spares,
    programs: Programs,
    maps: Maps,
    settings: SettingsEntry,
    bans: Bans,
    allowed: HashSet<IpNet>,
    port_words: Vec<u64>,
    attached: Attachments,
    limits: Limits,
    rings: Option<[Ring; 2]>,
    connections: Connections,
    tracepoint: Option<Tracepoint>,
    /// Its number, as far as it was found out while that could be done.
    tracepoint_number: Option<u64>,
    tracing: Tracing,
    trace: Option<Trace>,
}

impl Filter {
    /// Loads the program over the maps pinned under `bpffs_dir`, or over new ones, into which comes what an earlier version has
    /// pinned. It is not attached yet: packets go on meeting the program of an earlier start, if there is one.
    ///
    /// # Errors
    /// When the folder cannot be used, or the kernel refuses the maps or the program.
    pub fn open(bpffs_dir: &Path) -> Result<Self, FilterError> {
        Self::open_with(bpffs_dir, Tracing::Off)
    }

    /// [`Filter::open`], with programs that tell of single packets if `tracing` says so. They are logged from
    /// [`Filter::log_packets`] on.
    ///
    /// # Errors
    /// Those of [`Filter::open`].
    pub fn open_with(bpffs_dir: &Path, tracing: Tracing) -> Result<Self, FilterError> {
        let pins = Pins::open(bpffs_dir)?;
        match pins.inspect()? {
            Pinned::None => info!(dir = %bpffs_dir.display(), "pins new maps"),
            Pinned::Whole => info!(dir = %bpffs_dir.display(), "took over the pinned maps"),
            Pinned::Foreign(differences) => {
                let found = differences.join("; ");
                warn!(
                    found,
                    "removed the pinned maps, which are not of this version, and pins new ones"
                );
                pins.set_maps_aside()?;
            }
        }
        let (mut ebpf, programs) = load::pinned(&pins, tracing)?;
        let maps = Maps::take(&mut ebpf)?;
        let mut settings = SettingsEntry::take(&mut ebpf)?;
        let counted = maps::take_shared(&mut ebpf, map_name::CONNECTIONS, BUCKETS)?;
        let allowed: HashSet<IpNet> = maps.allowed()?.into_iter().collect();
        let mut bans = Bans::take(&mut ebpf, &mut settings)?;
        bans.allow(allowed.iter())?;
        let mut filter = Self {
            allowed,
            port_words: maps.port_words()?,
            bans,
            attached: Attachments::default(),
            limits: Limits::take(&mut ebpf)?,
            rings: Some(Limits::take_rings(&mut ebpf)?),
            connections: Connections::new(counted, settings.get().seed),
            tracepoint: None,
            tracepoint_number: None,
            pins,
            spares: Spares::default(),
            programs,
            maps,
            settings,
            tracing,
            trace: None,
        };
        filter.migrate();
        filter.spares.renew(&filter.pins);
        Ok(filter)
    }

    /// Makes what is pinned belong to a user, who may then go on with this filter; [`TracepointError`]s of what only root may
    /// find out come later, when connections are to be counted.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn hand_over(&mut self, uid: u32, gid: u32) -> Result<(), FilterError> {
        self.tracepoint_number = tracefs::tracepoint().ok();
        self.pins.hand_over(uid, gid)
    }

    /// Pins again what is not pinned any more, because somebody unmounted the BPF file system or cleaned it out: what is not
    /// pinned goes with the agent. Tells whether there was something; then connections may be counted no longer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn pin_again(&mut self) -> Result<bool, FilterError> {
        self.spares.restore(&self.pins)
    }

    /// The bans in the maps, with their ends as the kernel has them: those of addresses are rounded up to its steps (134 ms), and a
    /// network that lies in another banned one may have the later end of both.
    ///
    /// # Errors
    /// When the maps cannot be read.
    pub fn kept(&self) -> Result<Vec<(IpNet, KernelInstant)>, FilterError> {
        self.bans.list()
    }

    /// Makes the maps hold exactly these bans and allowlisted nets. Bans that are there keep their drops. Who is banned
    /// before and after is banned throughout.
    ///
    /// # Errors
    /// When they do not fit; then the bans are as before. When the kernel refuses an update.
    pub fn replace_all(
        &mut self,
        bans: &[(IpNet, KernelInstant)],
        allowed: &[IpNet],
    ) -> Result<(), FilterError> {
        self.set_allowed(allowed)?;
        let unwanted = self.bans.replace(bans, &mut self.settings)?;
        if !unwanted.is_empty() {
            // A packet that has looked where the new bans are not yet must still find the old ones.
            readers::wait();
        }
        self.unban(&unwanted)
    }

    /// Sets the guarded ports, and whether bans are only counted.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn configure(&mut self, ports: &[u16], observe: bool) -> Result<(), FilterError> {
        let mode = if observe { MODE_OBSERVE } else { MODE_ENFORCE };
        self.settings.change(|settings| settings.mode = mode)?;
        for (index, word) in (0..).zip(port_words(ports)) {
            let held = &mut self.port_words[index as usize];
            if *held != word {
                self.maps.set_port_word(index, word)?;
                *held = word;
            }
        }
        Ok(())
    }

    /// Adds bans, or gives those that are there another end; those keep their drops.
    ///
    /// # Errors
    /// When they do not all fit; then none is added. When the kernel refuses an update.
    pub fn ban(&mut self, bans: &[(IpNet, KernelInstant)]) -> Result<(), FilterError> {
        self.bans.add(bans, &mut self.settings)
    }

    /// Removes bans; nets that are not banned are passed over.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn unban(&mut self, nets: &[IpNet]) -> Result<(), FilterError> {
        self.bans.remove(nets, &mut self.settings)
    }

    /// Makes the allowlist in the kernel hold exactly these nets.
    ///
    /// # Errors
    /// When they do not fit; then it is as before. When the kernel refuses an update.
    pub fn set_allowed(&mut self, nets: &[IpNet]) -> Result<(), FilterError> {
        let wanted: HashSet<IpNet> = nets.iter().map(IpNet::trunc).collect();
        check_allowed(&wanted)?;
        let leave: Vec<IpNet> = self.allowed.difference(&wanted).copied().collect();
        let enter: Vec<IpNet> = wanted.difference(&self.allowed).copied().collect();
        let changed = self.change_allowed(&enter, &leave);
        if !enter.is_empty() || !leave.is_empty() {
            // Also of a change that failed half-way.
            self.bans.allow(self.allowed.iter())?;
        }
        changed
    }

    /// Packets that the ban of exactly `net` dropped; `None` when there is none. A packet counts for one ban: that of its
    /// address, else that of the narrowest network.
    pub fn drops(&self, net: &IpNet) -> Option<u64> {
        self.bans.drops(net).ok().flatten()
    }

    /// [`Filter::drops`] of many.
    ///
    /// # Errors
    /// When the maps cannot be read.
    pub fn drops_of_each(&mut self, nets: &[IpNet]) -> Result<Vec<Option<u64>>, FilterError> {
        self.bans.drops_of_each(nets)
    }

    /// Packets by verdict and family, since the maps were made.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn totals(&self) -> Result<Vec<(Verdict, Family, u64)>, FilterError> {
        let each = Verdict::ALL
            .iter()
            .flat_map(|verdict| Family::ALL.map(|family| (*verdict, family)));
        each.map(|(verdict, family)| Ok((verdict, family, self.maps.total(verdict, family)?)))
            .collect()
    }

    /// Begins to log packets, if the filter was opened to trace them and does not log yet.
    ///
    /// # Errors
    /// When what the program tells cannot be read.
    pub fn log_packets(&mut self) -> Result<(), FilterError> {
        if self.tracing == Tracing::Packets && self.trace.is_none() {
            let (_, program_id) = self.programs.get(Entry::Xdp)?;
            let totals = self.pins.map(map_name::TOTALS);
            self.trace = Some(Trace::start(program_id, &totals)?);
        }
        Ok(())
    }

    /// How many bans are in the maps.
    pub fn len(&self) -> usize {
        self.bans.len()
    }

    /// Whether no ban is in the maps.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn change_allowed(&mut self, enter: &[IpNet], leave: &[IpNet]) -> Result<(), FilterError> {
        // A full trie takes no entry before one left it.
        let crowded = self.allowed.len() + enter.len() > ALLOWED_CAPACITY as usize;
        if crowded {
            self.disallow(leave)?;
        }
        for net in enter {
            self.maps.allow(*net)?;
            self.allowed.insert(*net);
        }
        if !crowded {
            self.disallow(leave)?;
        }
        Ok(())
    }

    fn disallow(&mut self, nets: &[IpNet]) -> Result<(), FilterError> {
        for net in nets {
            self.maps.disallow(*net)?;
            self.allowed.remove(net);
        }
        Ok(())
    }
}

fn port_words(ports: &[u16]) -> Vec<u64> {
    let mut words = vec![0; PORT_WORDS as usize];
    for port in ports {
        words[usize::from(port / 64)] |= 1 << (port % 64);
    }
    words
}

fn check_allowed(wanted: &HashSet<IpNet>) -> Result<(), FilterError> {
    let v4 = wanted
        .iter()
        .filter(|net| matches!(net, IpNet::V4(_)))
        .count();
    let of_family = [
        ("IPv4", map_name::ALLOWED_V4, v4),
        ("IPv6", map_name::ALLOWED_V6, wanted.len() - v4),
    ];
    for (family, map, wanted) in of_family {
        if wanted > ALLOWED_CAPACITY as usize {
            let capacity = ALLOWED_CAPACITY;
            return Err(FilterError::TooManyAllowed {
                family,
                map,
                wanted,
                capacity,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_bits() {
        let words = port_words(&[0, 25, 465, 65_535]);
        let guarded = |port: usize| words[port / 64] >> (port % 64) & 1 == 1;
        let ports: Vec<usize> = (0..=65_535).filter(|port| guarded(*port)).collect();
        assert_eq!(ports, [0, 25, 465, 65_535]);
    }

    #[test]
    fn more_allowed_nets_than_fit_are_refused_by_family() {
        let wanted = (0..=ALLOWED_CAPACITY)
            .map(|n| IpNet::from(std::net::IpAddr::from((0xc000_0200u32 + n).to_be_bytes())))
            .collect();
        assert_eq!(
            check_allowed(&wanted).unwrap_err().to_string(),
            "65537 allowlisted IPv4 nets do not fit into ALLOWED_V4: it holds at most 65536; allow wider networks in their place"
        );
    }
}
