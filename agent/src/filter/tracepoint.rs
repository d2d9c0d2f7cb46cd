//! The program at the tracepoint `sock:inet_sock_set_state`: attached through a pinned link where the kernel has such links
//! (5.15), so that connections are counted while no agent runs; else for as long as the agent lives.
//!
//! Two programs at once would count everything twice, and the kernel cannot replace the program of such a link. A start leaves
//! a link alone whose program does the same with the same maps; any other is taken off before its successor is put on. What
//! happens in between is found by a comparison with the kernel's own list of sockets.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::Path,
};

use aya::programs::{
    ProgramInfo, TracePoint,
    links::{FdLink, PinnedLink},
    loaded_programs,
};
use tracing::info;

use super::{
    bpf::descriptor, error::FilterError, link, load::Programs, pins, tracefs::TracepointError,
};

/// Numbers of include/uapi/linux/perf_event.h.
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// The first version of `struct perf_event_attr`, which every kernel takes (`PERF_ATTR_SIZE_VER0`).
#[derive(Default)]
#[repr(C)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    others: [u64; 6],
}

const _: () = assert!(size_of::<PerfEventAttr>() == 64);

/// The attached program.
#[derive(Debug)]
pub struct Tracepoint {
    /// Where the kernel has no links: what holds the program.
    _event: Option<OwnedFd>,
}

/// What was done to have the program attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attached {
    /// That of an earlier start does the same: it was left alone.
    Before,
    /// It is new: what happened before it was attached is not counted.
    Now,
}

impl Tracepoint {
    /// Attaches the program to the tracepoint of this number, and pins its link at `pin`.
    ///
    /// # Errors
    /// When the kernel has no such tracepoint, or refuses.
    pub fn attach(
        number: u64,
        programs: &mut Programs,
        pin: &Path,
    ) -> Result<(Self, Attached), TracepointError> {
        let program = programs.tracepoint().map_err(TracepointError::Program)?;
        if is_in_force(program, pin) {
            return Ok((Self { _event: None }, Attached::Before));
        }
        detach(pin).map_err(TracepointError::Program)?;
        let failed = |action| move |source| TracepointError::Attach { action, source };
        let event = perf_event(number).map_err(failed("open a perf event for"))?;
        let program = program
            .fd()
            .map_err(|error| TracepointError::Program(error.into()))?;
        let program = program.as_fd();
        match link::create_on_event(program, event.as_fd()) {
            Ok(link) => {
                link::pin(link.as_fd(), pin).map_err(failed("pin the link of"))?;
                info!("counts connections");
                Ok((Self { _event: None }, Attached::Now))
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                set_program(&event, program.as_raw_fd()).map_err(failed("attach"))?;
                info!(
                    "counts connections while the agent runs: this kernel has no links for tracepoints"
                );
                Ok((
                    Self {
                        _event: Some(event),
                    },
                    Attached::Now,
                ))
            }
            Err(error) => Err(failed("attach")(error)),
        }
    }
}

/// Takes the program of the link pinned at `pin` off, if there is one.
///
/// # Errors
/// When the pin cannot be removed.
pub fn detach(pin: &Path) -> Result<(), FilterError> {
    // This link knows no detaching: it goes with its last holder, which is the pin.
    pins::remove(pin)
}

/// Whether the link pinned at `pin` has a program that does what `program` would.
fn is_in_force(program: &TracePoint, pin: &Path) -> bool {
    let pinned = || {
        let link = FdLink::from(PinnedLink::from_pin(pin).ok()?);
        let id = link.info().ok()?.program_id();
        loaded_programs().flatten().find(|info| info.id() == id)
    };
    match (program.info(), pinned()) {
        (Ok(own), Some(pinned)) => own.tag() == pinned.tag() && maps(&own) == maps(&pinned),
        _ => false,
    }
}

fn maps(program: &ProgramInfo) -> Option<BTreeSet<u32>> {
    Some(program.map_ids().ok()??.into_iter().collect())
}

fn perf_event(number: u64) -> io::Result<OwnedFd> {
    let attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttr>() as u32,
        config: number,
        ..PerfEventAttr::default()
    };
    let (any_process, first_cpu, no_group) = (-1, 0, -1);
    // SAFETY: the attributes are of the size that they say, and outlive the call. Which CPU is named does not matter: the
    // program runs wherever the tracepoint is passed.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            any_process,
            first_cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    })
}

fn set_program(event: &OwnedFd, program: i32) -> io::Result<()> {
    for (request, argument) in [
        (PERF_EVENT_IOC_SET_BPF, program),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: these requests take a number.
        if unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
