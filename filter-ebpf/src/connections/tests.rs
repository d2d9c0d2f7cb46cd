use std::collections::HashMap;

use mailwall_common::{AddressV4, AddressV6, EventRing, Limit, LimitEventKind};
use proptest::prelude::*;

use super::{CLOSE_WAIT, Change, ESTABLISHED, SYN_RECV, note};
use crate::{
    ban::Tables as _,
    limit::{Passage, passage},
    segment::Source,
    tables::{Tables, network, v4, v6},
};

// Others of include/net/tcp_states.h.
const SYN_SENT: u32 = 2;
const FIN_WAIT1: u32 = 4;
const FIN_WAIT2: u32 = 5;
const TIME_WAIT: u32 = 6;
const CLOSE: u32 = 7;
const LAST_ACK: u32 = 9;
const LISTEN: u32 = 10;

const SMTP: u16 = 25;

/// The ways in which a connection ends, from its first state on.
const ENDS: [&[u32]; 6] = [
    // The client closes first, or the server does.
    &[ESTABLISHED, CLOSE_WAIT, LAST_ACK, CLOSE],
    &[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE],
    &[ESTABLISHED, FIN_WAIT1, CLOSE],
    // Reset, aborted or timed out.
    &[ESTABLISHED, CLOSE],
    &[ESTABLISHED, CLOSE_WAIT, CLOSE],
    &[ESTABLISHED, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE],
];

fn peer(source: Source) -> AddressV6 {
    match source {
        Source::V4(address) => AddressV6::from_v4(address),
        Source::V6(address) => address,
    }
}

fn changes(tables: &Tables, source: Source, port: u16, states: &[u32]) {
    for pair in states.windows(2) {
        let change = Change {
            from: pair[0],
            to: pair[1],
            port,
            peer: peer(source),
        };
        note(tables, &change, tables.now());
    }
}

fn open(tables: &Tables, source: Source) {
    changes(tables, source, SMTP, &[LISTEN, SYN_RECV, ESTABLISHED]);
}

fn kinds(tables: &Tables) -> Vec<u32> {
    let events = tables.events.take();
    assert!(
        events
            .iter()
            .all(|(ring, _)| *ring == EventRing::Connections)
    );
    events.iter().map(|(_, event)| event.kind).collect()
}

#[test]
fn every_way_to_end_a_connection_makes_room_for_another() {
    for source in [v4(7), v6(7)] {
        for end in ENDS {
            let tables = Tables::limiting(Limit::new(0, 2));
            open(&tables, source);
            assert_eq!(passage(&tables, source), Passage::Free);
            open(&tables, source);
            assert_eq!(passage(&tables, source), Passage::OverConcurrent);
            changes(&tables, source, SMTP, end);
            assert_eq!(passage(&tables, source), Passage::Free, "{end:?}");
            open(&tables, source);
            assert_eq!(passage(&tables, source), Passage::OverConcurrent);
        }
    }
}

#[test]
fn a_client_of_a_dual_stack_socket_is_its_ipv4_address() {
    let tables = Tables::limiting(Limit::new(0, 1));
    let address = AddressV4::from_octets([192, 0, 2, 7]);
    let change = Change {
        from: SYN_RECV,
        to: ESTABLISHED,
        port: SMTP,
        peer: AddressV6::from_v4(address),
    };
    assert_eq!(change.source(), Source::V4(address));
    note(&tables, &change, tables.now());
    assert_eq!(passage(&tables, v4(7)), Passage::OverConcurrent);
}

#[test]
fn what_is_not_a_client_at_a_guarded_port_is_not_counted() {
    let tables = Tables::limiting(Limit::new(0, 1));
    changes(&tables, v4(7), 80, &[SYN_RECV, ESTABLISHED]);
    // The host's own connection to somebody.
    changes(&tables, v4(7), SMTP, &[CLOSE, SYN_SENT, ESTABLISHED]);
    changes(&tables, v4(7), SMTP, &[LISTEN, SYN_RECV, CLOSE]);
    assert_eq!(passage(&tables, v4(7)), Passage::Free);
}

#[test]
fn a_connection_from_before_the_start_does_not_count_below_nothing() {
    let tables = Tables::limiting(Limit::new(0, 1));
    for end in ENDS {
        changes(&tables, v4(7), SMTP, end);
    }
    open(&tables, v4(7));
    assert_eq!(passage(&tables, v4(7)), Passage::OverConcurrent);
}

#[test]
fn a_network_that_is_counted_as_a_whole_shares_its_connections() {
    let mut tables = Tables::limiting(Limit::new(0, 9));
    tables.limit(network([192, 0, 2, 0], 24), Limit::new(0, 2).together());
    open(&tables, v4(1));
    open(&tables, v4(2));
    assert_eq!(passage(&tables, v4(3)), Passage::OverConcurrent);
    changes(&tables, v4(1), SMTP, &[ESTABLISHED, CLOSE]);
    assert_eq!(passage(&tables, v4(3)), Passage::Free);
}

#[test]
fn reaching_the_limit_is_told_once_and_again_only_after_a_minute() {
    let tables = Tables::limiting(Limit::new(0, 4));
    for _ in 0..3 {
        open(&tables, v4(7));
    }
    assert!(tables.events.borrow().is_empty());
    open(&tables, v4(7));
    let (_, event) = tables.events.borrow()[0];
    assert_eq!(event.address, peer(v4(7)));
    assert_eq!((event.open, event.port), (4, 25));
    for _ in 0..3 {
        passage(&tables, v4(7));
        changes(&tables, v4(7), SMTP, &[ESTABLISHED, CLOSE]);
        open(&tables, v4(7));
    }
    assert_eq!(kinds(&tables), [LimitEventKind::OpenOver as u32]);
    changes(&tables, v4(7), SMTP, &[ESTABLISHED, CLOSE]);
    changes(&tables, v4(7), SMTP, &[ESTABLISHED, CLOSE]);
    assert_eq!(tables.events.borrow()[0].1.refused, 3);
    assert_eq!(kinds(&tables), [LimitEventKind::OpenUnder as u32]);
    tables.pass_s(61);
    open(&tables, v4(7));
    open(&tables, v4(7));
    assert_eq!(kinds(&tables), [LimitEventKind::OpenOver as u32]);
}

#[test]
fn the_last_connection_that_a_minute_allows_is_told_of() {
    let tables = Tables::limiting(Limit::new(5, 0));
    let visit = || {
        changes(&tables, v4(7), SMTP, &[SYN_RECV, ESTABLISHED, CLOSE]);
    };
    (0..4).for_each(|_| visit());
    assert!(tables.events.borrow().is_empty());
    (0..9).for_each(|_| visit());
    assert_eq!(kinds(&tables), [LimitEventKind::ConnectionsOver as u32]);
    tables.pass_s(61);
    visit();
    assert_eq!(kinds(&tables), [LimitEventKind::ConnectionsUnder as u32]);
}

proptest! {
    /// Whatever opens and closes, each source has as many open connections as it has.
    #[test]
    fn open_connections_are_counted(steps in prop::collection::vec((0u8..6, any::<bool>(), 0usize..ENDS.len()), 1..200)) {
        let tables = Tables::limiting(Limit::new(0, 1000));
        let mut model: HashMap<u8, i32> = HashMap::new();
        for (n, opens, end) in steps {
            let source = if n % 2 == 0 { v4(n) } else { v6(n) };
            let held = model.entry(n).or_default();
            if opens {
                open(&tables, source);
                *held += 1;
            } else if *held > 0 {
                changes(&tables, source, SMTP, ENDS[end]);
                *held -= 1;
            }
            prop_assert_eq!(tables.open(source), *held);
        }
    }
}
