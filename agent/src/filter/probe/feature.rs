//! The parts of the kernel's BPF that the filter is made of. Each is tried, never told from the kernel's version: what
//! distributions carry into old kernels counts, and what is built out of new ones does not.

use std::io;

use aya::{
    maps::MapType,
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported},
};

use super::syscall;

/// A part of the kernel's BPF, as far as the filter uses it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Feature {
    /// XDP programs.
    Xdp,
    /// Links that hold XDP programs to interfaces.
    XdpLinks,
    /// Hashes and arrays, also one for each CPU.
    Maps,
    /// Tries of networks.
    Tries,
    /// Arrays in memory that the agent shares.
    SharedArrays,
    /// A clock.
    Clock,
    /// The clock that costs half as much.
    CoarseClock,
    /// The ring through which programs report.
    Ring,
    /// Programs of the traffic control.
    TrafficControl,
    /// Programs that watch sockets.
    Tracepoints,
}

impl Feature {
    /// Every part, what most depends on first.
    pub const ALL: [Self; 10] = [
        Self::Xdp,
        Self::XdpLinks,
        Self::Maps,
        Self::Tries,
        Self::SharedArrays,
        Self::Clock,
        Self::CoarseClock,
        Self::Ring,
        Self::TrafficControl,
        Self::Tracepoints,
    ];

    /// Whether the kernel has it.
    ///
    /// # Errors
    /// When the kernel does not tell; mostly because this process may not ask.
    pub fn is_there(self) -> io::Result<bool> {
        const XDP: ProgramType = ProgramType::Xdp;
        const TC: ProgramType = ProgramType::SchedClassifier;
        const TRACEPOINT: ProgramType = ProgramType::TracePoint;
        const RING: [BpfHelper; 3] = [
            BpfHelper::BPF_FUNC_ringbuf_reserve,
            BpfHelper::BPF_FUNC_ringbuf_submit,
            BpfHelper::BPF_FUNC_ringbuf_discard,
        ];
        const ARRAYS: [MapType; 3] = [MapType::Hash, MapType::Array, MapType::PerCpuArray];
        match self {
            Self::Xdp => has_program(XDP),
            Self::XdpLinks => syscall::has_xdp_links(),
            Self::Maps => all(&ARRAYS, has_map),
            Self::Tries => has_map(MapType::LpmTrie),
            Self::SharedArrays => syscall::has_mmapable_arrays(),
            Self::Clock => has_helper(XDP, BpfHelper::BPF_FUNC_ktime_get_ns),
            Self::CoarseClock => has_helper(XDP, BpfHelper::BPF_FUNC_ktime_get_coarse_ns),
            Self::Ring => {
                Ok(has_map(MapType::RingBuf)? && all(&RING, |helper| has_helper(XDP, helper))?)
            }
            Self::TrafficControl => {
                Ok(has_program(TC)? && has_helper(TC, BpfHelper::BPF_FUNC_skb_pull_data)?)
            }
            Self::Tracepoints => Ok(has_program(TRACEPOINT)?
                && has_helper(TRACEPOINT, BpfHelper::BPF_FUNC_probe_read_kernel)?),
        }
    }
}

/// Whether all are there; those after the first that is not are not asked for.
fn all<T: Copy>(parts: &[T], is_there: impl Fn(T) -> io::Result<bool>) -> io::Result<bool> {
    for part in parts {
        if !is_there(*part)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_program(kind: ProgramType) -> io::Result<bool> {
    is_program_supported(kind).map_err(cause)
}

fn has_helper(kind: ProgramType, helper: BpfHelper) -> io::Result<bool> {
    is_helper_supported(kind, helper).map_err(cause)
}

fn has_map(kind: MapType) -> io::Result<bool> {
    is_map_supported(kind).map_err(|error| error.io_error)
}

fn cause(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}
