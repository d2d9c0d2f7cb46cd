//! The kernel's sockets, by netlink's `sock_diag`: which connections there are, and the end of one of them (`SOCK_DESTROY`). The
//! only place that knows those messages byte for byte (include/uapi/linux/inet_diag.h).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use crate::netlink::{NLM_F_ACK, NLM_F_DUMP, exchange, request};

/// include/uapi/linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// include/net/tcp_states.h, as bits: connections that are open, that open or that close. What only waits for its time to be
/// over (`TCP_TIME_WAIT`) holds nothing, and what listens serves others.
const STATES: u32 = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11 | 1 << 12;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `struct inet_diag_sockid`.
const SOCKET_ID: usize = 48;
/// Where it stands in `struct inet_diag_msg`, behind family, state, timer and retransmissions.
const SOCKET_ID_AT: usize = 4;
/// Most connections that are looked at; a host with more is looked at in part.
const CONNECTIONS_MAX: usize = 1 << 20;

/// A connection of this host, of the network namespace of the calling thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connection {
    family: u8,
    /// As the kernel told it, with the cookie: nothing but this very socket is meant, whoever gets its ports next.
    id: [u8; SOCKET_ID],
    /// The port of this host.
    pub port: u16,
    /// The other end; an IPv4 client of an IPv6 socket as IPv4.
    pub peer: SocketAddr,
}

/// The TCP connections at `ports` of this host.
///
/// # Errors
/// When the kernel does not tell of either family.
pub fn connections(ports: &[u16]) -> io::Result<Vec<Connection>> {
    let v4 = dump(AF_INET, ports);
    // A kernel without IPv6 tells nothing of it.
    match (v4, dump(AF_INET6, ports)) {
        (Ok(mut all), Ok(v6)) => {
            all.extend(v6);
            Ok(all)
        }
        (Ok(some), Err(_)) | (Err(_), Ok(some)) => Ok(some),
        (Err(error), Err(_)) => Err(error),
    }
}

/// Ends a connection: both ends see it reset. Whether it was still there.
///
/// # Errors
/// When the kernel cannot (`Unsupported`: built without `CONFIG_INET_DIAG_DESTROY`) or may not.
pub fn destroy(connection: &Connection) -> io::Result<bool> {
    let question = question(connection.family, u32::MAX, &connection.id);
    match ask(SOCK_DESTROY, NLM_F_ACK, &question, |_| {}) {
        Ok(()) => Ok(true),
        // It ended by itself, or does so now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel cannot end connections (built without CONFIG_INET_DIAG_DESTROY)",
        )),
        Err(error) => Err(error),
    }
}

/// Whether this kernel can end connections, and this process may: asks for the end of one that cannot be.
///
/// # Errors
/// As [`destroy`], and `Unsupported` when the kernel does not know its TCP connections.
pub fn try_destroy() -> io::Result<()> {
    // Without `tcp_diag` there is no such connection either.
    connections(&[]).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel does not tell its connections (without CONFIG_INET_DIAG, or its module tcp_diag)",
        ),
        _ => error,
    })?;
    let mut id = [0; SOCKET_ID];
    // From port 0 of the loopback address to port 0 of it, with no cookie in particular.
    id[4..8].copy_from_slice(&[127, 0, 0, 1]);
    id[20..24].copy_from_slice(&[127, 0, 0, 1]);
    id[40..].fill(0xff);
    let nobody = Connection {
        family: AF_INET,
        id,
        port: 0,
        peer: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
    };
    destroy(&nobody).map(|_| ())
}

fn dump(family: u8, ports: &[u16]) -> io::Result<Vec<Connection>> {
    let mut found = Vec::new();
    let question = question(family, STATES, &[0; SOCKET_ID]);
    ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &question, |answer| {
        if let Some(connection) = read(answer)
            && ports.contains(&connection.port)
            && found.len() < CONNECTIONS_MAX
        {
            found.push(connection);
        }
    })?;
    Ok(found)
}

/// `struct inet_diag_req_v2`.
fn question(family: u8, states: u32, id: &[u8; SOCKET_ID]) -> Vec<u8> {
    let mut question = vec![family, IPPROTO_TCP, 0, 0];
    question.extend(states.to_ne_bytes());
    question.extend(id);
    question
}

/// `struct inet_diag_msg`. Ports and addresses are in the byte order of the network.
fn read(message: &[u8]) -> Option<Connection> {
    let family = *message.first()?;
    let id: [u8; SOCKET_ID] = message
        .get(SOCKET_ID_AT..SOCKET_ID_AT + SOCKET_ID)?
        .try_into()
        .ok()?;
    let port = |at: usize| u16::from_be_bytes([id[at], id[at + 1]]);
    let address = &id[20..36];
    let peer: IpAddr = match family {
        AF_INET => Ipv4Addr::new(address[0], address[1], address[2], address[3]).into(),
        AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_canonical(),
        _ => return None,
    };
    Some(Connection {
        family,
        id,
        port: port(0),
        peer: SocketAddr::new(peer, port(2)),
    })
}

/// Asks, and hands each answer on until there are no more.
fn ask(kind: u16, flags: u16, question: &[u8], each: impl FnMut(&[u8])) -> io::Result<()> {
    exchange(NETLINK_SOCK_DIAG, &request(kind, flags, question), each).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn an_answer_is_read_as_the_kernel_writes_it() {
        let mut message = vec![AF_INET, 1, 0, 0];
        message.extend(25_u16.to_be_bytes());
        message.extend(49_153_u16.to_be_bytes());
        message.extend([192, 0, 2, 1]);
        message.extend([0; 12]);
        message.extend([203, 0, 113, 7]);
        message.extend([0; 12 + 4 + 8 + 20]);
        let connection = read(&message).unwrap();
        assert_eq!(connection.port, 25);
        assert_eq!(connection.peer, "203.0.113.7:49153".parse().unwrap());
        assert_eq!(read(&message[..40]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_mapped_address_is_that_of_ipv4() {
        let mut message = vec![AF_INET6, 1, 0, 0];
        message.extend(25_u16.to_be_bytes());
        message.extend(1_u16.to_be_bytes());
        message.extend(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets());
        message.extend(Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped().octets());
        message.extend([0; 4 + 8 + 20]);
        assert_eq!(
            read(&message).unwrap().peer,
            "203.0.113.7:1".parse().unwrap()
        );
    }

    /// Only this thread's own connections are looked for, by a port of its own.
    #[test]
    fn connections_of_both_families_are_found_by_their_port() {
        for bind in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(bind) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let to = if bind.starts_with("[::1]") {
                "::1"
            } else {
                "127.0.0.1"
            };
            let client = TcpStream::connect((to, port)).unwrap();
            let (mut served, _) = listener.accept().unwrap();
            let found = connections(&[port]).unwrap();
            let peers: Vec<SocketAddr> = found.iter().map(|found| found.peer).collect();
            assert_eq!(peers, [client.local_addr().unwrap()], "{bind}");
            // Only those who may administer the network may end one.
            match destroy(&found[0]) {
                Ok(ended) => {
                    assert!(ended);
                    assert!(served.read(&mut [0; 1]).is_err(), "{bind}");
                    assert_eq!(connections(&[port]).unwrap(), []);
                    assert!(!destroy(&found[0]).unwrap());
                    try_destroy().unwrap();
                }
                Err(error) => assert!(
                    matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
                    ),
                    "{error}"
                ),
            }
        }
    }
}
