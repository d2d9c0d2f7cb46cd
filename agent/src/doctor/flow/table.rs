//! The kernel's table of connections: as text where it is built so, else by netlink.

use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::Path,
};

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::Flow;
use crate::doctor::netlink::{self, NLM_F_DUMP, find};

/// `/proc/net` is that of the process's first thread.
const TABLE: &str = "proc/thread-self/net/nf_conntrack";
/// Asking for it when it is not there would load it, which is a change.
const MODULE: &str = "sys/module/nf_conntrack_netlink";
/// How much of the text is looked at: some 60 000 connections.
const TABLE_MAX: u64 = 16 << 20;
const TCP: u8 = 6;

/// include/uapi/linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h
const CT_GET: u16 = 1 << 8 | 1;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;
/// `struct nfgenmsg`
const HEADER: usize = 4;

/// The TCP connections in it; none when there is none, or when it may not be read.
pub(super) fn read(root: &Path) -> Vec<Flow> {
    if let Ok(text) = read_text(&root.join(TABLE)) {
        return text.lines().filter_map(of_line).collect();
    }
    if !root.join(MODULE).exists() {
        return Vec::new();
    }
    let answers = netlink::ask(NETLINK_NETFILTER, CT_GET, NLM_F_DUMP, &[0; HEADER]);
    let answers = answers.unwrap_or_default();
    answers
        .iter()
        .filter_map(|answer| of_answer(answer))
        .collect()
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(TABLE_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// `ipv4 2 tcp 6 431999 ESTABLISHED src=A dst=B sport=1 dport=25 src=C dst=D sport=25 dport=1 [ASSURED] ...`: as the client
/// sent it, and as the answers are expected.
fn of_line(line: &str) -> Option<Flow> {
    if line.split_whitespace().nth(2) != Some("tcp") {
        return None;
    }
    let values = |key: &'static str| {
        line.split_whitespace()
            .filter_map(move |word| word.strip_prefix(key))
    };
    let mut from = values("src=").map(str::parse);
    let mut to = values("dst=").map(str::parse);
    Some(Flow {
        client: from.next()?.ok()?,
        host: to.next()?.ok()?,
        port: values("dport=").next()?.parse().ok()?,
        server: from.next()?.ok()?,
        seen_as: to.next()?.ok()?,
    })
}

fn of_answer(answer: &[u8]) -> Option<Flow> {
    let attributes = answer.get(HEADER..)?;
    let sent = find(attributes, CTA_TUPLE_ORIG)?;
    let answered = find(attributes, CTA_TUPLE_REPLY)?;
    let protocol = find(sent, CTA_TUPLE_PROTO)?;
    if find(protocol, CTA_PROTO_NUM)?.first() != Some(&TCP) {
        return None;
    }
    let port = find(protocol, CTA_PROTO_DST_PORT)?;
    let (client, host) = ends(sent)?;
    let (server, seen_as) = ends(answered)?;
    Some(Flow {
        client,
        host,
        port: u16::from_be_bytes(*port.first_chunk()?),
        server,
        seen_as,
    })
}

/// From where, and to where.
fn ends(tuple: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let addresses = find(tuple, CTA_TUPLE_IP)?;
    let v4 = |kind| find(addresses, kind)?.first_chunk::<4>().copied();
    let v6 = |kind| find(addresses, kind)?.first_chunk::<16>().copied();
    if let (Some(from), Some(to)) = (v4(CTA_IP_V4_SRC), v4(CTA_IP_V4_DST)) {
        return Some((from.into(), to.into()));
    }
    Some((v6(CTA_IP_V6_SRC)?.into(), v6(CTA_IP_V6_DST)?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::netlink::attribute;

    const V4: &str = "ipv4     2 tcp      6 431999 ESTABLISHED src=203.0.113.7 dst=192.0.2.1 sport=40000 dport=25 src=172.17.0.2 dst=172.17.0.1 sport=25 dport=40000 [ASSURED] mark=0 zone=0 use=2";

    fn flow() -> Flow {
        Flow {
            client: [203, 0, 113, 7].into(),
            host: [192, 0, 2, 1].into(),
            port: 25,
            server: [172, 17, 0, 2].into(),
            seen_as: [172, 17, 0, 1].into(),
        }
    }

    #[test]
    fn connections_are_read_from_text() {
        assert_eq!(of_line(V4), Some(flow()));
        assert_eq!(of_line(&V4.replace("tcp      6", "udp      17")), None);
        assert_eq!(of_line(V4.split(" src=172").next().unwrap()), None);
        let v6 = "ipv6     10 tcp      6 119 SYN_SENT src=2001:db8::7 dst=2001:db8::1 sport=5 dport=25 [UNREPLIED] src=fd00::2 dst=2001:db8::7 sport=25 dport=5 mark=0 use=2";
        let v6 = of_line(v6).unwrap();
        assert_eq!((v6.client, v6.port), ("2001:db8::7".parse().unwrap(), 25));
    }

    #[test]
    fn connections_are_read_from_answers() {
        let tuple = |from: [u8; 4], to: [u8; 4], port: u16| {
            let addresses = [
                attribute(CTA_IP_V4_SRC, &from),
                attribute(CTA_IP_V4_DST, &to),
            ];
            let protocol = [
                attribute(CTA_PROTO_NUM, &[TCP]),
                attribute(CTA_PROTO_DST_PORT, &port.to_be_bytes()),
            ];
            [
                attribute(CTA_TUPLE_IP, &addresses.concat()),
                attribute(CTA_TUPLE_PROTO, &protocol.concat()),
            ]
            .concat()
        };
        let answer = [
            vec![0; HEADER],
            attribute(CTA_TUPLE_ORIG, &tuple([203, 0, 113, 7], [192, 0, 2, 1], 25)),
            attribute(
                CTA_TUPLE_REPLY,
                &tuple([172, 17, 0, 2], [172, 17, 0, 1], 40000),
            ),
        ]
        .concat();
        assert_eq!(of_answer(&answer), Some(flow()));
        for length in 0..answer.len() {
            assert_eq!(of_answer(&answer[..length]), None, "{length}");
        }
    }
}
