//! What is to be made of a frame, said a second time: the crate `etherparse` finds the headers, and the rows of the parse and
//! decide table are written down plainly. Nothing here is taken from the filter's code.

use std::net::IpAddr;

use ipnet::IpNet;
use mailwall_common::{MODE_ENFORCE, Verdict};
use mailwall_tests::{
    filter_host::NOW,
    filter_scene::{Outcome, Scene},
};

use crate::headers::{Finding, Shown, find};

/// Where the reference and etherparse, or the reference and the filter, do not say the same, and why that is right. Each
/// frame it happens to is counted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Difference {
    /// etherparse goes by the version that the IP header tells.
    Version,
    /// etherparse takes the rest of the frame for an IPv4 packet that says it is shorter than its header.
    Ipv4Length,
    /// etherparse looks into an authentication header in IPv4.
    Ipv4Authentication,
    /// etherparse takes the rest of the frame for an IPv6 packet that says it is empty.
    Ipv6Length,
    /// etherparse knows how a mobility header is built, but does not walk over it.
    Mobility,
    /// etherparse walks over hop-by-hop options only in front of all else.
    HopByHop,
    /// etherparse does not take an authentication header without a checksum.
    Authentication,
    /// etherparse has no limit of extension headers.
    ManyExtensions,
    /// etherparse does not take a TCP header whose own length is wrong or goes beyond the packet.
    TcpLength,
    /// An extension header goes beyond the packet, and what it says follows is not TCP. It passes as one or the other.
    LongExtension,
    /// A later fragment whose first header is not TCP, but could lead to it. It passes as one or the other.
    LaterChain,
    /// The ban of a network is over, and a wider one is in force. A trie finds only the narrowest; the agent takes a ban away
    /// when it ends, so that the wider one is hidden only while no agent runs.
    NarrowerIsOver,
}

/// What may become of a frame.
pub struct Expected {
    /// One, or two where a difference leaves it open.
    pub outcomes: Vec<Outcome>,
    /// What was met on the way.
    pub differences: Vec<Difference>,
}

/// What is to become of a frame in a scene.
pub fn judge(scene: &Scene, frame: &[u8]) -> Expected {
    let mut differences = Vec::new();
    let (family, finding) = find(frame, &mut differences);
    let decided = match finding {
        Finding::Nothing(verdicts) => verdicts.iter().map(|verdict| (*verdict, None)).collect(),
        Finding::Tcp { source, shown } => decide(scene, source, shown, &mut differences),
    };
    let outcomes = decided.into_iter().map(|(verdict, dropped_by)| Outcome {
        verdict: match scene.mode {
            MODE_ENFORCE => verdict,
            _ => verdict.observed(),
        },
        family,
        dropped_by,
    });
    Expected {
        outcomes: outcomes.collect(),
        differences,
    }
}

/// The lower half of the table: ports, flags, allowlist and bans.
fn decide(
    scene: &Scene,
    source: IpAddr,
    shown: Option<Shown>,
    differences: &mut Vec<Difference>,
) -> Vec<(Verdict, Option<usize>)> {
    if let Some(shown) = shown {
        if !scene.ports.contains(&shown.port) {
            return vec![(Verdict::UnguardedPort, None)];
        }
        if !shown.opens {
            return vec![(Verdict::NotSyn, None)];
        }
    }
    let pass = |verdict| match shown {
        Some(_) => vec![(verdict, None)],
        None => vec![(Verdict::TinyFragment, None)],
    };
    let bans = Bans::of(scene, source);
    if bans.all.is_empty() {
        return pass(Verdict::Clean);
    }
    let Some((index, net)) = bans.in_force else {
        return pass(Verdict::Expired);
    };
    let verdict = match shown {
        None => Verdict::BannedFragment,
        Some(_) if is_address(&net) => Verdict::BannedAddress,
        Some(_) => Verdict::BannedNetwork,
    };
    let mut decided = if scene.allowed.iter().any(|net| net.contains(&source)) {
        pass(Verdict::Allowed)
    } else {
        vec![(verdict, Some(index))]
    };
    if bans.narrowest_network_is_over && !is_address(&net) {
        differences.push(Difference::NarrowerIsOver);
        decided.extend(pass(Verdict::Expired));
    }
    decided
}

/// The bans a source is in.
struct Bans {
    all: Vec<usize>,
    /// The narrowest in force, an address before all networks.
    in_force: Option<(usize, IpNet)>,
    narrowest_network_is_over: bool,
}

impl Bans {
    fn of(scene: &Scene, source: IpAddr) -> Self {
        let mut found: Vec<_> = scene
            .bans
            .iter()
            .enumerate()
            .filter(|(_, (net, _))| net.contains(&source))
            .collect();
        // Addresses first, then networks from narrow to wide.
        found.sort_by_key(|(_, (net, _))| (!is_address(net), 128 - net.prefix_len()));
        let in_force = found.iter().find(|(_, (_, end))| *end > NOW);
        let narrowest_network = found.iter().find(|(_, (net, _))| !is_address(net));
        Self {
            all: found.iter().map(|(index, _)| *index).collect(),
            in_force: in_force.map(|(index, (net, _))| (*index, *net)),
            narrowest_network_is_over: narrowest_network.is_some_and(|(_, (_, end))| *end <= NOW),
        }
    }
}

fn is_address(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() == 32,
        IpNet::V6(net) => net.prefix_len() == 64,
    }
}
