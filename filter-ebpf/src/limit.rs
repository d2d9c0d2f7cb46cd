//! Whether a source may open one more connection. Nothing is counted where nothing is limited, and the allowlist is only
//! asked about who is over a limit.

use mailwall_common::{
    AddressV4, AddressV6, EventRing, KernelInstant, Limit, LimitEvent, LimitEventKind,
    LimitsInForce, SourceKey, Told,
};

use crate::{
    ban::Tables,
    segment::Source,
    tally::{Place, Seat, Seats},
};

/// What the agent limited, and what is counted of it. In the kernel these are maps.
pub trait Limits: Tables {
    /// Which limits there are.
    fn in_force(&self) -> LimitsInForce;
    /// The index of the limit of the narrowest limited network that the source is in, or of the default one.
    fn limit_index(&self, source: Source) -> u32;
    /// The limit of that index.
    fn limit(&self, index: u32) -> Option<Limit>;
    /// Where SYNs of `key` are counted.
    fn rates(&self, key: SourceKey) -> Option<Seats>;
    /// Where connections of `key` are counted.
    fn connections(&self, key: SourceKey) -> Option<Seats>;
    /// Tells the agent.
    fn tell(&self, ring: EventRing, event: &LimitEvent);
}

/// Whether a SYN may pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Passage {
    /// It may.
    Free,
    /// Its source opens connections too fast.
    OverRate,
    /// Its source has too many open connections.
    OverConcurrent,
}

/// Whether a SYN of `source` may pass; counts it if so.
#[inline(always)]
pub fn passage<T: Limits>(tables: &T, source: Source) -> Passage {
    if tables.in_force().is_empty() {
        return Passage::Free;
    }
    // Functions of their own, which the verifier walks through once for each family and not once for each way to get here. They
    // take numbers, as the kernel passes nothing else between functions.
    match source {
        Source::V4(address) => passage_v4(tables, address.word()),
        Source::V6(address) => {
            let [high, low] = address.words();
            passage_v6(tables, high, low)
        }
    }
}

#[inline(never)]
fn passage_v4<T: Limits>(tables: &T, word: u32) -> Passage {
    judge(tables, Source::V4(AddressV4::from_be(word)))
}

#[inline(never)]
fn passage_v6<T: Limits>(tables: &T, high: u64, low: u64) -> Passage {
    judge(tables, Source::V6(AddressV6::from_words([high, low])))
}

/// The limit of `source`, and the key under which it is counted for it.
#[inline(always)]
pub fn limit_of<T: Limits>(tables: &T, source: Source) -> Option<(Limit, SourceKey)> {
    let index = tables.limit_index(source);
    let limit = tables.limit(index)?;
    let key = if limit.flags & Limit::TOGETHER != 0 {
        SourceKey::network(index)
    } else {
        match source {
            Source::V4(address) => SourceKey::v4(address),
            Source::V6(address) => SourceKey::v6(address),
        }
    };
    Some((limit, key))
}

#[inline(always)]
fn judge<T: Limits>(tables: &T, source: Source) -> Passage {
    let Some((limit, key)) = limit_of(tables, source) else {
        return Passage::Free;
    };
    if limit.concurrent != 0
        && let Some(seats) = tables.connections(key)
        && let Some(seat) = seats.find(key)
        && seat.open() >= limit.concurrent.cast_signed()
    {
        if tables.allows(source) {
            return Passage::Free;
        }
        seat.refuse();
        return Passage::OverConcurrent;
    }
    if limit.interval_ns != 0 && is_over_rate(tables, source, &limit, key) {
        return Passage::OverRate;
    }
    Passage::Free
}

#[inline(always)]
fn is_over_rate<T: Limits>(tables: &T, source: Source, limit: &Limit, key: SourceKey) -> bool {
    let now = tables.now();
    let Some(seats) = tables.rates(key) else {
        return false;
    };
    let Some(place) = seats.place(key, now.as_ns()) else {
        return false;
    };
    let seat = take(tables, place, key, now, &SYNS);
    match limit.admit(seat.due_ns(), now.as_ns()) {
        Some(due_ns) => {
            seat.set_due_ns(due_ns);
            false
        }
        None if tables.allows(source) => false,
        None => {
            seat.refuse();
            if seat.told().is_due(now.as_ns()) {
                seat.set_told(Told::over_at(now.as_ns()));
                tables.tell(SYNS.ring, &event(seat, now, SYNS.over));
            }
            true
        }
    }
}

/// What is told of a rate, and through which ring.
pub struct Rate {
    /// The ring.
    pub ring: EventRing,
    /// That it was reached.
    pub over: LimitEventKind,
    /// That it is no longer.
    pub under: LimitEventKind,
}

const SYNS: Rate = Rate {
    ring: EventRing::Syns,
    over: LimitEventKind::SynsOver,
    under: LimitEventKind::SynsUnder,
};

/// The seat at `place`, for `key`. A source that could do all it may at once again is below its limit: that is told, also of the
/// source that left the seat to this one.
#[inline(always)]
pub fn take<T: Limits>(
    tables: &T,
    place: Place,
    key: SourceKey,
    now: KernelInstant,
    rate: &Rate,
) -> Seat {
    let (Place::Own(seat) | Place::Free(seat)) = place;
    if seat.told().is_over() && seat.due_ns() <= now.as_ns() {
        tables.tell(rate.ring, &event(seat, now, rate.under));
        seat.set_told(seat.told().under());
        seat.set_refused(0);
    }
    if matches!(place, Place::Free(_)) {
        seat.settle(key);
    }
    seat
}

/// What is to be told of who is counted at `seat`.
#[inline(always)]
pub fn event(seat: Seat, now: KernelInstant, kind: LimitEventKind) -> LimitEvent {
    LimitEvent {
        at_ns: now.as_ns(),
        key: seat.word(),
        address: AddressV6::from_words([0, 0]),
        kind: kind as u32,
        refused: seat.refused(),
        open: seat.open().max(0).cast_unsigned(),
        port: 0,
    }
}

#[cfg(test)]
mod tests;
