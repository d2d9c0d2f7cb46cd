//! Banned networks of one family, and how long each map entry must hold. The kernel looks at the longest match only, so
//! the record of a network carries the latest end of its own ban and of every wider ban around it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use mailwall_common::{BanSlot, KernelInstant};

use super::Rewrites;

/// A network as bits from the left: IPv4 addresses are the top 32 of the 128. In this order a network stands directly
/// before all that it contains.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    bits: u128,
    len: u8,
}

impl Span {
    /// The network of `len` leading bits that holds `bits`.
    pub fn new(bits: u128, len: u8) -> Self {
        Self {
            bits: bits & mask(len),
            len,
        }
    }

    /// From an IPv4 address and its prefix length.
    pub fn v4(octets: [u8; 4], len: u32) -> Self {
        Self::new(u128::from(u32::from_be_bytes(octets)) << 96, len as u8)
    }

    /// From an IPv6 address and its prefix length.
    pub fn v6(octets: [u8; 16], len: u32) -> Self {
        Self::new(u128::from_be_bytes(octets), len as u8)
    }

    /// The address and the prefix length, as of an IPv4 network.
    pub fn as_v4(self) -> ([u8; 4], u32) {
        let octets = ((self.bits >> 96) as u32).to_be_bytes();
        (octets, u32::from(self.len))
    }

    /// The address and the prefix length, as of an IPv6 network.
    pub fn as_v6(self) -> ([u8; 16], u32) {
        (self.bits.to_be_bytes(), u32::from(self.len))
    }

    /// The first and the last /24 that it has a part in, as an IPv4 network: the numbers that their 24 bits are.
    pub fn slash_24s(self) -> (u32, u32) {
        let first = (self.bits >> 104) as u32;
        let more = 24_u32.saturating_sub(u32::from(self.len));
        (first, first + ((1 << more) - 1))
    }

    fn contains(self, other: Self) -> bool {
        self.len <= other.len && other.bits & mask(self.len) == self.bits
    }

    /// The network of `len` leading bits around it; itself if it is not narrower.
    pub fn widened_to(self, len: u8) -> Self {
        Self::new(self.bits, self.len.min(len))
    }

    /// Itself and everything in it.
    fn within(self) -> RangeInclusive<Self> {
        let last = Self {
            bits: self.bits | !mask(self.len),
            len: 128,
        };
        self..=last
    }
}

const fn mask(len: u8) -> u128 {
    if len == 0 {
        0
    } else {
        u128::MAX << (128 - len)
    }
}

/// A banned network.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Its record.
    pub slot: BanSlot,
    /// When its own ban is over.
    pub own: KernelInstant,
    /// What its record says: the latest of `own` and of the ends of the bans around it.
    pub effective: KernelInstant,
}

/// The banned networks of one family.
#[derive(Debug)]
pub struct Networks {
    by_span: BTreeMap<Span, Held>,
    /// How many there are of each prefix length, so that the wider ones are found by a few look-ups.
    lens: [u32; 129],
}

impl Default for Networks {
    fn default() -> Self {
        Self {
            by_span: BTreeMap::new(),
            lens: [0; 129],
        }
    }
}

impl Networks {
    /// How many.
    pub fn len(&self) -> usize {
        self.by_span.len()
    }

    /// The ban of exactly `span`.
    pub fn get(&self, span: Span) -> Option<&Held> {
        self.by_span.get(&span)
    }

    /// All of them, wide before narrow.
    pub fn iter(&self) -> impl Iterator<Item = (Span, &Held)> {
        self.by_span.iter().map(|(span, held)| (*span, held))
    }

    /// `span` itself, if it is banned, or the narrowest banned network around it.
    pub fn narrowest_around(&self, span: Span) -> Option<Span> {
        let around = self
            .lengths_up_to(span.len)
            .map(|len| Span::new(span.bits, len));
        around
            .filter(|around| self.by_span.contains_key(around))
            .last()
    }

    /// `span` itself, if it is banned, and the banned networks in it, in the order of their addresses.
    pub fn within(&self, span: Span) -> impl Iterator<Item = Span> {
        self.by_span.range(span.within()).map(|(inner, _)| *inner)
    }

    /// Puts a network in or replaces it. [`Networks::settle`] must follow.
    pub fn insert(&mut self, span: Span, held: Held) {
        if self.by_span.insert(span, held).is_none() {
            self.lens[usize::from(span.len)] += 1;
        }
    }

    /// Takes a network out. [`Networks::settle`] must follow.
    pub fn remove(&mut self, span: Span) -> Option<Held> {
        let held = self.by_span.remove(&span)?;
        self.lens[usize::from(span.len)] -= 1;
        Some(held)
    }

    /// Works out the effective ends in and below the `changed` networks, and notes those that are other than before.
    pub(super) fn settle(&mut self, mut changed: Vec<Span>, rewrites: &mut Rewrites) {
        changed.sort_unstable();
        let mut last: Option<Span> = None;
        for span in changed {
            // What lies in a network that was gone through already has its end.
            if last.is_some_and(|last| last.contains(span)) {
                continue;
            }
            last = Some(span);
            self.settle_below(span, rewrites);
        }
    }

    fn settle_below(&mut self, span: Span, rewrites: &mut Rewrites) {
        let mut around = vec![(Span::new(0, 0), self.latest_around(span))];
        for (inner, held) in self.by_span.range_mut(span.within()) {
            while around.len() > 1
                && around
                    .last()
                    .is_some_and(|(outer, _)| !outer.contains(*inner))
            {
                around.pop();
            }
            let from_outside = around.last().and_then(|(_, end)| *end);
            let effective = from_outside.map_or(held.own, |end| end.max(held.own));
            rewrites.note(held.slot, held.effective, effective);
            held.effective = effective;
            around.push((*inner, Some(effective)));
        }
    }

    /// The latest own end of the networks that are wider than `span` and contain it.
    fn latest_around(&self, span: Span) -> Option<KernelInstant> {
        self.lengths_up_to(span.len)
            .filter(|len| *len < span.len)
            .filter_map(|len| self.by_span.get(&Span::new(span.bits, len)))
            .map(|held| held.own)
            .max()
    }

    fn lengths_up_to(&self, len: u8) -> impl Iterator<Item = u8> {
        (0..=len).filter(|len| self.lens[usize::from(*len)] > 0)
    }
}
