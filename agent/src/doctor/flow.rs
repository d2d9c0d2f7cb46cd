//! What address rewriting does with connections to the guarded ports, as the kernel's table of connections (conntrack) tells.
//! The rules themselves are not looked at: there are three ways to write them (nft, iptables over nft, old iptables), and
//! most that rewrite are for what leaves the host. A connection that was rewritten is proof, and its entry is the same for all.

mod table;

use std::{collections::BTreeSet, net::IpAddr, path::Path};

use super::{Finding, warning};

/// A connection from outside to a guarded port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flow {
    client: IpAddr,
    /// Where the client connected to.
    host: IpAddr,
    port: u16,
    /// Who answers.
    server: IpAddr,
    /// Whom the server answers: who the client is in its log.
    seen_as: IpAddr,
}

/// The connections to `ports` of this host, which has the addresses `own`. None where nothing is rewritten: there the kernel
/// keeps no table.
pub(super) fn flows(root: &Path, ports: &[u16], own: &[IpAddr]) -> Vec<Flow> {
    ours(table::read(root), ports, own)
}

/// What goes out to the same port elsewhere is none of ours.
fn ours(mut flows: Vec<Flow>, ports: &[u16], own: &[IpAddr]) -> Vec<Flow> {
    flows.retain(|flow| ports.contains(&flow.port) && own.contains(&flow.host));
    flows
}

/// Ports whose connections another host or a container answers.
pub(super) fn forwarded(flows: &[Flow]) -> BTreeSet<u16> {
    let elsewhere = flows.iter().filter(|flow| flow.server != flow.host);
    elsewhere.map(|flow| flow.port).collect()
}

/// A warning when the mail server sees somebody else in a client's place.
pub(super) fn disguise(flows: &[Flow]) -> Option<Finding> {
    let is_disguised = |flow: &&Flow| flow.seen_as != flow.client;
    let Flow {
        client,
        port,
        server,
        seen_as,
        ..
    } = flows.iter().find(is_disguised)?;
    let count = flows.iter().filter(is_disguised).count();
    let text = format!(
        "{server} sees {client} as {seen_as} on port {port} ({count} of {} connections)",
        flows.len()
    );
    let advice = "exempt incoming connections from masquerading (SNAT), or use the host's network";
    Some(warning("clients", text, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the client, the host, the port, the server, and whom that sees.
    fn flow(client: &str, host: &str, port: u16, server: &str, seen_as: &str) -> Flow {
        let address = |text: &str| text.parse().unwrap();
        Flow {
            client: address(client),
            host: address(host),
            port,
            server: address(server),
            seen_as: address(seen_as),
        }
    }

    fn found() -> Vec<Flow> {
        let flows = vec![
            flow("203.0.113.7", "192.0.2.1", 25, "172.17.0.2", "172.17.0.1"),
            flow("203.0.113.8", "192.0.2.1", 465, "172.17.0.2", "203.0.113.8"),
            flow("203.0.113.9", "192.0.2.1", 587, "192.0.2.1", "203.0.113.9"),
            // To another port, and from a container to somewhere else.
            flow("203.0.113.9", "192.0.2.1", 80, "172.17.0.3", "172.17.0.1"),
            flow(
                "172.17.0.2",
                "198.51.100.5",
                25,
                "198.51.100.5",
                "192.0.2.1",
            ),
        ];
        ours(flows, &[25, 465, 587], &["192.0.2.1".parse().unwrap()])
    }

    #[test]
    fn only_what_comes_in_counts() {
        let clients: Vec<String> = found().iter().map(|flow| flow.client.to_string()).collect();
        assert_eq!(clients, ["203.0.113.7", "203.0.113.8", "203.0.113.9"]);
        assert_eq!(forwarded(&found()), [25, 465].into());
    }

    #[test]
    fn a_client_in_disguise_is_a_warning() {
        let flows = found();
        assert_eq!(
            disguise(&flows).unwrap().text,
            "172.17.0.2 sees 203.0.113.7 as 172.17.0.1 on port 25 (1 of 3 connections)"
        );
        assert!(disguise(&flows[1..]).is_none());
    }
}
