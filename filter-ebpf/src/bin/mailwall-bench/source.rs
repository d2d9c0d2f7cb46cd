//! The next source of a frame: one out of a range of numbers, in no order.

use aya_ebpf::{Global, btf_maps::PerCpuArray, macros::btf_map, programs::XdpContext};
use mailwall_filter::synthetic::{address_v4, prefix_v6, scatter};

/// IP version of the frames, or 0 to leave them as they are. The loader sets it, and the verifier takes out what is not run.
#[unsafe(no_mangle)]
static IP_VERSION: Global<u32> = Global::new(0);
/// The first number that is drawn.
#[unsafe(no_mangle)]
static FIRST: Global<u32> = Global::new(0);
/// How many numbers, from there on, are drawn.
#[unsafe(no_mangle)]
static COUNT: Global<u32> = Global::new(1);

/// How many sources each CPU drew.
#[btf_map]
static DRAWS: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Where the source is in a frame without VLAN tags.
const SOURCE_V4: usize = 14 + 12;
const SOURCE_V6: usize = 14 + 8;
/// Where an IPv4 frame without VLAN tags and options has its checksums.
const IP_CHECKSUM: usize = 14 + 10;
const TCP_CHECKSUM: usize = 14 + 20 + 16;

/// Writes the next source into the frame, of IPv6 the first half; the checksums stay as they are, as no filter looks at them.
#[inline(always)]
pub fn draw(frame: &XdpContext) {
    match IP_VERSION.load() {
        4 => {
            if let Some(source) = at::<u32>(frame, SOURCE_V4) {
                let address = address_v4(next_number()).to_be();
                // SAFETY: `at` has compared the pointer with the end of the frame, which is writable.
                unsafe { *source = address };
            }
        }
        6 => {
            if let Some(source) = at::<u64>(frame, SOURCE_V6) {
                let prefix = prefix_v6(next_number()).to_be();
                // SAFETY: `at` has compared the pointer with the end of the frame, which is writable.
                unsafe { *source = prefix };
            }
        }
        _ => {}
    }
}

/// Writes the next source into an IPv4 frame, and changes both checksums by the difference (RFC 1624), so that every receiver
/// takes the frame.
#[inline(always)]
pub fn draw_valid(frame: &XdpContext) {
    // One comparison for all three: the verifier does not follow several.
    let Some(start) = at::<[u8; TCP_CHECKSUM + 2]>(frame, 0) else {
        return;
    };
    let address = address_v4(next_number()).to_be();
    // SAFETY: `at` has compared the end of the last of these fields with that of the frame, which is writable. The BPF machine
    // takes words from packets at any address.
    unsafe {
        let source = start.cast::<u8>().add(SOURCE_V4).cast::<u32>();
        let ip = start.cast::<u8>().add(IP_CHECKSUM).cast::<u16>();
        let tcp = start.cast::<u8>().add(TCP_CHECKSUM).cast::<u16>();
        let before = *source;
        *source = address;
        *ip = changed(*ip, before, address);
        *tcp = changed(*tcp, before, address);
    }
}

/// The checksum of what held `before` and now holds `after`. The sum is the same in either byte order.
#[inline(always)]
fn changed(checksum: u16, before: u32, after: u32) -> u16 {
    let mut sum = u64::from(!checksum);
    sum += u64::from(!before >> 16) + u64::from(!before & 0xffff);
    sum += u64::from(after >> 16) + u64::from(after & 0xffff);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

#[inline(always)]
fn next_number() -> u32 {
    let mut draws = 0;
    if let Some(count) = DRAWS.get_ptr_mut(0) {
        // SAFETY: the pointer is to this CPU's element of an array, which lives as long as the map; nothing else on this CPU
        // draws while the benchmark does.
        unsafe {
            *count += 1;
            draws = *count;
        }
    }
    let share = u64::from(scatter(draws as u32)) * u64::from(COUNT.load()) >> 32;
    FIRST.load().wrapping_add(share as u32)
}

/// A pointer into the frame, unless the frame ends before its last byte.
#[inline(always)]
fn at<T>(frame: &XdpContext, offset: usize) -> Option<*mut T> {
    let at = frame.data() + offset;
    if at + size_of::<T>() > frame.data_end() {
        return None;
    }
    Some(at as *mut T)
}
