//! The one place that reads a packet's bytes. In the kernel that is pointer arithmetic which the verifier follows; on the
//! host a slice stands for the packet, so that the same parser runs in ordinary tests.

/// A type that can be read off a packet as it stands there: words in network byte order.
///
/// # Safety
///
/// Every bit pattern of the type's size is a value of it, and it has no padding.
pub unsafe trait Wire: Copy {}

// SAFETY: every bit pattern is a value.
unsafe impl Wire for u8 {}
// SAFETY: every bit pattern is a value.
unsafe impl Wire for [u8; 2] {}

/// A packet, from its first byte.
pub trait Packet {
    /// Reads a `T` at `offset`; nothing if the packet ends before its last byte.
    fn load<T: Wire>(&self, offset: usize) -> Option<T>;
}

/// What the kernel knows of a packet's arrival.
#[cfg(target_arch = "bpf")]
pub trait Arrival {
    /// Number of the interface that it came in on.
    fn interface(&self) -> u32;
}

#[cfg(target_arch = "bpf")]
impl Arrival for aya_ebpf::programs::XdpContext {
    #[inline(always)]
    fn interface(&self) -> u32 {
        self.ingress_ifindex() as u32
    }
}

#[cfg(target_arch = "bpf")]
impl Arrival for aya_ebpf::programs::TcContext {
    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: the kernel hands a program of this type a socket buffer's description, which lives until it returns.
        unsafe { (*self.skb.skb).ifindex }
    }
}

#[cfg(target_arch = "bpf")]
impl Packet for aya_ebpf::programs::XdpContext {
    #[inline(always)]
    fn load<T: Wire>(&self, offset: usize) -> Option<T> {
        direct(self.data(), self.data_end(), offset)
    }
}

/// A socket buffer. Its outermost VLAN tag is beside the bytes, not in them: such a frame shows one tag less here than to an
/// XDP program.
#[cfg(target_arch = "bpf")]
impl Packet for aya_ebpf::programs::TcContext {
    #[inline(always)]
    fn load<T: Wire>(&self, offset: usize) -> Option<T> {
        match direct(self.data(), self.data_end(), offset) {
            Some(value) => Some(value),
            // The directly readable part may end before the frame does, even within the headers: the rest is copied from
            // wherever it lies, which leaves the buffer as it is for those who come after.
            None => Self::load(self, offset).ok(),
        }
    }
}

/// Reads a `T` from the bytes between two addresses.
#[cfg(target_arch = "bpf")]
#[inline(always)]
fn direct<T: Wire>(data: usize, data_end: usize, offset: usize) -> Option<T> {
    let at = data + offset;
    if at + size_of::<T>() > data_end {
        return None;
    }
    // SAFETY: the verifier accepts the comparison above as the proof that the bytes are the packet's, and `Wire` says that
    // they are a `T`. The pointer may be less aligned than `T`: the BPF machine loads such words from packets, while
    // `read_unaligned` would be compiled into a load and a shift for each byte.
    Some(unsafe { *(at as *const T) })
}

#[cfg(not(target_arch = "bpf"))]
impl Packet for &[u8] {
    fn load<T: Wire>(&self, offset: usize) -> Option<T> {
        let bytes = self.get(offset..)?.get(..size_of::<T>())?;
        // SAFETY: `bytes` holds exactly a `T`'s size, and `Wire` says that any bytes are a `T`.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }
}
