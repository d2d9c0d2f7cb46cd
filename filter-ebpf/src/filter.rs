//! The policy, in reading order. What is not a SYN to a guarded port passes, and so does every SYN whose source has no ban
//! in force; the one other thing that can be dropped is a first fragment from a banned source that is too short to show
//! whether it is such a SYN, since the kernel would put one together from it. A source with no ban in force may still have
//! reached a limit.

use mailwall_common::{Family, Verdict};

use crate::{
    ban::{self, Standing, Tables},
    error::Error,
    limit::{self, Limits, Passage},
    packet::Packet,
    segment::{self, Payload, Segment, Source, Tcp},
};

/// What is to be done with a frame, and the family it is counted under.
#[inline(always)]
pub fn filter<P: Packet, T: Limits>(frame: &P, tables: &T) -> (Verdict, Family) {
    filter_payload(frame, segment::payload(frame), tables)
}

/// The same for a packet that begins with its IP header.
#[inline(always)]
pub fn filter_ip<P: Packet, T: Limits>(packet: &P, tables: &T) -> (Verdict, Family) {
    filter_payload(packet, segment::bare_payload(packet), tables)
}

#[inline(always)]
fn filter_payload<P: Packet, T: Limits>(
    frame: &P,
    payload: Result<Payload, Error>,
    tables: &T,
) -> (Verdict, Family) {
    match payload {
        Ok(Payload::Ipv4(at)) => (judge(segment::ipv4(frame, at), tables), Family::V4),
        Ok(Payload::Ipv6(at)) => (judge(segment::ipv6(frame, at), tables), Family::V6),
        Err(error) => (error.verdict(), Family::Other),
    }
}

#[inline(always)]
fn judge<T: Limits>(segment: Result<Segment, Error>, tables: &T) -> Verdict {
    let Segment { source, tcp } = match segment {
        Ok(segment) => segment,
        Err(error) => return error.verdict(),
    };
    match tcp {
        Tcp::Shown { port, .. } if !tables.guards(port) => Verdict::UnguardedPort,
        Tcp::Shown { flags, .. } if !flags.open_a_connection() => Verdict::NotSyn,
        Tcp::Shown { .. } => judge_syn(source, tables),
        Tcp::Hidden => judge_fragment(source, tables),
    }
}

#[inline(always)]
fn judge_syn<T: Limits>(source: Source, tables: &T) -> Verdict {
    match ban::standing(tables, source) {
        Standing::Clean => limited(Verdict::Clean, source, tables),
        Standing::Allowed => Verdict::Allowed,
        Standing::Expired => limited(Verdict::Expired, source, tables),
        Standing::BannedAddress(counter) => enforce(Verdict::BannedAddress, counter, tables),
        Standing::BannedNetwork(counter) => enforce(Verdict::BannedNetwork, counter, tables),
    }
}

/// What a SYN that no ban stops is, when its source may have reached a limit.
#[inline(always)]
fn limited<T: Limits>(verdict: Verdict, source: Source, tables: &T) -> Verdict {
    let over = match limit::passage(tables, source) {
        Passage::Free => return verdict,
        Passage::OverRate => Verdict::OverRate,
        Passage::OverConcurrent => Verdict::OverConcurrent,
    };
    if tables.enforces() {
        over
    } else {
        over.observed()
    }
}

#[inline(always)]
fn judge_fragment<T: Tables>(source: Source, tables: &T) -> Verdict {
    match ban::standing(tables, source) {
        Standing::Clean | Standing::Allowed | Standing::Expired => Verdict::TinyFragment,
        Standing::BannedAddress(counter) | Standing::BannedNetwork(counter) => {
            enforce(Verdict::BannedFragment, counter, tables)
        }
    }
}

/// Counts the drop with its ban; in observe mode, the packet passes all the same.
#[inline(always)]
fn enforce<T: Tables>(verdict: Verdict, counter: T::Counter, tables: &T) -> Verdict {
    tables.count_drop(counter);
    if tables.enforces() {
        verdict
    } else {
        verdict.observed()
    }
}
