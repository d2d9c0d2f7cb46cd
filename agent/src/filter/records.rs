//! The records of bans, read and written through a memory mapping of `BAN_RECORDS`: a map update would lose the drops that
//! the kernel counts meanwhile. The mapping is made in windows as records come into use, because each mapped page counts as
//! the agent's memory, and most hosts use a few of the windows at most.

use std::{
    cell::OnceCell,
    io,
    os::fd::AsRawFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use mailwall_common::{BAN_RECORDS_CAPACITY, BanRecord, BanSlot, KernelInstant};

/// Bytes of a window: a multiple of every page size that Linux has on the machines it runs BPF on.
const WINDOW_BYTES: usize = 256 << 10;
const WINDOW_RECORDS: usize = WINDOW_BYTES / size_of::<BanRecord>();
const WINDOWS: usize = BAN_RECORDS_CAPACITY as usize / WINDOW_RECORDS;

const _: () = assert!(WINDOWS * WINDOW_RECORDS == BAN_RECORDS_CAPACITY as usize);

/// A [`BanRecord`] as both halves see it.
#[repr(C)]
struct Shared {
    ends_ns: AtomicU64,
    drops: AtomicU64,
}

const _: () = assert!(size_of::<Shared>() == size_of::<BanRecord>());
const _: () =
    assert!(std::mem::offset_of!(Shared, drops) == std::mem::offset_of!(BanRecord, drops));

/// The ban records.
#[derive(Debug)]
pub struct Records {
    map: MapData,
    windows: Box<[OnceCell<Window>]>,
}

impl Records {
    /// The records in `map`, which has the shape of `BAN_RECORDS`.
    pub fn new(map: MapData) -> Self {
        Self {
            map,
            windows: (0..WINDOWS).map(|_| OnceCell::new()).collect(),
        }
    }

    /// Starts a new ban: its end, and no drops.
    ///
    /// # Errors
    /// When the record cannot be mapped.
    pub fn begin(&self, slot: BanSlot, ends: KernelInstant) -> io::Result<()> {
        let record = self.record(slot)?;
        record.drops.store(0, Ordering::Relaxed);
        record.ends_ns.store(ends.as_ns(), Ordering::Release);
        Ok(())
    }

    /// Writes another end.
    ///
    /// # Errors
    /// When the record cannot be mapped.
    pub fn extend(&self, slot: BanSlot, ends: KernelInstant) -> io::Result<()> {
        self.record(slot)?
            .ends_ns
            .store(ends.as_ns(), Ordering::Release);
        Ok(())
    }

    /// When the ban is over.
    ///
    /// # Errors
    /// When the record cannot be mapped.
    pub fn ends(&self, slot: BanSlot) -> io::Result<KernelInstant> {
        let ends_ns = self.record(slot)?.ends_ns.load(Ordering::Acquire);
        Ok(KernelInstant::from_ns(ends_ns))
    }

    /// Packets dropped because of the ban.
    ///
    /// # Errors
    /// When the record cannot be mapped.
    pub fn drops(&self, slot: BanSlot) -> io::Result<u64> {
        Ok(self.record(slot)?.drops.load(Ordering::Relaxed))
    }

    fn record(&self, slot: BanSlot) -> io::Result<&Shared> {
        let index = slot.index() as usize;
        let number = index / WINDOW_RECORDS;
        let cell = self
            .windows
            .get(number)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let window = match cell.get() {
            Some(window) => window,
            None => {
                let window = Window::map(&self.map, number)?;
                cell.get_or_init(|| window)
            }
        };
        Ok(&window.records()[index % WINDOW_RECORDS])
    }
}

/// A mapped part of the records.
#[derive(Debug)]
struct Window(NonNull<Shared>);

// SAFETY: the window owns its mapping, and what is in it is only touched by atomic operations.
unsafe impl Send for Window {}

impl Window {
    fn map(map: &MapData, number: usize) -> io::Result<Self> {
        let offset = libc::off_t::try_from(number * WINDOW_BYTES).map_err(io::Error::other)?;
        // SAFETY: a new shared mapping at an address of the kernel's choice touches no memory of this process.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                WINDOW_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd(),
                offset,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast())
            .map(Self)
            .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    fn records(&self) -> &[Shared] {
        // SAFETY: the mapping is page-aligned, `WINDOW_BYTES` long, and lives until `self` is dropped. The kernel writes to
        // it only by aligned 64-bit atomic operations; every bit pattern is a value.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), WINDOW_RECORDS) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `Window::map` with this length, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), WINDOW_BYTES) };
    }
}
