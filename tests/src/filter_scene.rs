//! What the filter is told in a test, and what it must make of a frame. The same cases are run on the filter's code on the
//! host and in the kernel.

use std::net::IpAddr;

use ipnet::IpNet;
use mailwall_common::{Family, KernelInstant, MODE_ENFORCE, MODE_OBSERVE, Verdict};

use crate::packet::{Frame, Shortfall};

/// Ports guarded unless a test says otherwise.
pub const GUARDED: [u16; 3] = [25, 465, 587];

/// What the agent told the filter.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Bans; the index of a network's is its slot.
    pub bans: Vec<(IpNet, KernelInstant)>,
    /// Allowlist.
    pub allowed: Vec<IpNet>,
    /// Guarded ports.
    pub ports: Vec<u16>,
    /// `Settings::mode`.
    pub mode: u32,
}

impl Scene {
    /// Bans that last.
    pub fn banning(nets: &[&str]) -> Self {
        Self {
            bans: nets
                .iter()
                .map(|net| (parse(net), KernelInstant::NEVER))
                .collect(),
            allowed: Vec::new(),
            ports: GUARDED.to_vec(),
            mode: MODE_ENFORCE,
        }
    }

    /// One more ban, with an end.
    pub fn ban_until(mut self, net: &str, end: KernelInstant) -> Self {
        self.bans.push((parse(net), end));
        self
    }

    /// One more allowlisted network.
    pub fn allow(mut self, net: &str) -> Self {
        self.allowed.push(parse(net));
        self
    }

    /// The same in observe mode.
    pub fn observing(self) -> Self {
        self.in_mode(MODE_OBSERVE)
    }

    /// The same in any mode.
    pub fn in_mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Other guarded ports.
    pub fn guarding(mut self, ports: &[u16]) -> Self {
        self.ports = ports.to_vec();
        self
    }
}

/// A ban that is over.
pub const OVER: KernelInstant = KernelInstant::from_ns(1);

/// A frame before a scene, and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the case is about.
    pub name: String,
    /// What the filter was told.
    pub scene: Scene,
    /// What comes in.
    pub frame: Frame,
    /// What the whole frame is.
    pub verdict: Verdict,
    /// The ban in force on the frame's source, if there is one.
    pub ban: Option<usize>,
}

/// What is to be seen of a frame that went through the filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The counter that went up.
    pub verdict: Verdict,
    /// Under which family.
    pub family: Family,
    /// The ban whose drops went up.
    pub dropped_by: Option<usize>,
}

impl Case {
    /// What must become of the whole frame.
    pub fn expected(&self) -> Outcome {
        self.outcome(self.verdict, self.frame.family())
    }

    /// What must become of the frame's first `len` bytes.
    pub fn expected_cut(&self, len: usize) -> Outcome {
        match self.frame.shortfall(len) {
            None => self.expected(),
            Some((Shortfall::Malformed, family)) => self.outcome(Verdict::Malformed, family),
            Some((Shortfall::Hidden, family)) => self.outcome(self.hidden(), family),
        }
    }

    fn hidden(&self) -> Verdict {
        match (self.ban, self.scene.mode) {
            (None, _) => Verdict::TinyFragment,
            (Some(_), MODE_ENFORCE) => Verdict::BannedFragment,
            (Some(_), _) => Verdict::ObservedFragment,
        }
    }

    fn outcome(&self, verdict: Verdict, family: Family) -> Outcome {
        let counts = match verdict {
            Verdict::BannedAddress
            | Verdict::BannedNetwork
            | Verdict::BannedFragment
            | Verdict::ObservedAddress
            | Verdict::ObservedNetwork
            | Verdict::ObservedFragment => true,
            Verdict::NotIp
            | Verdict::NotTcp
            | Verdict::DeepVlan
            | Verdict::Malformed
            | Verdict::LaterFragment
            | Verdict::TinyFragment
            | Verdict::UnguardedPort
            | Verdict::NotSyn
            | Verdict::Clean
            | Verdict::Allowed
            | Verdict::Expired
            | Verdict::OverRate
            | Verdict::OverConcurrent
            | Verdict::ObservedRate
            | Verdict::ObservedConcurrent => false,
        };
        Outcome {
            verdict,
            family,
            dropped_by: self.ban.filter(|_| counts),
        }
    }
}

/// Parses an address.
pub fn address(text: &str) -> IpAddr {
    text.parse()
        .unwrap_or_else(|err| panic!("{text} is not an address: {err}"))
}

fn parse(net: &str) -> IpNet {
    net.parse()
        .unwrap_or_else(|err| panic!("{net} is not a network: {err}"))
}
