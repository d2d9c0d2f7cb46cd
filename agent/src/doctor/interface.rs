//! The interfaces to guard: what they are, and which mode the filter gets there. Nothing is attached for a trial.

use std::{collections::BTreeSet, path::Path, thread};

use super::{
    Finding, Patient,
    card::{self, Card, Native},
    container,
    device::{self, Device},
    ok, problem,
    process::{Holders, Process},
    warning,
};
use crate::{
    config::Attach,
    filter::{
        AttachMode,
        probe::{self, Guardable, Holder, Occupant},
    },
};

/// Bytes of a packet that drivers can still give to a program that sees one page: ena 3498, virtio 3506, veth 3520.
const NATIVE_MTU_MAX: u32 = 3498;
const COSTS: &str = "it works, but costs more a packet; most cards and clouds have native XDP";
const BESIDE: &str = "it works, but costs more a packet; `ip -d link` names the XDP program";
/// Kinds of interfaces that a container is given.
const CABLES: [&str; 4] = ["veth", "macvlan", "ipvlan", "netkit"];
const AUTO: &str = "set attach = \"auto\" in [filter]";
/// Most ports that are named.
const PORTS_MAX: usize = 3;
/// Deepest stack of VLANs and bonds that is followed down; the kernel builds none deeper.
const DEPTH_MAX: usize = 8;
const CONFIGURE: &str = "name the interface that carries mail in [filter] interfaces";

/// An interface to guard, and what is around it.
struct Sight<'a> {
    found: &'a Guardable,
    device: &'a Device,
    card: &'a Card,
    devices: &'a [Device],
    /// Processes that hold the program which is there.
    owners: &'a [Process],
    attach: Attach,
    /// The kind of container in which this process runs.
    container: Option<&'a str>,
    cpus: u32,
}

/// What is to be said of the interfaces to guard.
pub(super) fn interfaces(patient: &Patient<'_>, holders: &Holders) -> Vec<Finding> {
    if patient.interfaces.is_empty() {
        let text = "none carries a default route";
        return vec![problem("interface", text, CONFIGURE)];
    }
    let listed =
        device::list().and_then(|devices| Ok((devices, probe::interfaces(patient.bpffs_dir)?)));
    let (devices, present) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            let text = format!("cannot list the interfaces: {error}");
            return vec![problem(
                "interface",
                text,
                "is this a container without a network?",
            )];
        }
    };
    let container = container::kind(Path::new("/"));
    let (names, mut findings) = carriers(patient.interfaces, &devices);
    for name in names {
        let device = devices.iter().find(|device| device.name == name);
        let found = present.iter().find(|found| found.name == name);
        let (Some(device), Some(found)) = (device, found) else {
            findings.push(missing(name, &devices));
            continue;
        };
        let owners = match &found.holder {
            Holder::Other(occupant) => holders.programs.get(&occupant.id),
            Holder::Nobody | Holder::Filter(_) => None,
        };
        findings.extend(interface(&Sight {
            found,
            device,
            card: &card::card(found.index, name),
            devices: &devices,
            owners: owners.map_or(&[], Vec::as_slice),
            attach: patient.attach,
            container: container.as_deref(),
            cpus: thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32),
        }));
    }
    findings
}

/// The interfaces on which the filter goes: in place of a VLAN device the one that carries it, in place of a bond's port the bond.
fn carriers<'a>(wanted: &'a [String], devices: &'a [Device]) -> (BTreeSet<&'a str>, Vec<Finding>) {
    let mut names = BTreeSet::new();
    let mut findings = Vec::new();
    for name in wanted {
        let device = devices.iter().find(|device| device.name == *name);
        let lowest = device.map(|device| lowest(device, devices));
        if let Some(lowest) = lowest.filter(|lowest| lowest.name != *name) {
            let text = format!("its packets are met on {}, which is guarded", lowest.name);
            findings.push(ok(&topic(name), text));
        }
        names.insert(lowest.map_or(name.as_str(), |lowest| &lowest.name));
    }
    (names, findings)
}

fn lowest<'a>(device: &'a Device, devices: &'a [Device]) -> &'a Device {
    let mut lowest = device;
    for _ in 0..DEPTH_MAX {
        let of_number = |number| devices.iter().find(|device| Some(device.index) == number);
        let under = if lowest.is("vlan") {
            of_number(lowest.link)
        } else {
            of_number(lowest.master).filter(|master| master.is("bond"))
        };
        let Some(under) = under else {
            break;
        };
        lowest = under;
    }
    lowest
}

fn topic(name: &str) -> String {
    format!("interface {name}")
}

fn missing(name: &str, devices: &[Device]) -> Finding {
    let known: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    let text = format!("does not exist; known: {}", known.join(", "));
    problem(&topic(name), text, CONFIGURE)
}

fn interface(sight: &Sight<'_>) -> Vec<Finding> {
    let topic = topic(&sight.found.name);
    let mut findings = vec![hook(sight, &topic)];
    if !sight.device.is_up {
        let advice = format!("ip link set dev {} up", sight.found.name);
        findings.push(warning(&topic, "is down", &advice));
    }
    if let Some(container) = sight.container
        && CABLES.iter().any(|kind| sight.device.is(kind))
    {
        findings.push(container::cable_end(&sight.found.name, container));
    }
    let may_be_native = match sight.attach {
        Attach::Auto | Attach::Native => sight.card.native != Native::No,
        Attach::Generic | Attach::Tc => false,
    };
    if sight.card.merges && may_be_native && sight.found.holder == Holder::Nobody {
        let advice = format!("ethtool -K {} lro off", sight.found.name);
        let text = "LRO is on, with which many drivers refuse native mode";
        findings.push(warning(&topic, text, &advice));
    }
    findings
}

/// Who has the hook, or how the filter would.
fn hook(sight: &Sight<'_>, topic: &str) -> Finding {
    let what = describe(sight);
    match &sight.found.holder {
        Holder::Filter(AttachMode::Generic) if sight.attach == Attach::Auto => {
            warning(topic, format!("{what}; guarded in generic mode"), COSTS)
        }
        Holder::Filter(AttachMode::Tc)
            if sight.attach == Attach::Auto && sight.device.is_ethernet =>
        {
            let text = format!("{what}; guarded in tc mode, as XDP was taken");
            warning(topic, text, BESIDE)
        }
        Holder::Filter(mode) => ok(topic, format!("{what}; guarded in {mode} mode")),
        Holder::Other(occupant) => taken(sight, topic, occupant),
        Holder::Nobody if !sight.device.is_ethernet => no_ethernet(sight, topic, &what),
        Holder::Nobody => free(sight, topic, &what),
    }
}

/// XDP programs find their way from the Ethernet header on.
fn no_ethernet(sight: &Sight<'_>, topic: &str, what: &str) -> Finding {
    match sight.attach {
        Attach::Auto => ok(
            topic,
            format!("{what}; tc mode, as it has no Ethernet frames"),
        ),
        Attach::Tc => ok(topic, format!("{what}; tc mode as configured")),
        Attach::Native | Attach::Generic => problem(
            topic,
            format!("{what}; no Ethernet frames, which XDP takes"),
            AUTO,
        ),
    }
}

/// `veth, MTU 1500, 2 queues`
fn describe(sight: &Sight<'_>) -> String {
    let Sight {
        found,
        device,
        card,
        devices,
        ..
    } = sight;
    // Software devices may tell of no queues at all.
    let told = card.queues.filter(|(rx, tx)| *rx > 0 && *tx > 0);
    let (rx, tx) = told.unwrap_or((device.rx_queues, device.tx_queues));
    let queues = match (rx, tx) {
        (1, 1) => "1 queue".to_owned(),
        (rx, tx) if rx == tx => format!("{rx} queues"),
        (rx, tx) => format!("{rx} RX and {tx} TX queues"),
    };
    let driver = card.driver.as_deref().or(device.kind.as_deref());
    let mut text = driver.unwrap_or("unknown driver").to_owned();
    if device.is("bond") || device.is("bridge") {
        text += &format!(" of {}", ports(device, devices));
    }
    let master = devices
        .iter()
        .find(|over| Some(over.index) == device.master);
    if let Some(master) = master {
        text += &format!(", port of {}", master.name);
    }
    format!("{text}, MTU {}, {queues}", found.mtu)
}

/// The ports of a bridge or bond; of a bridge with many containers the first.
fn ports(master: &Device, devices: &[Device]) -> String {
    let ports = devices
        .iter()
        .filter(|port| port.master == Some(master.index));
    let names: Vec<&str> = ports.map(|port| port.name.as_str()).collect();
    match names.len() {
        0 => "no ports".to_owned(),
        count if count <= PORTS_MAX => names.join(", "),
        count => format!(
            "{} and {} more",
            names[..PORTS_MAX].join(", "),
            count - PORTS_MAX
        ),
    }
}

/// What the filter would get on a hook that nobody has.
fn free(sight: &Sight<'_>, topic: &str, what: &str) -> Finding {
    let is_jumbo = sight.found.mtu > NATIVE_MTU_MAX;
    let refusal = match sight.card.native {
        Native::No => Some("its driver has no native XDP"),
        Native::Whole if is_jumbo => Some("this MTU is too large for native XDP"),
        Native::Untold if is_jumbo => Some("most drivers have no native XDP at this MTU"),
        Native::Whole | Native::Pieces | Native::Untold => None,
    };
    match (sight.attach, refusal) {
        (Attach::Generic, _) => ok(topic, format!("{what}; free, generic mode as configured")),
        (Attach::Tc, _) => ok(topic, format!("{what}; free, tc mode as configured")),
        (Attach::Native, Some(refusal)) if sight.card.native == Native::Untold => {
            warning(topic, format!("{what}; free, but {refusal}"), AUTO)
        }
        (Attach::Native, Some(refusal)) => problem(
            topic,
            format!("{what}; attach = \"native\", but {refusal}"),
            AUTO,
        ),
        (Attach::Auto, Some(refusal)) => {
            let perhaps = match sight.card.native {
                Native::Untold => "perhaps only ",
                Native::No | Native::Whole | Native::Pieces => "",
            };
            warning(
                topic,
                format!("{what}; free, {perhaps}generic mode: {refusal}"),
                &how_to_native(sight, is_jumbo),
            )
        }
        (Attach::Auto | Attach::Native, None) => match sight.card.native {
            Native::Untold => untold(sight, topic, what),
            Native::No | Native::Whole | Native::Pieces => {
                ok(topic, format!("{what}; free, native mode"))
            }
        },
    }
}

fn how_to_native(sight: &Sight<'_>, is_jumbo: bool) -> String {
    if sight.device.is("bridge") {
        let outer = sight.devices.iter().find(|port| {
            port.master == Some(sight.device.index) && !CABLES.iter().any(|kind| port.is(kind))
        });
        if let Some(outer) = outer {
            return format!(
                "it works; cheaper: its port {} in [filter] interfaces",
                outer.name
            );
        }
    }
    if is_jumbo && sight.card.native != Native::No {
        return format!(
            "it works; native mode, which costs less a packet, takes an MTU of {NATIVE_MTU_MAX} or less"
        );
    }
    COSTS.to_owned()
}

/// The kernel does not tell what the driver can. Older drivers of virtio take a queue more for each CPU (drivers/net/virtio_net.c,
/// `virtnet_xdp_set`); since the kernel tells, they do without.
fn untold(sight: &Sight<'_>, topic: &str, what: &str) -> Finding {
    let in_use = sight.card.queues.map_or(1, |(rx, _)| rx);
    let wanted = in_use + sight.cpus;
    let few = sight.card.queues_max.filter(|most| *most < wanted);
    match few {
        Some(most) if sight.card.driver.as_deref() == Some("virtio_net") => warning(
            topic,
            format!("{what} of {most}; free, perhaps only generic mode: native takes {wanted}"),
            "generic mode works; for native give the machine twice as many queues as CPUs",
        ),
        _ => ok(
            topic,
            format!("{what}; free, native mode if the driver has it, else generic"),
        ),
    }
}

fn taken(sight: &Sight<'_>, topic: &str, occupant: &Occupant) -> Finding {
    let mut text = format!("XDP is taken by {occupant}");
    if let Some(owner) = sight.owners.first() {
        text += &format!(", of {} (pid {})", owner.name, owner.pid);
    }
    if let Some(pin) = &occupant.pin {
        text += &format!(", pinned at {}", pin.display());
    }
    let advice = how_to_free(sight, occupant);
    match sight.attach {
        Attach::Auto => warning(topic, format!("tc mode, slower: {text}"), &advice),
        Attach::Tc => ok(topic, format!("tc mode as configured; {text}")),
        Attach::Native | Attach::Generic => problem(topic, text, &format!("{advice}; or {AUTO}")),
    }
}

fn how_to_free(sight: &Sight<'_>, occupant: &Occupant) -> String {
    let name = &sight.found.name;
    match (occupant.name.as_str(), sight.owners.first(), &occupant.pin) {
        ("xdp_dispatcher", ..) => {
            format!("libxdp's: see `xdp-loader status`; `xdp-loader unload {name} --all` ends it")
        }
        (cilium, ..) if cilium.starts_with("cil_") => {
            "Cilium's: set loadBalancer.acceleration to disabled there".to_owned()
        }
        (own, ..) if own.starts_with("mailwall") => {
            "another mailwall's: stop it, or name its folder with --bpffs-dir".to_owned()
        }
        (_, Some(owner), _) => format!("stop {}, for an interface takes one", owner.name),
        (_, None, Some(pin)) => {
            format!("stop what put it there, or `rm {}`", pin.display())
        }
        (_, None, None) => {
            format!("stop what put it there, or `ip link set dev {name} xdp off`")
        }
    }
}

#[cfg(test)]
mod tests;
