//! nftables sets in three hooks, and ipset in the raw table of iptables. Each gets the cheapest rule there is: the source is in
//! the set, nothing is asked of the port; sets are made as large as they need to be from the start, and their bans have no end.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use mailwall_tests::Testbed;

use super::{
    contender::{Contender, Drops},
    nft_counter,
    road::{MAIL, Road, tool},
};
use crate::bench::datapath::bans::Bans;

/// Bans that nft gets at once: it takes long over more.
const CHUNK: usize = 50_000;

/// Where nftables looks at packets.
#[derive(Clone, Copy)]
pub enum Hook {
    /// Before anything else in the kernel.
    Ingress,
    /// Before connections are tracked.
    Raw,
    /// Where rules about this host usually are.
    Input,
}

impl Hook {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "nftables, ingress",
            Self::Raw => "nftables, raw",
            Self::Input => "nftables, input",
        }
    }

    fn family(self) -> &'static str {
        match self {
            Self::Ingress => "netdev",
            Self::Raw | Self::Input => "ip",
        }
    }

    /// The family, as the kernel numbers it (`NFPROTO_NETDEV`, `NFPROTO_IPV4`).
    fn number(self) -> u8 {
        match self {
            Self::Ingress => 5,
            Self::Raw | Self::Input => 2,
        }
    }

    fn chain(self) -> String {
        match self {
            Self::Ingress => format!("type filter hook ingress device {MAIL} priority 0"),
            Self::Raw => "type filter hook prerouting priority -300".to_owned(),
            Self::Input => "type filter hook input priority 0".to_owned(),
        }
    }
}

/// A set in a hook of nftables.
///
/// # Errors
/// When nft refuses it.
pub fn nftables(hook: Hook, bans: Bans) -> Result<Contender> {
    let road = Road::new(Testbed::new()?)?;
    let family = hook.family();
    let addresses: Vec<String> = bans.addresses().map(|one| one.to_string()).collect();
    let rules = format!(
        "table {family} bench {{\n set banned {{ type ipv4_addr; size {}; }}\n counter drops {{ }}\n \
         chain refuse {{ {}; policy accept; ip saddr @banned counter name drops drop; }}\n}}\n",
        addresses.len(),
        hook.chain()
    );
    nft(&road, &rules)?;
    for chunk in addresses.chunks(CHUNK) {
        let list = chunk.join(",");
        nft(
            &road,
            &format!("add element {family} bench banned {{ {list} }}\n"),
        )?;
    }
    Ok(Contender {
        name: hook.name(),
        road,
        filter: Box::new(Nftables(hook)),
    })
}

struct Nftables(Hook);

impl Drops for Nftables {
    fn dropped(&self, road: &Road) -> Result<u64> {
        nft_counter::packets(road.bed.server(), self.0.number(), "bench", "drops")
    }
}

fn nft(road: &Road, rules: &str) -> Result<()> {
    let file = write(road.bed.dir(), "rules.nft", rules)?;
    tool(road.bed.server(), &["nft", "-f", &file.to_string_lossy()]).map(drop)
}

/// A set of ipset in the raw table, by this program of iptables.
///
/// # Errors
/// When ipset or iptables refuse it.
pub fn ipset(name: &'static str, iptables: &'static str, bans: Bans) -> Result<Contender> {
    let road = Road::new(Testbed::new()?)?;
    let count = bans.addresses;
    let mut list = format!(
        "create banned hash:ip family inet hashsize {} maxelem {count}\n",
        count.next_power_of_two()
    );
    for address in bans.addresses() {
        // Writing to a string does not fail.
        let _written = writeln!(list, "add banned {address}");
    }
    let file = write(road.bed.dir(), "list.ipset", &list)?;
    let server = road.bed.server();
    tool(
        server,
        &["ipset", "restore", "-file", &file.to_string_lossy()],
    )?;
    let rule = "-t raw -A PREROUTING -m set --match-set banned src -j DROP";
    let words: Vec<&str> = [iptables].into_iter().chain(rule.split(' ')).collect();
    tool(server, &words)?;
    Ok(Contender {
        name,
        road,
        filter: Box::new(Ipset { iptables }),
    })
}

struct Ipset {
    iptables: &'static str,
}

impl Drops for Ipset {
    fn dropped(&self, road: &Road) -> Result<u64> {
        let words = [self.iptables, "-t", "raw", "-nvxL", "PREROUTING"];
        let said = tool(road.bed.server(), &words)?;
        let line = said.lines().find(|line| line.contains("match-set banned"));
        line.and_then(|line| line.split_whitespace().next())
            .context("iptables shows no rule with the set")?
            .parse()
            .context("read the packets that iptables tells")
    }
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = dir.join(name);
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}
