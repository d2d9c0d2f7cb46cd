//! Questions to the kernel that aya has no words for. Each makes an object that nobody else sees and lets go of it.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// Numbers of include/uapi/linux/bpf.h: `enum bpf_cmd`, `bpf_map_type`, `bpf_prog_type`, `bpf_attach_type`, map flags.
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const BPF_F_MMAPABLE: u32 = 1 << 10;
/// include/uapi/linux/if_link.h
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
/// include/net/net_namespace.h: the loopback interface of every network namespace.
const LOOPBACK_IFINDEX: u32 = 1;

/// `struct bpf_insn`
#[repr(C)]
struct Insn {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// `r0 = XDP_PASS; exit`
static PASS: [Insn; 2] = [insn(0xb7, 2), insn(0x95, 0)];

/// The head of the attributes of `BPF_MAP_CREATE`.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

/// The head of the attributes of `BPF_PROG_LOAD`.
#[repr(C)]
struct ProgLoad {
    kind: u32,
    insn_count: u32,
    insns: u64,
    license: u64,
}

/// The head of the attributes of `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Whether arrays can be mapped into memory.
///
/// # Errors
/// When the kernel does not tell.
pub fn has_mmapable_arrays() -> io::Result<bool> {
    let array = MapCreate {
        kind: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        flags: BPF_F_MMAPABLE,
    };
    known(create(BPF_MAP_CREATE, &array))
}

/// Whether links can hold XDP programs.
///
/// # Errors
/// When the kernel does not tell.
pub fn has_xdp_links() -> io::Result<bool> {
    let load = ProgLoad {
        kind: BPF_PROG_TYPE_XDP,
        insn_count: PASS.len() as u32,
        insns: PASS.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
    };
    let program = create(BPF_PROG_LOAD, &load)?;
    // The loopback interface has no native mode, so nothing is attached: a kernel that knows such links refuses with
    // EOPNOTSUPP, one that does not with EINVAL (net/core/dev.c, dev_xdp_attach; kernel/bpf/syscall.c, link_create).
    let link = LinkCreate {
        prog_fd: program.as_raw_fd() as u32,
        target_ifindex: LOOPBACK_IFINDEX,
        attach_type: BPF_XDP,
        flags: XDP_FLAGS_DRV_MODE,
    };
    match known(create(BPF_LINK_CREATE, &link)) {
        // Something else is on the loopback interface; links are known, then.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EOPNOTSUPP | libc::EBUSY | libc::EEXIST)
            ) =>
        {
            Ok(true)
        }
        answer => answer,
    }
}

const fn insn(code: u8, immediate: i32) -> Insn {
    Insn {
        code,
        registers: 0,
        offset: 0,
        immediate,
    }
}

/// What a kernel does not know, it calls invalid.
fn known(made: io::Result<OwnedFd>) -> io::Result<bool> {
    match made {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Calls for something that is made, and owns it.
fn create<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are of the command's layout with their true size, and the addresses in them are those of
    // constants.
    let made = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(made).map_err(io::Error::other)?;
    // SAFETY: the kernel made this descriptor for us in the call above; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
