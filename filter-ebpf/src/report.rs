//! What is counted of every packet, and what the agent is told.

use aya_ebpf::{
    btf_maps::{PerCpuArray, RingBuf},
    helpers::bpf_ktime_get_ns,
    macros::btf_map,
};
use mailwall_common::{
    EVENTS_BYTES, EventRing, Family, KernelInstant, LimitEvent, TOTALS_LEN, Verdict,
};

#[btf_map]
static TOTALS: PerCpuArray<u64, { TOTALS_LEN as usize }> = PerCpuArray::new();

#[btf_map]
static SYN_EVENTS: RingBuf<LimitEvent, { EVENTS_BYTES as usize }> = RingBuf::new();

#[btf_map]
static CONNECTION_EVENTS: RingBuf<LimitEvent, { EVENTS_BYTES as usize }> = RingBuf::new();

#[btf_map]
static LOST_EVENTS: PerCpuArray<u64, { EventRing::ALL.len() }> = PerCpuArray::new();

/// Counts a packet.
#[inline(always)]
pub fn count(verdict: Verdict, family: Family) {
    if let Some(total) = TOTALS.get_ptr_mut(verdict.total_index(family)) {
        // SAFETY: the pointer is to this CPU's element of an array, which lives as long as the map; the programs run where
        // packets are received, which no other packet's receipt interrupts on the same CPU.
        unsafe { *total += 1 };
    }
}

/// Leaves a record in a ring. Where that is full, because the agent does not read or reads slowly, only their number is kept.
#[inline(always)]
pub fn tell(ring: EventRing, event: &LimitEvent) {
    let entry = match ring {
        EventRing::Syns => SYN_EVENTS.reserve(0),
        EventRing::Connections => CONNECTION_EVENTS.reserve(0),
    };
    if let Some(mut entry) = entry {
        entry.write(*event);
        entry.submit(0);
    } else if let Some(lost) = LOST_EVENTS.get_ptr_mut(ring as u32) {
        // SAFETY: the pointer is to this CPU's element of an array, which lives as long as the map. A count may be lost where one
        // program interrupts the other.
        unsafe { *lost += 1 };
    }
}

/// The time, for the program that cannot ask for the coarse one on every kernel.
#[inline(always)]
pub fn now() -> KernelInstant {
    // SAFETY: the helper takes nothing and returns a number.
    KernelInstant::from_ns(unsafe { bpf_ktime_get_ns() })
}
