//! Who listens on the guarded ports. A program in front of the mail server is the usual way in which the addresses of clients
//! get lost: the mail server sees, and logs, only that program's.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Finding, ok,
    process::{Holders, Process},
    warning,
};
use crate::host::Listener;

const TOPIC: &str = "listeners";

/// Programs that take connections for others, and how they can tell the client's address.
const GO_BETWEENS: [(&str, &str); 14] = [
    ("docker-proxy", CONTAINER),
    ("rootlessport", CONTAINER),
    ("slirp4netns", CONTAINER),
    ("passt", CONTAINER),
    ("pasta", CONTAINER),
    ("gvproxy", CONTAINER),
    ("haproxy", PROXY),
    ("nginx", PROXY),
    ("envoy", PROXY),
    ("traefik", PROXY),
    ("caddy", PROXY),
    ("stunnel", PROXY),
    ("sslh", PROXY),
    ("socat", PROXY),
];
const CONTAINER: &str =
    "give the mail container the host's network, or turn the userland proxy off";
const PROXY: &str =
    "pass addresses on by the PROXY protocol or XCLIENT, and have the server log them";

/// What is to be said of the listeners. `forwarded` tells whether connections to a port go elsewhere.
pub(super) fn listeners(
    ports: &[u16],
    listeners: &[Listener],
    holders: &Holders,
    forwarded: impl Fn(u16) -> bool,
) -> Vec<Finding> {
    let of = |port| {
        listeners
            .iter()
            .filter(move |listener| listener.port == port)
    };
    // Programs with their ports; no program where it cannot be seen.
    let mut programs: BTreeMap<Option<&Process>, Vec<u16>> = BTreeMap::new();
    let mut silent = Vec::new();
    for port in ports.iter().copied() {
        if of(port).next().is_none() {
            silent.push(port);
        }
        for listener in of(port) {
            // The one that began it, not those that it passed the socket on to.
            let holder = holders
                .sockets
                .get(&listener.inode)
                .and_then(|held| held.first());
            let ports = programs.entry(holder).or_default();
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    let (elsewhere, silent): (Vec<u16>, Vec<u16>) =
        silent.into_iter().partition(|port| forwarded(*port));
    let mut findings = vec![summary(&programs, &elsewhere, &silent)];
    findings.extend(go_betweens(&programs));
    if let Some(found) = inside_only(ports, listeners, &elsewhere) {
        findings.push(found);
    }
    findings
}

/// `25, 587: master; 465: nobody`
fn summary(
    programs: &BTreeMap<Option<&Process>, Vec<u16>>,
    elsewhere: &[u16],
    silent: &[u16],
) -> Finding {
    if programs.is_empty() && elsewhere.is_empty() {
        return warning(
            TOPIC,
            format!("nobody on this host listens on {}", list(silent)),
            "start the mail server, or set [filter] ports; fine if they are forwarded elsewhere",
        );
    }
    let mut by_name: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
    for (process, ports) in programs {
        let name = process.map_or("a program that only root can see", |process| &process.name);
        let all = by_name.entry(name).or_default();
        all.extend(ports);
        all.sort_unstable();
        all.dedup();
    }
    let mut parts: Vec<String> = by_name
        .iter()
        .map(|(name, ports)| format!("{}: {name}", list(ports)))
        .collect();
    if !elsewhere.is_empty() {
        parts.push(format!("{}: forwarded", list(elsewhere)));
    }
    if !silent.is_empty() {
        parts.push(format!("{}: nobody", list(silent)));
    }
    ok(TOPIC, parts.join("; "))
}

fn go_betweens(programs: &BTreeMap<Option<&Process>, Vec<u16>>) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, (Vec<u16>, &str)> = BTreeMap::new();
    for (process, ports) in programs {
        let known = process.and_then(|process| {
            GO_BETWEENS
                .iter()
                .find(|(name, _)| process.name.split('.').next() == Some(name))
        });
        if let Some((name, advice)) = known {
            let entry = by_name.entry(name).or_insert((Vec::new(), advice));
            entry.0.extend(ports);
            entry.0.sort_unstable();
            entry.0.dedup();
        }
    }
    let found = by_name.into_iter().map(|(name, (ports, advice))| {
        let text = format!(
            "{}: {name} stands in front; the log may lack client addresses",
            list(&ports)
        );
        warning(TOPIC, text, advice)
    });
    found.collect()
}

/// Said when nobody outside can reach any port.
fn inside_only(ports: &[u16], listeners: &[Listener], elsewhere: &[u16]) -> Option<Finding> {
    let mut guarded = listeners
        .iter()
        .filter(|listener| ports.contains(&listener.port))
        .peekable();
    guarded.peek()?;
    let is_inside = |address: IpAddr| address.to_canonical().is_loopback();
    (elsewhere.is_empty() && guarded.all(|listener| is_inside(listener.address))).then(|| {
        warning(
            TOPIC,
            "only at the loopback address: no client comes that far",
            "is the mail server behind a proxy or container on other ports?",
        )
    })
}

fn list(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{super::tests::shown, *};

    /// Of each listener its address, port, and the program that began it.
    #[track_caller]
    fn check(found: &[(&str, u16, &str)], expected: &Expect) {
        let mut holders = Holders::default();
        let mut all = Vec::new();
        for (number, (address, port, name)) in found.iter().enumerate() {
            let inode = number as u64;
            all.push(Listener {
                address: address.parse().unwrap(),
                port: *port,
                inode,
            });
            if !name.is_empty() {
                let process = Process {
                    pid: 100 + u32::from(*port),
                    name: (*name).to_owned(),
                };
                holders.sockets.insert(inode, vec![process]);
            }
        }
        let findings = listeners(&[25, 465, 587], &all, &holders, |port| port == 465);
        expected.assert_eq(&shown(&findings));
    }

    #[test]
    fn those_who_listen_are_named() {
        check(
            &[
                ("0.0.0.0", 25, "master"),
                ("::", 25, "master"),
                ("0.0.0.0", 587, ""),
            ],
            &expect![[r#"
                ok listeners: 587: a program that only root can see; 25: master; 465: forwarded
            "#]],
        );
        let none = listeners(&[25, 465], &[], &Holders::default(), |_| false);
        expect![[r#"
            warning listeners: nobody on this host listens on 25, 465
              => start the mail server, or set [filter] ports; fine if they are forwarded elsewhere
        "#]]
        .assert_eq(&shown(&none));
    }

    #[test]
    fn a_program_in_between_is_a_warning() {
        check(
            &[
                ("0.0.0.0", 25, "docker-proxy"),
                ("::", 25, "docker-proxy"),
                ("0.0.0.0", 587, "docker-proxy"),
                ("0.0.0.0", 465, "passt.avx2"),
            ],
            &expect![[r#"
                ok listeners: 25, 587: docker-proxy; 465: passt.avx2
                warning listeners: 25, 587: docker-proxy stands in front; the log may lack client addresses
                  => give the mail container the host's network, or turn the userland proxy off
                warning listeners: 465: passt stands in front; the log may lack client addresses
                  => give the mail container the host's network, or turn the userland proxy off
            "#]],
        );
    }

    #[test]
    fn ports_that_only_the_host_reaches_are_a_warning() {
        let at = |address: &str| {
            let address = address.parse().unwrap();
            Listener {
                address,
                port: 25,
                inode: 1,
            }
        };
        assert!(inside_only(&[25], &[at("127.0.0.1"), at("::1")], &[]).is_some());
        assert!(inside_only(&[25], &[at("127.0.0.1"), at("192.0.2.1")], &[]).is_none());
        assert!(inside_only(&[25], &[at("127.0.0.1")], &[465]).is_none());
        assert!(inside_only(&[587], &[at("127.0.0.1")], &[]).is_none());
    }
}
