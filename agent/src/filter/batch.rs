//! Many entries of a map by one call of the kernel (`BPF_MAP_*_BATCH`), which aya has no way to. A kernel that has them not
//! for a type of map (tries: before 5.13) is told by [`is_missing`]; then each entry takes a call of its own.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use super::bpf::bpf;

/// Numbers of include/uapi/linux/bpf.h: `enum bpf_cmd`.
const LOOKUP_BATCH: libc::c_long = 24;
const UPDATE_BATCH: libc::c_long = 26;
const DELETE_BATCH: libc::c_long = 27;

/// Entries that are read by one call at most: bounds the memory that a read takes.
const READ_AT_ONCE: usize = 4096;

/// The part of `union bpf_attr` for batches.
#[derive(Default)]
#[repr(C)]
struct Attributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Whether the kernel has no such call, or not for this map.
pub fn is_missing(error: &io::Error) -> bool {
    // 524 is ENOTSUPP, which the kernel is not meant to show but does.
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EOPNOTSUPP | 524)
    )
}

/// Makes or replaces entries.
///
/// # Errors
/// What the kernel says; then some of them, from the first, may be made.
pub fn update<K: aya::Pod, V: aya::Pod>(
    map: BorrowedFd<'_>,
    keys: &[K],
    values: &[V],
) -> io::Result<()> {
    let count = keys.len().min(values.len());
    call(
        UPDATE_BATCH,
        map,
        keys.as_ptr().cast(),
        values.as_ptr().cast(),
        count,
    )
}

/// Deletes entries, all of which are there.
///
/// # Errors
/// What the kernel says; then some of them, from the first, may be deleted.
pub fn delete<K: aya::Pod>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<()> {
    call(
        DELETE_BATCH,
        map,
        keys.as_ptr().cast(),
        ptr::null(),
        keys.len(),
    )
}

/// All entries of a map that nobody changes meanwhile.
///
/// # Errors
/// What the kernel says.
pub fn read<K: aya::Pod, V: aya::Pod>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut entries = Vec::new();
    let mut keys = Vec::<K>::with_capacity(READ_AT_ONCE);
    let mut values = Vec::<V>::with_capacity(READ_AT_ONCE);
    // Where the next call goes on; the kernel keeps a key of the map in it.
    let (mut from, mut to) = (Vec::<K>::with_capacity(1), Vec::<K>::with_capacity(1));
    let mut first = true;
    loop {
        let mut attributes = Attributes {
            in_batch: if first { 0 } else { from.as_ptr() as u64 },
            out_batch: to.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: READ_AT_ONCE as u32,
            map_fd: map.as_raw_fd() as u32,
            ..Attributes::default()
        };
        let told = bpf(LOOKUP_BATCH, &mut attributes);
        let last = match told {
            Ok(_) => false,
            // There are no more; the count is that of the last ones.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Err(error) => return Err(error),
        };
        let count = (attributes.count as usize).min(READ_AT_ONCE);
        // SAFETY: the kernel wrote that many, of the map's sizes, which the caller's types have; any bytes are a value (`Pod`).
        unsafe {
            keys.set_len(count);
            values.set_len(count);
        }
        entries.extend(keys.drain(..).zip(values.drain(..)));
        if last || count == 0 {
            return Ok(entries);
        }
        std::mem::swap(&mut from, &mut to);
        first = false;
    }
}

fn call(
    command: libc::c_long,
    map: BorrowedFd<'_>,
    keys: *const libc::c_void,
    values: *const libc::c_void,
    count: usize,
) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut attributes = Attributes {
        keys: keys as u64,
        values: values as u64,
        count: u32::try_from(count).map_err(io::Error::other)?,
        map_fd: map.as_raw_fd() as u32,
        ..Attributes::default()
    };
    bpf(command, &mut attributes).map(drop)
}
