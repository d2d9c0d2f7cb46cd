//! Loading programs over pinned maps, each when it is first needed.

use std::{
    collections::HashMap,
    fs,
    os::fd::{AsFd, BorrowedFd},
};

use aya::{
    Ebpf, EbpfLoader,
    programs::{Program, ProgramInfo, TracePoint},
};
use mailwall_common::{MAPS, choose_clock, program_name};
use tracing::debug;

use super::{
    error::FilterError,
    pins::{self, Pins},
    trace::Tracing,
};

/// The object that `cargo xtask build-ebpf` makes of `filter-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/mailwall.bpf.o");
/// The same with programs that tell of each packet.
static TRACING_OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/mailwall-trace.bpf.o");

/// A program of the object. They differ in where they can be put, and not in what they do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Entry {
    /// For XDP, frames in one buffer.
    Xdp,
    /// For XDP, frames in one or several buffers.
    XdpFrags,
    /// For `tc`, frames that begin with an Ethernet header.
    Tc,
    /// For `tc`, packets that begin with an IP header.
    TcIp,
}

impl Entry {
    /// Those for an XDP hook.
    pub const XDP: [Self; 2] = [Self::Xdp, Self::XdpFrags];

    const fn name(self) -> &'static str {
        match self {
            Self::Xdp => program_name::XDP,
            Self::XdpFrags => program_name::XDP_FRAGS,
            Self::Tc => program_name::TC,
            Self::TcIp => program_name::TC_IP,
        }
    }
}

/// The programs, over maps that they hold open themselves: one can be loaded long after the maps were taken into use.
pub struct Programs {
    ebpf: Ebpf,
    /// The kernel's numbers of those that are loaded.
    ids: HashMap<Entry, u32>,
}

impl Programs {
    /// Programs over maps of their own, none of them pinned.
    ///
    /// # Errors
    /// When the kernel refuses the maps.
    pub fn unpinned() -> Result<Self, FilterError> {
        let mut loader = EbpfLoader::new();
        choose_clock(&mut loader);
        let ebpf = loader.load(OBJECT).map_err(FilterError::Object)?;
        Ok(Self::of(ebpf))
    }

    fn of(ebpf: Ebpf) -> Self {
        Self {
            ebpf,
            ids: HashMap::new(),
        }
    }

    /// A program and its number, loaded if it was not yet.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn get(&mut self, entry: Entry) -> Result<(BorrowedFd<'_>, u32), FilterError> {
        let id = match self.ids.get(&entry) {
            Some(id) => *id,
            None => self.load(entry)?.id(),
        };
        let program = self
            .ebpf
            .program(entry.name())
            .ok_or(FilterError::Incomplete(entry.name()))?;
        let fd = match program {
            Program::Xdp(program) => program.fd(),
            Program::SchedClassifier(program) => program.fd(),
            _ => return Err(FilterError::Incomplete(entry.name())),
        };
        Ok((fd?.as_fd(), id))
    }

    /// The number of a program, if it is loaded.
    pub fn id(&self, entry: Entry) -> Option<u32> {
        self.ids.get(&entry).copied()
    }

    /// Loads a program, and tells what the kernel has made of it.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn load(&mut self, entry: Entry) -> Result<ProgramInfo, FilterError> {
        let incomplete = FilterError::Incomplete(entry.name());
        let program = self.ebpf.program_mut(entry.name()).ok_or(incomplete)?;
        match program {
            Program::Xdp(program) => program.load(),
            Program::SchedClassifier(program) => program.load(),
            _ => return Err(FilterError::Incomplete(entry.name())),
        }
        .map_err(FilterError::from)
        .inspect_err(|error| {
            if let FilterError::Program { said, .. } = error {
                debug!(program = entry.name(), "the verifier said:\n{said}");
            }
        })?;
        let info = program.info()?;
        self.ids.insert(entry, info.id());
        Ok(info)
    }

    /// The program for the tracepoint, loaded if it was not yet.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn tracepoint(&mut self) -> Result<&mut TracePoint, FilterError> {
        let program: &mut TracePoint = self
            .ebpf
            .program_mut(program_name::CONNECTIONS)
            .ok_or(FilterError::Incomplete(program_name::CONNECTIONS))?
            .try_into()?;
        if program.fd().is_err() {
            program.load()?;
        }
        Ok(program)
    }

    /// Pins the XDP program over the old pin by a rename, so that there is one at any time.
    fn pin(&mut self, pins: &Pins) -> Result<(), FilterError> {
        let name = Entry::Xdp.name();
        let program = self
            .ebpf
            .program_mut(name)
            .ok_or(FilterError::Incomplete(name))?;
        let (pin, fresh) = (pins.program(), pins.map("program-new"));
        pins::remove(&fresh)?;
        let pinned = |source| FilterError::PinProgram {
            path: pin.clone(),
            source,
        };
        program.pin(&fresh).map_err(pinned)?;
        fs::rename(&fresh, &pin).map_err(|source| FilterError::Pins {
            action: "rename the pinned program to",
            path: pin,
            advice: "it takes root",
            source,
        })
    }
}

/// Opens the pinned maps, or makes and pins new ones; and loads and pins the XDP program over them. The maps are the caller's
/// to take.
///
/// # Errors
/// When the kernel refuses the maps, the program or the pins.
pub fn pinned(pins: &Pins, tracing: Tracing) -> Result<(Ebpf, Programs), FilterError> {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    for shape in &MAPS {
        loader.map_pin_path(shape.name, pins.map(shape.name));
    }
    let maps = loader.load(OBJECT).map_err(FilterError::Object)?;
    // The same maps, by the pins that the first has made if there were none.
    let object = match tracing {
        Tracing::Off => OBJECT,
        Tracing::Packets => TRACING_OBJECT,
    };
    let mut programs = Programs::of(loader.load(object).map_err(FilterError::Object)?);
    programs.load(Entry::Xdp)?;
    programs.pin(pins)?;
    Ok((maps, programs))
}
