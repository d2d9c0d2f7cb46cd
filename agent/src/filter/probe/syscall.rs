//! Questions to the kernel that aya has no words for. Each makes an object that nobody else sees and lets go of it.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use super::super::{
    bpf::{bpf, descriptor},
    link::{self, Hook},
};

/// Numbers of include/uapi/linux/bpf.h: `enum bpf_cmd`, `bpf_map_type`, `bpf_prog_type`, map flags.
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_F_MMAPABLE: u32 = 1 << 10;
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
    known(create(BPF_MAP_CREATE, array))
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
    let program = create(BPF_PROG_LOAD, load)?;
    // The loopback interface has no native mode, so nothing is attached: a kernel that knows such links refuses with
    // EOPNOTSUPP, one that does not with EINVAL (net/core/dev.c, dev_xdp_attach; kernel/bpf/syscall.c, link_create).
    match known(link::create(
        program.as_fd(),
        LOOPBACK_IFINDEX,
        Hook::XdpNative,
    )) {
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

/// Calls for something that is made.
fn create<T>(command: libc::c_long, mut attributes: T) -> io::Result<OwnedFd> {
    bpf(command, &mut attributes).and_then(descriptor)
}
