//! The kernel's call for BPF, for what aya has no words for.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

/// Calls the kernel: `attributes` are of the layout that `command` has in `union bpf_attr`, and the kernel may write to them.
pub fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are of the command's layout with their true size, and the addresses in them are those of
    // buffers that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// The descriptor that a system call made for us.
pub fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel made this descriptor for us in the call of which this is the result; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
