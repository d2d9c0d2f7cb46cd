//! Pinned links by the kernel's own calls, where aya has none: which interface a link holds, and taking it off at once.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

/// Numbers of include/uapi/linux/bpf.h: `enum bpf_cmd`, `enum bpf_link_type`.
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_DETACH: libc::c_long = 34;
const BPF_LINK_TYPE_XDP: u32 = 6;

/// A link that holds an XDP program to an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct XdpLink {
    /// Its number in this kernel.
    pub id: u32,
    /// The program.
    pub program_id: u32,
    /// The interface; 0 when that is gone.
    pub if_index: u32,
}

/// The head of `struct bpf_link_info`, as long as `xdp.ifindex` reaches.
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
struct ObjGet {
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
struct Detach {
    link_fd: u32,
}

/// The link pinned at `path`.
///
/// # Errors
/// When there is none, or what is there is not an XDP program's link.
pub fn pinned(path: &Path) -> io::Result<XdpLink> {
    let fd = open(path)?;
    let mut info = Info::default();
    let ask = InfoByFd {
        bpf_fd: fd.as_raw_fd() as u32,
        info_len: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &ask)?;
    if info.kind != BPF_LINK_TYPE_XDP {
        return Err(io::Error::other("it is not the link of an XDP program"));
    }
    Ok(XdpLink {
        id: info.id,
        program_id: info.program_id,
        if_index: info.if_index,
    })
}

/// Takes the program of the link pinned at `path` off its interface. Removing the pin does that too, but some time after.
///
/// # Errors
/// When there is no such link, or the kernel (before 5.10) knows no such call.
pub fn detach(path: &Path) -> io::Result<()> {
    let fd = open(path)?;
    let link = Detach {
        link_fd: fd.as_raw_fd() as u32,
    };
    bpf(BPF_LINK_DETACH, &link)?;
    Ok(())
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let pathname = CString::new(path.as_os_str().as_bytes())?;
    let get = ObjGet {
        pathname: pathname.as_ptr() as u64,
        bpf_fd: 0,
        file_flags: 0,
    };
    let fd = i32::try_from(bpf(BPF_OBJ_GET, &get)?).map_err(io::Error::other)?;
    // SAFETY: the kernel made this descriptor for us in the call above; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are of the command's layout with their true size, and the addresses in them are those of
    // buffers that outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, ptr_of(attributes), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

const fn ptr_of<T>(value: &T) -> *const T {
    value
}
