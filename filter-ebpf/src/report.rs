//! What is counted of every packet.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map};
use mailwall_common::{Family, TOTALS_LEN, Verdict};

#[btf_map]
static TOTALS: PerCpuArray<u64, { TOTALS_LEN as usize }> = PerCpuArray::new();

/// Counts a packet.
#[inline(always)]
pub fn count(verdict: Verdict, family: Family) {
    if let Some(total) = TOTALS.get_ptr_mut(verdict.total_index(family)) {
        // SAFETY: the pointer is to this CPU's element of an array, which lives as long as the map; the programs run where
        // packets are received, which no other packet's receipt interrupts on the same CPU.
        unsafe { *total += 1 };
    }
}
