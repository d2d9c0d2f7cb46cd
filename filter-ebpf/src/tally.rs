//! What is counted of a source, where it stands: entries of a map that other processors and the agent touch at the same time. Each
//! word is read and written whole, without locks. What two of them write at once may be lost: then a few more connections pass
//! than should, and of two new sources in one bucket one is not counted.

use mailwall_common::{Bucket, SourceKey, Tally, Told};

/// A bucket, where it stands.
#[derive(Clone, Copy)]
pub struct Seats(*mut Bucket);

/// One source's tally, where it stands.
#[derive(Clone, Copy)]
pub struct Seat(*mut Tally);

/// Where a source is counted.
#[derive(Clone, Copy)]
pub enum Place {
    /// Here, as before.
    Own(Seat),
    /// Here, where nobody is any more.
    Free(Seat),
}

impl Seats {
    /// The seats of `bucket`.
    ///
    /// # Safety
    /// It is there for as long as the seats are used, and whoever else uses it does so by whole words.
    #[inline(always)]
    pub const unsafe fn new(bucket: *mut Bucket) -> Self {
        Self(bucket)
    }

    /// Where `key` is counted.
    #[inline(always)]
    pub fn find(self, key: SourceKey) -> Option<Seat> {
        for index in 0..Bucket::TALLIES {
            let seat = self.seat(index);
            if seat.key() == key {
                return Some(seat);
            }
        }
        None
    }

    /// Where `key` is or can be counted at `now_ns`; nothing where the bucket is full.
    #[inline(always)]
    pub fn place(self, key: SourceKey, now_ns: u64) -> Option<Place> {
        let mut free = None;
        for index in 0..Bucket::TALLIES {
            let seat = self.seat(index);
            if seat.key() == key {
                return Some(Place::Own(seat));
            }
            if free.is_none() && seat.is_free(now_ns) {
                free = Some(seat);
            }
        }
        free.map(Place::Free)
    }

    #[inline(always)]
    fn seat(self, index: usize) -> Seat {
        // SAFETY: the bucket is there, by the promise of `new`, and every index is one of its tallies.
        Seat(unsafe { &raw mut (*self.0).tallies[index] })
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $get:ident $set:ident $field:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $get(self) -> $type {
                // SAFETY: the tally is there, by the promise of `Seats::new`; a word of it is read whole.
                unsafe { (&raw const (*self.0).$field).read_volatile() }
            }

            $(#[$doc])*
            #[inline(always)]
            pub fn $set(self, value: $type) {
                // SAFETY: the tally is there, by the promise of `Seats::new`; a word of it is written whole.
                unsafe { (&raw mut (*self.0).$field).write_volatile(value) }
            }
        )*
    };
}

impl Seat {
    words! {
        /// [`Tally::due_ns`]
        due_ns set_due_ns due_ns: u64;
        /// [`Tally::refused`]
        refused set_refused refused: u32;
        /// [`Tally::open`]
        open set_open open: i32;
        /// [`Tally::told`]
        told set_told told: Told;
        /// [`Tally::told_open`]
        told_open set_told_open told_open: Told;
        /// [`Tally::key`]
        word set_word key: u64;
    }

    /// Who is counted here.
    #[inline(always)]
    pub fn key(self) -> SourceKey {
        SourceKey::from_word(self.word())
    }

    /// Gives the seat to `key`, of which nothing is counted yet.
    #[inline(always)]
    pub fn settle(self, key: SourceKey) {
        self.set_due_ns(0);
        self.set_refused(0);
        self.set_open(0);
        self.set_told(Told::default());
        self.set_told_open(Told::default());
        self.set_word(key.word());
    }

    /// One more SYN was refused.
    #[inline(always)]
    pub fn refuse(self) {
        self.set_refused(self.refused().wrapping_add(1));
    }

    /// Adds to the open connections, and tells how many there are then. Nothing is lost when two do it at once.
    #[inline(always)]
    pub fn add_open(self, change: i32) -> i32 {
        #[cfg(target_arch = "bpf")]
        // SAFETY: the tally is there, by the promise of `Seats::new`. The previous value is not used, as the first instruction
        // set (v1) has no way to return it.
        unsafe {
            use core::intrinsics::{AtomicOrdering, atomic_xadd};
            atomic_xadd::<i32, i32, { AtomicOrdering::Relaxed }>(&raw mut (*self.0).open, change);
        }
        #[cfg(not(target_arch = "bpf"))]
        self.set_open(self.open() + change);
        self.open()
    }

    #[inline(always)]
    fn is_free(self, now_ns: u64) -> bool {
        self.due_ns() <= now_ns && self.open() <= 0
    }
}
