use std::cell::RefCell;

use mailwall_common::{AddressV4, KernelInstant, Presence};

use super::{Found, Standing, Tables, standing};
use crate::segment::Source;

const NOW: KernelInstant = KernelInstant::from_ns(100);
const IN_FORCE: KernelInstant = KernelInstant::from_ns(101);
const OVER: KernelInstant = KernelInstant::from_ns(100);
const ADDRESS: u32 = 1;
const NETWORK: u32 = 2;

#[test]
fn a_clean_source_costs_one_look() {
    let (standing, asked) = ask(Answers::default());
    assert_eq!(standing, Standing::Clean);
    assert_eq!(asked, ["presence"]);
}

#[test]
fn a_neighbour_of_banned_ones_is_looked_for_where_they_are() {
    let (standing, asked) = ask(Answers {
        neighbours: true,
        ..Answers::default()
    });
    assert_eq!(standing, Standing::Clean);
    assert_eq!(asked, ["presence", "address", "network"]);
}

#[test]
fn a_banned_address_is_not_looked_for_in_networks() {
    let (standing, asked) = ask(Answers {
        address: Some(IN_FORCE),
        network: Some(IN_FORCE),
        ..Answers::default()
    });
    assert_eq!(standing, Standing::BannedAddress(ADDRESS));
    assert_eq!(asked, ["presence", "address", "clock"]);
}

#[test]
fn few_addresses_are_looked_at_before_presence() {
    let few = Answers {
        few: true,
        ..Answers::default()
    };
    let (standing, asked) = ask(few);
    assert_eq!(standing, Standing::Clean);
    assert_eq!(asked, ["address", "presence"]);
    let (standing, asked) = ask(Answers {
        address: Some(IN_FORCE),
        ..few
    });
    assert_eq!(standing, Standing::BannedAddress(ADDRESS));
    assert_eq!(asked, ["address", "clock"]);
    let (standing, asked) = ask(Answers {
        network: Some(IN_FORCE),
        ..few
    });
    assert_eq!(standing, Standing::BannedNetwork(NETWORK));
    assert_eq!(
        asked,
        ["address", "presence", "network", "clock", "allowlist"]
    );
}

#[test]
fn an_allowlisted_source_passes_whatever_ban_finds_it() {
    for (address, network) in [
        (Some(IN_FORCE), None),
        (None, Some(IN_FORCE)),
        (Some(OVER), Some(IN_FORCE)),
    ] {
        let (standing, _) = ask(Answers {
            address,
            network,
            allowed: true,
            ..Answers::default()
        });
        assert_eq!(standing, Standing::Allowed);
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
            ..Answers::default()
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
    /// Presence tells of bans in any case.
    neighbours: bool,
    /// Few addresses are banned.
    few: bool,
    allowed: bool,
}

fn ask(answers: Answers) -> (Standing<u32>, Vec<&'static str>) {
    let oracle = Oracle {
        answers,
        asked: RefCell::default(),
    };
    let source = Source::V4(AddressV4::from_octets([192, 0, 2, 7]));
    let standing = standing(&oracle, source);
    (standing, oracle.asked.into_inner())
}

/// Tables that note what they are asked.
struct Oracle {
    answers: Answers,
    asked: RefCell<Vec<&'static str>>,
}

impl Oracle {
    fn note(&self, what: &'static str) {
        self.asked.borrow_mut().push(what);
    }
}

impl Tables for Oracle {
    type Counter = u32;

    fn guards(&self, _: u16) -> bool {
        true
    }

    fn enforces(&self) -> bool {
        true
    }

    fn has_few_addresses(&self, _: Source) -> bool {
        self.answers.few
    }

    fn presence(&self, _: Source) -> Presence {
        self.note("presence");
        let Answers {
            address,
            network,
            neighbours,
            ..
        } = self.answers;
        Presence {
            address: neighbours || address.is_some(),
            network: neighbours || network.is_some(),
        }
    }

    fn address_ban(&self, _: Source) -> Option<Found<u32>> {
        self.note("address");
        self.answers.address.map(|end| Found {
            end,
            may_be_allowed: self.answers.allowed,
            counter: ADDRESS,
        })
    }

    fn network_ban(&self, _: Source) -> Option<Found<u32>> {
        self.note("network");
        self.answers.network.map(|end| Found {
            end,
            may_be_allowed: true,
            counter: NETWORK,
        })
    }

    fn allows(&self, _: Source) -> bool {
        self.note("allowlist");
        self.answers.allowed
    }

    fn now(&self) -> KernelInstant {
        self.note("clock");
        NOW
    }

    fn count_drop(&self, _: u32) {
        unreachable!("a standing counts nothing");
    }
}
