//! What the host says of itself: the interfaces of its default routes, its own addresses, and who is logged in by SSH, all of
//! the network namespace of the calling thread; and who has connections to it.

mod logs;
mod watch;

pub use logs::{MailLog, MailLogPlace, mail_logs};
pub use watch::{NetworkWatch, watch_network};

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nix::ifaddrs::getifaddrs;

mod sockets;

pub use sockets::peers_at_ports;

/// `/proc/net` is that of the process's first thread.
const PROC_NET: &str = "/proc/thread-self/net";
/// Flags of a route in include/uapi/linux/route.h.
const RTF_UP: u32 = 0x0001;
const RTF_REJECT: u32 = 0x0200;
/// `TCP_ESTABLISHED` and `TCP_LISTEN` in include/net/tcp_states.h.
const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";
/// `TCP_CLOSE_WAIT` in include/net/tcp_states.h.
const CLOSE_WAIT: &str = "08";
const SSH_PORT: u16 = 22;

/// A TCP socket that waits for connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Where; unspecified for all addresses of the host.
    pub address: IpAddr,
    /// At which port.
    pub port: u16,
    /// Number of the socket, by which those who hold it are found.
    pub inode: u64,
}

/// The interfaces that carry the default routes of the main table, each once, in the order of their names. Of a multipath
/// IPv4 route the kernel tells the first interface only.
///
/// # Errors
/// When the routes of neither family can be read.
pub fn default_route_interfaces() -> io::Result<Vec<String>> {
    let v4 = fs::read_to_string(format!("{PROC_NET}/route"));
    // A kernel without IPv6 has no such file.
    let v6 = fs::read_to_string(format!("{PROC_NET}/ipv6_route")).unwrap_or_default();
    let v4 = match v4 {
        Err(error) if v6.is_empty() => return Err(error),
        v4 => v4.unwrap_or_default(),
    };
    let names: BTreeSet<&str> = default_routes_v4(&v4)
        .chain(default_routes_v6(&v6))
        .collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// Every address of every interface, each once.
///
/// # Errors
/// When the kernel does not tell.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let addresses: BTreeSet<IpAddr> = getifaddrs()?
        .filter_map(|interface| {
            let address = interface.address?;
            if let Some(v4) = address.as_sockaddr_in() {
                return Some(IpAddr::V4(v4.ip()));
            }
            address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()))
        })
        .collect();
    Ok(addresses.into_iter().collect())
}

/// The other ends of the established connections to port 22 of this host, each once. What cannot be read is nobody.
pub fn ssh_peers() -> Vec<IpAddr> {
    let read = |name| fs::read_to_string(format!("{PROC_NET}/{name}")).unwrap_or_default();
    let (v4, v6) = (read("tcp"), read("tcp6"));
    let peers: BTreeSet<IpAddr> = peers_at(&v4, SSH_PORT)
        .chain(peers_at(&v6, SSH_PORT))
        .collect();
    peers.into_iter().collect()
}

/// The TCP sockets that wait for connections. What cannot be read is none.
pub fn listeners() -> Vec<Listener> {
    let read = |name| fs::read_to_string(format!("{PROC_NET}/{name}")).unwrap_or_default();
    let (v4, v6) = (read("tcp"), read("tcp6"));
    listeners_in(&v4).chain(listeners_in(&v6)).collect()
}

/// Columns: interface, destination, gateway, flags, three that do not matter, mask.
fn default_routes_v4(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [name, destination, _, flags, _, _, _, mask, ..] = columns[..] else {
            return None;
        };
        (destination == "00000000" && mask == "00000000" && is_usable(flags)).then_some(name)
    })
}

/// Columns: destination and its prefix length, source and its prefix length, next hop, metric, two that do not matter, flags,
/// interface. All numbers are hexadecimal.
fn default_routes_v6(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [destination, prefix_len, _, _, _, _, _, _, flags, name] = columns[..] else {
            return None;
        };
        let is_default = prefix_len == "00" && destination.bytes().all(|digit| digit == b'0');
        (is_default && is_usable(flags) && name != "lo").then_some(name)
    })
}

fn is_usable(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & RTF_UP != 0 && flags & RTF_REJECT == 0)
}

/// Columns: number, local address, remote address, state.
fn peers_at(table: &str, port: u16) -> impl Iterator<Item = IpAddr> {
    table.lines().skip(1).filter_map(move |line| {
        let columns: Vec<&str> = line.split_whitespace().take(4).collect();
        let [_, local, remote, state] = columns[..] else {
            return None;
        };
        let (_, local_port) = endpoint(local)?;
        if state != ESTABLISHED || local_port != port {
            return None;
        }
        endpoint(remote).map(|(address, _)| address)
    })
}

/// Columns: number, local address, remote address, state, five that do not matter, inode.
fn listeners_in(table: &str) -> impl Iterator<Item = Listener> {
    table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().take(10).collect();
        let [_, local, _, state, .., inode] = columns[..] else {
            return None;
        };
        if state != LISTEN || columns.len() < 10 {
            return None;
        }
        let (address, port) = endpoint(local)?;
        let inode = inode.parse().ok()?;
        Some(Listener {
            address,
            port,
            inode,
        })
    })
}

/// `0100007F:0016`: the address as words of this machine's byte order, the port as a number.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(octets::<4>(address)?).into(),
        32 => Ipv6Addr::from(octets::<16>(address)?).into(),
        _ => return None,
    };
    Some((address.to_canonical(), port))
}

fn octets<const N: usize>(words: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    for (i, word) in octets.chunks_exact_mut(4).enumerate() {
        let digits = words.get(i * 8..i * 8 + 8)?;
        word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_told_from_others() {
        let table = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth1\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth2\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0
";
        assert_eq!(default_routes_v4(table).collect::<Vec<_>>(), ["eth0"]);
        assert_eq!(default_routes_v4("").count(), 0);
    }

    #[test]
    fn ipv6_default_routes_are_told_from_others() {
        let zero = "0".repeat(32);
        let table = format!(
            "\
20010db8000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0
{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1
{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo
"
        );
        assert_eq!(default_routes_v6(&table).collect::<Vec<_>>(), ["eth1"]);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn only_those_logged_in_are_peers() {
        let v4 = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 016433C6:0016 077100CB:C001 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 016433C6:0016 087100CB:C001 06 00000000:00000000 00:00000000 00000000     0        0 3
   3: 016433C6:0019 097100CB:C001 01 00000000:00000000 00:00000000 00000000     0        0 4
";
        let expected: Vec<IpAddr> = vec!["203.0.113.7".parse().unwrap()];
        assert_eq!(peers_at(v4, 22).collect::<Vec<_>>(), expected);

        let v6 = "\
  sl  local_address                         remote_address                        st
   0: B80D0120000000000000000001000000:0016 B80D0120000000000000000005000000:C001 01
   1: 0000000000000000FFFF0000016433C6:0016 0000000000000000FFFF0000077100CB:C001 01
";
        let expected: Vec<IpAddr> = ["2001:db8::5", "203.0.113.7"]
            .iter()
            .map(|ip| ip.parse().unwrap())
            .collect();
        assert_eq!(peers_at(v6, 22).collect::<Vec<_>>(), expected);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn listeners_are_told_from_connections() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 016433C6:0016 077100CB:C001 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 016433C6:0019 00000000:0000 0A 00000000:00000000
";
        let expected = Listener {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 25,
            inode: 4711,
        };
        assert_eq!(listeners_in(table).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn loopback_is_an_own_address() {
        assert!(
            own_addresses()
                .unwrap()
                .contains(&IpAddr::V4(Ipv4Addr::LOCALHOST))
        );
    }
}
