//! Completed and open connections of each source, from the kernel's own account of its sockets: the tracepoint
//! `sock:inet_sock_set_state`. Unlike a SYN, a completed connection cannot be forged: only these are evidence.

use mailwall_common::{
    AddressV6, EventRing, KernelInstant, Limit, LimitEventKind, SourceKey, Told,
};

use crate::{
    limit::{self, Limits, Rate},
    segment::Source,
    tally::Seat,
};

// Numbers of include/net/tcp_states.h.
const ESTABLISHED: u32 = 1;
const SYN_RECV: u32 = 3;
const CLOSE_WAIT: u32 = 8;

const COMPLETED: Rate = Rate {
    ring: EventRing::Connections,
    over: LimitEventKind::ConnectionsOver,
    under: LimitEventKind::ConnectionsUnder,
};

/// A socket's change from one state to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change {
    /// State before.
    pub from: u32,
    /// State after.
    pub to: u32,
    /// The host's own port.
    pub port: u16,
    /// The peer; IPv4 in its mapped form (RFC 4291, 2.5.5.2), whichever kind of socket it is.
    pub peer: AddressV6,
}

/// What a change is to the number of open connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// A client's handshake is complete.
    Opened,
    /// One side closed, reset or lost the connection; a client that has closed its half is still being served.
    Closed,
}

impl Change {
    /// What this is to the number of open connections.
    #[inline(always)]
    pub const fn step(&self) -> Option<Step> {
        match (self.from, self.to) {
            (SYN_RECV, ESTABLISHED) => Some(Step::Opened),
            (ESTABLISHED | CLOSE_WAIT, ESTABLISHED | CLOSE_WAIT) => None,
            (ESTABLISHED | CLOSE_WAIT, _) => Some(Step::Closed),
            _ => None,
        }
    }

    /// Who is at the other end.
    #[inline(always)]
    pub const fn source(&self) -> Source {
        match self.peer.mapped_v4() {
            Some(address) => Source::V4(address),
            None => Source::V6(self.peer),
        }
    }
}

/// Counts what a change is to a limited source.
#[inline(always)]
pub fn note<T: Limits>(tables: &T, change: &Change, now: KernelInstant) {
    let Some(step) = change.step() else {
        return;
    };
    if tables.in_force().is_empty() || !tables.guards(change.port) {
        return;
    }
    let Some((limit, key)) = limit::limit_of(tables, change.source()) else {
        return;
    };
    if limit.concurrent == 0 && limit.interval_ns == 0 {
        return;
    }
    match step {
        Step::Opened => opened(tables, change, &limit, key, now),
        Step::Closed => closed(tables, &limit, key, now),
    }
}

#[inline(always)]
fn opened<T: Limits>(
    tables: &T,
    change: &Change,
    limit: &Limit,
    key: SourceKey,
    now: KernelInstant,
) {
    let Some(seats) = tables.connections(key) else {
        return;
    };
    let Some(place) = seats.place(key, now.as_ns()) else {
        return;
    };
    let seat = limit::take(tables, place, key, now, &COMPLETED);
    let open = seat.add_open(1);
    if limit.concurrent != 0
        && open >= limit.concurrent.cast_signed()
        && seat.told_open().is_due(now.as_ns())
    {
        seat.set_told_open(Told::over_at(now.as_ns()));
        tell(tables, change, seat, now, LimitEventKind::OpenOver);
    }
    if limit.interval_ns != 0 && is_used_up(limit, seat, now) && seat.told().is_due(now.as_ns()) {
        seat.set_told(Told::over_at(now.as_ns()));
        tell(tables, change, seat, now, COMPLETED.over);
    }
}

/// Whether this connection is the last that a minute allows, or one beyond it. SYNs over the rate are refused, so that the last
/// one allowed is all that can be seen of a host in a hurry.
#[inline(always)]
fn is_used_up(limit: &Limit, seat: Seat, now: KernelInstant) -> bool {
    match limit.admit(seat.due_ns(), now.as_ns()) {
        Some(due_ns) => {
            seat.set_due_ns(due_ns);
            limit.admit(due_ns, now.as_ns()).is_none()
        }
        None => true,
    }
}

#[inline(always)]
fn closed<T: Limits>(tables: &T, limit: &Limit, key: SourceKey, now: KernelInstant) {
    let Some(seats) = tables.connections(key) else {
        return;
    };
    // Who is not there was not counted.
    let Some(seat) = seats.find(key) else {
        return;
    };
    if seat.open() <= 0 {
        return;
    }
    let open = seat.add_open(-1);
    // At half of the limit, so that a source that stays about its limit is not told of again and again.
    if seat.told_open().is_over() && open <= (limit.concurrent / 2).cast_signed() {
        let event = limit::event(seat, now, LimitEventKind::OpenUnder);
        tables.tell(EventRing::Connections, &event);
        seat.set_told_open(seat.told_open().under());
        seat.set_refused(0);
    }
}

#[inline(always)]
fn tell<T: Limits>(
    tables: &T,
    change: &Change,
    seat: Seat,
    now: KernelInstant,
    kind: LimitEventKind,
) {
    let mut event = limit::event(seat, now, kind);
    event.address = change.peer;
    event.port = change.port as u32;
    tables.tell(EventRing::Connections, &event);
}

/// The change that the tracepoint's record tells of, if it is one of a TCP socket.
#[cfg(target_arch = "bpf")]
#[inline(always)]
pub fn change(context: &aya_ebpf::programs::TracePointContext) -> Option<Change> {
    use aya_ebpf::EbpfContext as _;
    use mailwall_common::socket_record::{LOCAL_PORT, NEW_STATE, OLD_STATE, PEER, PROTOCOL};

    let record = context.as_ptr().cast::<u8>().cast_const();
    // SAFETY: the verifier bounds these reads by the record's largest size, and the agent has seen that the kernel's record has
    // these fields in these places before it attaches the program.
    unsafe {
        let protocol = record.add(PROTOCOL.offset).cast::<u16>().read_volatile();
        if protocol != u16::from(crate::segment::TCP) {
            return None;
        }
        Some(Change {
            from: record.add(OLD_STATE.offset).cast::<u32>().read_volatile(),
            to: record.add(NEW_STATE.offset).cast::<u32>().read_volatile(),
            port: record.add(LOCAL_PORT.offset).cast::<u16>().read_volatile(),
            peer: AddressV6::from_words([
                record.add(PEER.offset).cast::<u64>().read_volatile(),
                record.add(PEER.offset + 8).cast::<u64>().read_volatile(),
            ]),
        })
    }
}

#[cfg(test)]
mod tests;
