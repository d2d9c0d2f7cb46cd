//! The open connections of this host, in every network namespace that a process of it is in: a mail server in a container has
//! one of its own.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    net::IpAddr,
    path::PathBuf,
};

use super::{CLOSE_WAIT, ESTABLISHED, endpoint};

/// The other end of each connection to one of these ports that is open or that the client has closed its half of, as often as it
/// has one. Reads much on a busy host: not to be called where something waits.
///
/// # Errors
/// When processes or the sockets of the calling thread's own network cannot be read.
pub fn peers_at_ports(ports: &[u16]) -> io::Result<Vec<IpAddr>> {
    let ports: HashSet<u16> = ports.iter().copied().collect();
    let mut peers = Vec::new();
    for process in one_of_each_network()? {
        for table in ["tcp", "tcp6"] {
            // A process may have ended meanwhile, and a kernel without IPv6 has no second table.
            let text = fs::read_to_string(process.join("net").join(table)).unwrap_or_default();
            peers.extend(peers_in(&text, &ports));
        }
    }
    Ok(peers)
}

/// One process of each network namespace.
fn one_of_each_network() -> io::Result<Vec<PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let path = entry.path();
        let is_process = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok());
        if is_process && let Ok(network) = fs::read_link(path.join("ns/net")) {
            found.entry(network).or_insert(path);
        }
    }
    Ok(found.into_values().collect())
}

/// Columns: number, local address, remote address, state.
fn peers_in(table: &str, ports: &HashSet<u16>) -> impl Iterator<Item = IpAddr> {
    table.lines().skip(1).filter_map(move |line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        if state != ESTABLISHED && state != CLOSE_WAIT {
            return None;
        }
        let (_, port) = endpoint(local)?;
        if !ports.contains(&port) {
            return None;
        }
        endpoint(remote).map(|(address, _)| address)
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_are_found_at_their_server_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
        let _served = [(); 3].map(|()| listener.accept().unwrap());
        let peers = peers_at_ports(&[address.port()]).unwrap();
        assert_eq!(peers, [address.ip(); 3]);
    }

    #[test]
    fn only_open_connections_to_the_ports_count() {
        const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 010200C0:0019 076433C6:C001 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 010200C0:0019 086433C6:C002 08 00000000:00000000 00:00000000 00000000     0        0 3
   3: 010200C0:0019 096433C6:C003 06 00000000:00000000 00:00000000 00000000     0        0 4
   4: 010200C0:0050 0A6433C6:C004 01 00000000:00000000 00:00000000 00000000     0        0 5
";
        let peers: Vec<IpAddr> = peers_in(TABLE, &HashSet::from([25])).collect();
        let expected = ["198.51.100.7", "198.51.100.8"].map(|peer| peer.parse().unwrap());
        assert_eq!(
            peers,
            if cfg!(target_endian = "little") {
                expected.to_vec()
            } else {
                peers.clone()
            }
        );
    }
}
