//! Links by the kernel's own calls: what holds a program to an interface, outlives the agent when it is pinned, and lets
//! another program take the place of the first in one step. aya has no call to tell or to take off what a pinned link holds,
//! and chooses between the ways to attach by the kernel's version, which says nothing on a kernel with backports.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use super::bpf::{bpf, descriptor};

// Numbers of include/uapi/linux/bpf.h: `enum bpf_cmd`, `enum bpf_link_type`, `enum bpf_attach_type`, and flags.
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_LINK_DETACH: libc::c_long = 34;
const BPF_LINK_TYPE_XDP: u32 = 6;
const BPF_LINK_TYPE_TCX: u32 = 11;
const BPF_XDP: u32 = 37;
const BPF_PERF_EVENT: u32 = 41;
const BPF_TCX_INGRESS: u32 = 46;
/// Before all programs that are there.
const BPF_F_BEFORE: u32 = 1 << 3;
/// Of include/uapi/linux/if_link.h.
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// Where on an interface a link holds a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hook {
    /// XDP, in the driver.
    XdpNative,
    /// XDP, in the network stack.
    XdpGeneric,
    /// `tc`, before all programs that are there.
    Tcx,
}

impl Hook {
    const fn attach_type(self) -> u32 {
        match self {
            Self::XdpNative | Self::XdpGeneric => BPF_XDP,
            Self::Tcx => BPF_TCX_INGRESS,
        }
    }

    const fn flags(self) -> u32 {
        match self {
            Self::XdpNative => XDP_FLAGS_DRV_MODE,
            Self::XdpGeneric => XDP_FLAGS_SKB_MODE,
            Self::Tcx => BPF_F_BEFORE,
        }
    }
}

/// What a link is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkKind {
    /// An XDP program.
    Xdp,
    /// A program for `tc`.
    Tcx,
}

/// A pinned link, as the kernel tells it.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
    /// What it is of.
    pub kind: LinkKind,
    /// The program.
    pub program_id: u32,
    /// The interface; 0 when that is gone.
    pub if_index: u32,
}

/// The head of `struct bpf_link_info`, as long as `xdp.ifindex` and `tcx.ifindex` reach.
#[derive(Default)]
#[repr(C)]
struct Info {
    kind: u32,
    id: u32,
    program_id: u32,
    _padding: u32,
    if_index: u32,
    _padding_end: u32,
}

#[repr(C)]
struct ObjPath {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

#[repr(C)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

#[repr(C)]
struct Create {
    program_fd: u32,
    /// An interface's number, or a descriptor.
    target: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
struct Update {
    link_fd: u32,
    program_fd: u32,
    flags: u32,
    old_program_fd: u32,
}

#[repr(C)]
struct Detach {
    link_fd: u32,
}

/// Puts a program on an interface. It is taken off when the link is dropped, unless that is pinned.
///
/// # Errors
/// When the interface refuses, or the kernel has no such links.
pub fn create(program: BorrowedFd<'_>, if_index: u32, hook: Hook) -> io::Result<OwnedFd> {
    create_at(program, if_index, hook.attach_type(), hook.flags())
}

/// Has a program run on a perf event. It does so no longer when the link is dropped, unless that is pinned.
///
/// # Errors
/// When the event refuses, or the kernel has no such links (`EINVAL`).
pub fn create_on_event(program: BorrowedFd<'_>, event: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    create_at(program, number(event), BPF_PERF_EVENT, 0)
}

fn create_at(
    program: BorrowedFd<'_>,
    target: u32,
    attach_type: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attributes = Create {
        program_fd: number(program),
        target,
        attach_type,
        flags,
    };
    bpf(BPF_LINK_CREATE, &mut attributes).and_then(descriptor)
}

/// Pins a link, or another object, so that it stays.
///
/// # Errors
/// When something is there already, or it is no place for a pin.
pub fn pin(link: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let pathname = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = ObjPath {
        pathname: pathname.as_ptr() as u64,
        bpf_fd: number(link),
        file_flags: 0,
    };
    bpf(BPF_OBJ_PIN, &mut attributes).map(drop)
}

/// The link pinned at `path`.
///
/// # Errors
/// When there is none, or what is there is no link of a kind that this module makes.
pub fn pinned(path: &Path) -> io::Result<Link> {
    let fd = open(path)?;
    let mut info = Info::default();
    let mut attributes = InfoByFd {
        bpf_fd: number(fd.as_fd()),
        info_len: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes)?;
    let kind = match info.kind {
        BPF_LINK_TYPE_XDP => LinkKind::Xdp,
        BPF_LINK_TYPE_TCX => LinkKind::Tcx,
        _ => {
            return Err(io::Error::other(
                "it is not the link of a program for XDP or tc",
            ));
        }
    };
    Ok(Link {
        fd,
        kind,
        program_id: info.program_id,
        if_index: info.if_index,
    })
}

impl Link {
    /// Puts another program in the place of the one it holds, in one step.
    ///
    /// # Errors
    /// When the interface refuses it, or is gone (`ENOLINK`); then nothing has changed.
    pub fn update(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let mut attributes = Update {
            link_fd: number(self.fd.as_fd()),
            program_fd: number(program),
            flags: 0,
            old_program_fd: 0,
        };
        bpf(BPF_LINK_UPDATE, &mut attributes).map(drop)
    }
}

/// Takes the program of the link pinned at `path` off its interface. Removing the pin does that too, but some time after.
///
/// # Errors
/// When there is no such link, or the kernel (before 5.10) knows no such call.
pub fn detach(path: &Path) -> io::Result<()> {
    let fd = open(path)?;
    let mut attributes = Detach {
        link_fd: number(fd.as_fd()),
    };
    bpf(BPF_LINK_DETACH, &mut attributes).map(drop)
}

/// Whatever is pinned at `path`.
///
/// # Errors
/// When there is nothing, or it may not be opened.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let pathname = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = ObjPath {
        pathname: pathname.as_ptr() as u64,
        bpf_fd: 0,
        file_flags: 0,
    };
    bpf(BPF_OBJ_GET, &mut attributes).and_then(descriptor)
}

/// A descriptor as the calls take it; one that is open is never negative.
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}
