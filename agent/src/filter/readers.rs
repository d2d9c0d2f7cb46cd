//! Packets that are being judged.

use std::{io, thread, time::Duration};

/// Of include/uapi/linux/membarrier.h.
const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
/// Far longer than a packet is judged.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Waits until every packet whose judging began before this call is judged: no program that is still running has read what the
/// maps held before. It takes some tens of milliseconds, so it is for changes that are rare.
pub fn wait() {
    // The kernel answers after a grace period of RCU, and a program runs within one (kernel/sched/membarrier.c).
    // SAFETY: the call takes numbers and touches no memory.
    let waited = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if waited != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "no membarrier");
        thread::sleep(LONG_ENOUGH);
    }
}
