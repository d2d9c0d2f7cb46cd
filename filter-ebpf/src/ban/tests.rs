use std::cell::RefCell;

use mailwall_common::{AddressV4, BanSlot, KernelInstant};

use super::{Standing, Tables, standing};
use crate::segment::Source;

const NOW: KernelInstant = KernelInstant::from_ns(100);
const IN_FORCE: KernelInstant = KernelInstant::from_ns(101);
const OVER: KernelInstant = KernelInstant::from_ns(100);
const ADDRESS: BanSlot = BanSlot::new(1);
const NETWORK: BanSlot = BanSlot::new(2);

#[test]
fn a_clean_source_costs_two_lookups() {
    let (standing, asked) = ask(Answers::default());
    assert_eq!(standing, Standing::Clean);
    assert_eq!(asked, ["address", "network"]);
}

#[test]
fn a_banned_address_is_not_looked_for_in_networks() {
    let (standing, asked) = ask(Answers {
        address: Some(IN_FORCE),
        network: Some(IN_FORCE),
        allowed: false,
    });
    assert_eq!(standing, Standing::BannedAddress(ADDRESS));
    assert_eq!(asked, ["address", "allowlist", "clock", "record"]);
}

#[test]
fn the_allowlist_comes_before_clock_and_record() {
    for (address, network) in [
        (Some(IN_FORCE), None),
        (None, Some(IN_FORCE)),
        (Some(OVER), Some(IN_FORCE)),
    ] {
        let (standing, asked) = ask(Answers {
            address,
            network,
            allowed: true,
        });
        assert_eq!(standing, Standing::Allowed);
        assert_eq!(asked.last(), Some(&"allowlist"));
    }
}

#[test]
fn a_network_stands_in_for_an_address_whose_ban_is_over() {
    for (network, expected) in [
        (Some(IN_FORCE), Standing::BannedNetwork(NETWORK)),
        (Some(OVER), Standing::Expired),
        (None, Standing::Expired),
    ] {
        let (standing, _) = ask(Answers {
            address: Some(OVER),
            network,
            allowed: false,
        });
        assert_eq!(standing, expected);
    }
}

/// What tables say of one source.
#[derive(Clone, Copy, Default)]
struct Answers {
    /// End of the ban of its address.
    address: Option<KernelInstant>,
    /// End of the ban of its network.
    network: Option<KernelInstant>,
    allowed: bool,
}

/// The standing, and what was asked for it in which order.
fn ask(answers: Answers) -> (Standing, Vec<&'static str>) {
    let asked = Asked {
        answers,
        log: RefCell::default(),
    };
    let source = Source::V4(AddressV4::from_octets([192, 0, 2, 1]));
    (standing(&asked, source), asked.log.into_inner())
}

struct Asked {
    answers: Answers,
    log: RefCell<Vec<&'static str>>,
}

impl Asked {
    fn note(&self, what: &'static str) {
        self.log.borrow_mut().push(what);
    }
}

impl Tables for Asked {
    fn guards(&self, _: u16) -> bool {
        unreachable!("the port was judged before")
    }

    fn enforces(&self) -> bool {
        unreachable!("the mode is judged after")
    }

    fn address_ban(&self, _: Source) -> Option<BanSlot> {
        self.note("address");
        self.answers.address.map(|_| ADDRESS)
    }

    fn network_ban(&self, _: Source) -> Option<BanSlot> {
        self.note("network");
        self.answers.network.map(|_| NETWORK)
    }

    fn allows(&self, _: Source) -> bool {
        self.note("allowlist");
        self.answers.allowed
    }

    fn end(&self, slot: BanSlot) -> Option<KernelInstant> {
        self.note("record");
        match slot {
            ADDRESS => self.answers.address,
            _ => self.answers.network,
        }
    }

    fn now(&self) -> KernelInstant {
        self.note("clock");
        NOW
    }

    fn count_drop(&self, _: BanSlot) {
        unreachable!("a standing is not a drop")
    }
}
