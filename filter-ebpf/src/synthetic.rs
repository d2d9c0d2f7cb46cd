//! Sources for the benchmark. Its programs draw them while they run, and its loader bans them beforehand: both ask here for the
//! address that has a number, so that no table stands between, whose memory would be measured too.

/// Number of the first address that names a banned network; those below are banned by themselves.
pub const NETWORKS_FIRST: u32 = 1 << 30;
/// Number of the first address that is nobody's.
pub const CLEAN_FIRST: u32 = 1 << 31;
/// How many addresses from there on are drawn from.
pub const CLEAN_COUNT: u32 = 1 << 31;

/// The IPv4 address of a number, first octet in the highest bits: one that a host on the Internet could have. Two numbers
/// rarely have the same one.
#[inline(always)]
pub const fn address_v4(number: u32) -> u32 {
    let address = scatter(number);
    // The kernel takes no packet from 0.0.0.0/8, 127.0.0.0/8 and what is above 223.255.255.255.
    match address >> 24 {
        0 | 127 => address ^ 0x4000_0000,
        224.. => address ^ 0x6000_0000,
        _ => address,
    }
}

/// The IPv6 /64 of a number, first octet in the highest bits: in 2000::/3, and no two numbers have the same one.
#[inline(always)]
pub const fn prefix_v6(number: u32) -> u64 {
    // The upper half tells the numbers apart, the lower half makes the rest as arbitrary.
    let low = scatter(number ^ 0x5bd1_e995) as u64;
    let high = scatter(number) as u64;
    0x2000_0000_0000_0000 | high << 29 | low & 0x1fff_ffff
}

/// A permutation of the 32-bit numbers that leaves no trace of their order (the last step of MurmurHash3).
#[inline(always)]
pub const fn scatter(number: u32) -> u32 {
    let mut bits = number;
    bits ^= bits >> 16;
    bits = bits.wrapping_mul(0x85eb_ca6b);
    bits ^= bits >> 13;
    bits = bits.wrapping_mul(0xc2b2_ae35);
    bits ^ bits >> 16
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MANY: u32 = 100_000;

    #[test]
    fn every_source_is_one_that_the_kernel_takes_packets_from() {
        for number in 0..MANY {
            let first = address_v4(number) >> 24;
            assert!(matches!(first, 1..=126 | 128..=223), "{number}: {first}");
            assert_eq!(prefix_v6(number) >> 61, 1, "{number}");
        }
    }

    #[test]
    fn hardly_two_numbers_have_the_same_source() {
        let v4: HashSet<u32> = (0..MANY).map(address_v4).collect();
        assert!(v4.len() > MANY as usize * 999 / 1000);
        let v6: HashSet<u64> = (0..MANY).map(prefix_v6).collect();
        assert_eq!(v6.len(), MANY as usize);
    }
}
