//! `[filter]`, `[allow]` and `[control]`: what the kernel half guards, whom it never shuts out, and who may change that.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    document::{Field, Section},
    error::ConfigError,
};

/// Longest name of an interface (`IFNAMSIZ` counts the NUL).
const INTERFACE_NAME_MAX: usize = 15;
/// Longest name of a group (`LOGIN_NAME_MAX` of Linux, which counts the NUL).
const GROUP_NAME_MAX: usize = 255;

/// `[filter]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilterConfig {
    /// Where it is attached.
    pub interfaces: Interfaces,
    /// TCP ports it guards; not empty, none twice.
    pub ports: Vec<u16>,
    /// How it is attached.
    pub attach: Attach,
    /// Whether it drops.
    pub mode: Mode,
    /// Length of the prefix that is one IPv6 client, in bits, 48 to 128.
    pub ipv6_prefix: u8,
}

/// Which interfaces are guarded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Interfaces {
    /// Those that carry the default routes.
    Auto,
    /// These; not empty, none twice.
    Named(Vec<String>),
}

/// How the filter is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attach {
    /// In the driver where it can, else in the stack; in `tc` where another program has XDP.
    Auto,
    /// In the driver.
    Native,
    /// In the stack.
    Generic,
    /// In traffic control.
    Tc,
}

impl Attach {
    /// Every way.
    pub const ALL: &[Self] = &[Self::Auto, Self::Native, Self::Generic, Self::Tc];

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Tc => "tc",
        }
    }
}

/// Whether the filter drops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It drops.
    Enforce,
    /// It counts what it would drop, and lets it pass.
    Observe,
}

impl Mode {
    /// Every mode.
    pub const ALL: &[Self] = &[Self::Enforce, Self::Observe];

    /// Whether nothing is dropped.
    pub const fn is_observe(self) -> bool {
        matches!(self, Self::Observe)
    }

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// `[control]`: who may ask the agent for things.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ControlConfig {
    /// Group whose members may change things, beside root.
    pub group: Option<String>,
}

pub(super) fn read(top: &Section<'_>) -> Result<FilterConfig, ConfigError> {
    let mut filter = FilterConfig {
        interfaces: Interfaces::Auto,
        ports: vec![25, 465, 587],
        attach: Attach::Auto,
        mode: Mode::Enforce,
        ipv6_prefix: 64,
    };
    let keys = ["interfaces", "ports", "attach", "mode", "ipv6_prefix"];
    let Some(section) = top.table("filter", &keys)? else {
        return Ok(filter);
    };
    if let Some(field) = section.field("interfaces") {
        filter.interfaces = interfaces(&field)?;
    }
    if let Some(field) = section.field("ports") {
        filter.ports = ports(&field)?;
    }
    if let Some(field) = section.field("attach") {
        filter.attach = field.choice("way to attach", Attach::ALL, Attach::as_str)?;
    }
    if let Some(field) = section.field("mode") {
        filter.mode = field.choice("mode", Mode::ALL, Mode::as_str)?;
    }
    if let Some(field) = section.field("ipv6_prefix") {
        // Automatic bans are never wider than /48.
        filter.ipv6_prefix = field.number(48..=128)?;
    }
    Ok(filter)
}

/// Keys of `[allow]`; those of providers are read by `clemency.rs`.
pub(super) const ALLOW_KEYS: &[&str] = &["networks", "providers", "provider_file"];

pub(super) fn read_allow(top: &Section<'_>) -> Result<Vec<IpNet>, ConfigError> {
    let mut networks = Vec::new();
    let mut seen = HashSet::new();
    if let Some(section) = top.table("allow", ALLOW_KEYS)?
        && let Some(field) = section.field("networks")
    {
        for item in field.list()? {
            let network = network(&item)?;
            if !seen.insert(network) {
                return Err(item.mistake(format!("{network} is there twice")));
            }
            networks.push(network);
        }
    }
    Ok(networks)
}

pub(super) fn read_control(top: &Section<'_>) -> Result<ControlConfig, ConfigError> {
    let mut group = None;
    if let Some(section) = top.table("control", &["group"])?
        && let Some(field) = section.field("group")
    {
        let name = field.text()?;
        let fits = (1..=GROUP_NAME_MAX).contains(&name.len())
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':');
        if !fits {
            return Err(field.mistake(format!("{name:?} cannot be the name of a group")));
        }
        group = Some(name.to_owned());
    }
    Ok(ControlConfig { group })
}

fn interfaces(field: &Field<'_>) -> Result<Interfaces, ConfigError> {
    let items = field.list()?;
    let mut names: Vec<String> = Vec::new();
    for item in &items {
        let name = item.text()?;
        if name.len() > INTERFACE_NAME_MAX {
            return Err(item.mistake(format!(
                "{name:?} is too long for an interface; at most {INTERFACE_NAME_MAX} bytes"
            )));
        }
        // What dev_valid_name() of the kernel (net/core/dev.c) refuses.
        if matches!(name, "" | "." | "..")
            || name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0')
        {
            return Err(item.mistake(format!("{name:?} cannot be the name of an interface")));
        }
        if names.iter().any(|known| known == name) {
            return Err(item.mistake(format!("{name:?} is there twice")));
        }
        names.push(name.to_owned());
    }
    let auto = names.iter().any(|name| name == "auto");
    match names.len() {
        0 => Err(field.mistake(format!(
            "{} is empty; name an interface, or write [\"auto\"]",
            field.name()
        ))),
        1 if auto => Ok(Interfaces::Auto),
        _ if auto => Err(field.mistake("\"auto\" stands alone, or not at all")),
        _ => Ok(Interfaces::Named(names)),
    }
}

fn ports(field: &Field<'_>) -> Result<Vec<u16>, ConfigError> {
    let mut ports = Vec::new();
    for item in field.list()? {
        let port = item.number(1..=u16::MAX)?;
        if ports.contains(&port) {
            return Err(item.mistake(format!("port {port} is there twice")));
        }
        ports.push(port);
    }
    if ports.is_empty() {
        return Err(field.mistake(format!("{} is empty; name at least one port", field.name())));
    }
    Ok(ports)
}

/// A network, or an address that stands for itself.
pub(super) fn network(field: &Field<'_>) -> Result<IpNet, ConfigError> {
    let text = field.text()?;
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => {
                return Err(field.mistake(format!(
                    "{text:?} is neither a network such as \"192.0.2.0/24\" nor an address"
                )));
            }
        },
    };
    if let IpNet::V6(mapped) = network
        && let Some(v4) = mapped.addr().to_ipv4_mapped()
        && mapped.prefix_len() >= 96
    {
        let prefix_len = mapped.prefix_len() - 96;
        return Err(field.mistake(format!(
            "{text:?} is an IPv4 network in disguise; write \"{v4}/{prefix_len}\""
        )));
    }
    if network != network.trunc() {
        return Err(field.mistake(format!(
            "{text:?} has bits set beyond its prefix; write \"{}\"",
            network.trunc()
        )));
    }
    Ok(network)
}
