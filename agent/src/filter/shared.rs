//! Arrays that this process and the kernel both work on, through a memory mapping: no system call for a change, and no change
//! that the kernel makes meanwhile is lost, as a map update would lose it.
//!
//! Nothing stays mapped: the kernel counts each mapped page as memory of the process. A change of one element maps its page,
//! which takes some microseconds; who changes many [holds](SharedArray::hold) the whole array meanwhile.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, AtomicU64},
};

use aya::maps::MapData;
use mailwall_common::{LineV4, LineV6, ShortcutLine};

/// A type that memory shared with the kernel can hold.
///
/// # Safety
/// It is made of atomic integers only, so that any bytes are a value and writes of others are no data race, and its size
/// divides the size of a page.
pub unsafe trait Shared: Sync {}

// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU64 {}

/// [`BanRecord`](mailwall_common::BanRecord) as both halves see it.
#[derive(Debug, Default)]
#[repr(C)]
pub struct SharedRecord {
    pub ends_ns: AtomicU64,
    pub drops: AtomicU64,
}

// SAFETY: two atomic integers, 16 bytes.
unsafe impl Shared for SharedRecord {}

/// [`LineV4`] as both halves see it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SharedLineV4 {
    pub keys: [AtomicU32; LineV4::ENTRIES],
    pub ends: [AtomicU32; LineV4::ENTRIES],
    pub drops: [AtomicU64; LineV4::ENTRIES],
}

// SAFETY: atomic integers, 64 bytes.
unsafe impl Shared for SharedLineV4 {}

/// [`LineV6`] as both halves see it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SharedLineV6 {
    pub keys: [AtomicU64; LineV6::ENTRIES],
    pub drops: [AtomicU64; LineV6::ENTRIES],
    pub ends: [AtomicU32; LineV6::ENTRIES],
    pub spare: AtomicU32,
}

// SAFETY: atomic integers, 64 bytes.
unsafe impl Shared for SharedLineV6 {}

/// [`ShortcutLine`] as both halves see it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SharedShortcutLine {
    pub entries: [AtomicU64; ShortcutLine::ENTRIES],
}

// SAFETY: atomic integers, 64 bytes.
unsafe impl Shared for SharedShortcutLine {}

const _: () = {
    use std::mem::offset_of;

    use mailwall_common::BanRecord;
    assert!(size_of::<SharedRecord>() == size_of::<BanRecord>());
    assert!(offset_of!(SharedRecord, drops) == offset_of!(BanRecord, drops));
    assert!(size_of::<SharedLineV4>() == size_of::<LineV4>());
    assert!(offset_of!(SharedLineV4, ends) == offset_of!(LineV4, ends));
    assert!(offset_of!(SharedLineV4, drops) == offset_of!(LineV4, drops));
    assert!(size_of::<SharedShortcutLine>() == size_of::<ShortcutLine>());
    assert!(size_of::<SharedLineV6>() == size_of::<LineV6>());
    assert!(offset_of!(SharedLineV6, ends) == offset_of!(LineV6, ends));
    assert!(offset_of!(SharedLineV6, drops) == offset_of!(LineV6, drops));
};

/// An array of `len` elements.
#[derive(Debug)]
pub struct SharedArray<T> {
    /// `None` in tests, where it is held from the start.
    map: Option<MapData>,
    len: usize,
    whole: Option<Mapping<T>>,
}

impl<T: Shared> SharedArray<T> {
    /// The array that is the mmapable map `map`, of `len` elements.
    pub fn new(map: MapData, len: u32) -> Self {
        Self {
            map: Some(map),
            len: len as usize,
            whole: None,
        }
    }

    /// An array that no kernel knows.
    ///
    /// # Errors
    /// When there is no memory for it.
    #[cfg(test)]
    pub fn anonymous(len: u32) -> io::Result<Self> {
        let len = len as usize;
        Ok(Self {
            map: None,
            len,
            whole: Some(Mapping::new(None, 0, len)?),
        })
    }

    /// Keeps all of it mapped until [`SharedArray::release`].
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub fn hold(&mut self) -> io::Result<()> {
        if self.whole.is_none() {
            self.whole = Some(Mapping::new(self.map.as_ref(), 0, self.len)?);
        }
        Ok(())
    }

    /// Ends [`SharedArray::hold`].
    pub fn release(&mut self) {
        if self.map.is_some() {
            self.whole = None;
        }
    }

    /// Works on the elements from `first`, `count` of them, on one page if need be.
    ///
    /// # Errors
    /// When they are not in the array, or cannot be mapped.
    pub fn with<R>(&self, first: u32, count: usize, work: impl FnOnce(&[T]) -> R) -> io::Result<R> {
        let first = first as usize;
        if first + count > self.len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(whole) = &self.whole {
            return Ok(work(&whole.elements()[first..first + count]));
        }
        let per_page = page_size() / size_of::<T>();
        let start = first / per_page * per_page;
        let end = (first + count).next_multiple_of(per_page).min(self.len);
        let part = Mapping::<T>::new(self.map.as_ref(), start, end - start)?;
        Ok(work(&part.elements()[first - start..first - start + count]))
    }
}

fn page_size() -> usize {
    // SAFETY: takes a number and returns one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// A mapped part of an array.
#[derive(Debug)]
struct Mapping<T> {
    start: NonNull<T>,
    len: usize,
    holds: PhantomData<T>,
}

// SAFETY: the mapping is this value's own, and what is in it is only touched by atomic operations.
unsafe impl<T: Shared> Send for Mapping<T> {}

impl<T: Shared> Mapping<T> {
    /// `first` is the first element of a page.
    fn new(map: Option<&MapData>, first: usize, len: usize) -> io::Result<Self> {
        let offset = libc::off_t::try_from(first * size_of::<T>()).map_err(io::Error::other)?;
        let (flags, fd) = match map {
            Some(map) => (libc::MAP_SHARED, map.fd().as_fd().as_raw_fd()),
            None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
        };
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of this process.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len * size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                fd,
                offset,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(address.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            start,
            len,
            holds: PhantomData,
        })
    }

    fn elements(&self) -> &[T] {
        // SAFETY: the mapping is page-aligned, of this length, and lives until `self` is dropped; `Shared` says that any bytes
        // are a value, and that what the kernel writes meanwhile is no data race.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `Mapping::new` with this length, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len * size_of::<T>()) };
    }
}
