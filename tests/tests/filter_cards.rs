//! The filter before real packets, of every kind of card that can be had: what is dropped never reaches the server, and what
//! is not connects. Needs root; for virtio-net two cards of their own, as the machines of `cargo xtask test --kernels` have.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use ipnet::IpNet;
use mailwall::filter::{AttachChoice, AttachMode, Attachment, Filter};
use mailwall::limit::{Counts, LimitRule};
use mailwall_common::{Family, KernelInstant, Verdict};
use mailwall_tests::{Cards, VIRTIO_PAIR, eventually, skip};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

/// Longer than a SYN that was dropped takes to be sent again, several times.
const WITHIN: Duration = Duration::from_secs(60);

/// The server, a banned client, the ban, and a client without one.
const HOSTS: [(&str, &str, &str, &str); 2] = [
    ("192.0.2.1", "192.0.2.10", "192.0.2.10/32", "192.0.2.11"),
    (
        "2001:db8:77::1",
        "2001:db8:78::10",
        "2001:db8:78::/64",
        "2001:db8:77::10",
    ),
];

#[test]
fn virtual_ethernet_is_guarded_natively() {
    guards(&Cards::veth().unwrap(), AttachMode::Native);
}

#[test]
fn virtual_ethernet_is_guarded_generically() {
    guards(&Cards::veth().unwrap(), AttachMode::Generic);
}

#[test]
fn virtio_net_is_guarded_natively() {
    match Cards::virtio().unwrap() {
        Some(cards) => guards(&cards, AttachMode::Native),
        None => without_cards("virtio_net_is_guarded_natively"),
    }
}

#[test]
fn virtio_net_is_guarded_generically() {
    match Cards::virtio().unwrap() {
        Some(cards) => guards(&cards, AttachMode::Generic),
        None => without_cards("virtio_net_is_guarded_generically"),
    }
}

/// Of either family, from addresses that no other test has: the kernel tells of the connections of all networks.
#[test]
fn open_connections_are_counted_and_limited() {
    let cards = Cards::veth().unwrap();
    on_the_server(&cards, |pins| {
        let mut filter = attached(&cards, AttachMode::Native, pins);
        let limit = LimitRule {
            network: None,
            per_minute: 0,
            concurrent: 1,
            counts: Counts::Address,
        };
        filter.set_limits(&[limit]).unwrap();
        assert!(filter.count_connections().unwrap());
        for (server, client, refused) in [
            ("192.0.2.1", "192.0.2.12", Family::V4),
            ("2001:db8:79::1", "2001:db8:79::10", Family::V6),
        ] {
            let mail = listen(server.parse().unwrap(), 25);
            let over = |filter: &Filter| {
                let totals = filter.totals().unwrap();
                let over = |(verdict, family, _): &&(Verdict, Family, u64)| {
                    (*verdict, *family) == (Verdict::OverConcurrent, refused)
                };
                totals
                    .iter()
                    .find(over)
                    .map_or(0, |(_, _, packets)| *packets)
            };
            let first = cards.begin_connection(client, address(&mail)).unwrap();
            let accepted = accept(&mail);
            assert_eq!(over(&filter), 0);
            let second = cards.begin_connection(client, address(&mail)).unwrap();
            eventually("a refused SYN", WITHIN, || {
                Ok((over(&filter) > 0).then_some(()))
            })
            .unwrap();
            assert!(!second.is_connected());

            // There is room again, and the SYN that was refused is sent again.
            drop((first, accepted));
            accept(&mail);
            assert!(second.is_connected());
        }
    });
}

fn without_cards(test: &str) {
    skip(test, &format!("{VIRTIO_PAIR} names no cards"));
}

/// Tries the filter on the server's card: nothing of a banned client passes until its ban is lifted.
fn guards(cards: &Cards, mode: AttachMode) {
    on_the_server(cards, |pins| {
        let mut filter = attached(cards, mode, pins);
        for (server, banned, ban, clean) in HOSTS {
            tries(cards, &mut filter, server, [banned, clean], ban);
        }
    });
}

/// Does something in the server's network, with a folder for pins that is gone afterwards.
fn on_the_server(cards: &Cards, work: impl FnOnce(&Path) + Send) {
    let folder = tempfile::tempdir().unwrap();
    let done = cards.server().enter(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        work(&folder.path().join("pins"));
        Ok(())
    });
    done.unwrap();
}

fn attached(cards: &Cards, mode: AttachMode, pins: &Path) -> Filter {
    let mut filter = Filter::open(pins).unwrap();
    filter.configure(&[25], false).unwrap();
    let bans: Vec<(IpNet, KernelInstant)> = HOSTS
        .iter()
        .map(|(_, _, ban, _)| (ban.parse().unwrap(), KernelInstant::NEVER))
        .collect();
    filter.ban(&bans).unwrap();
    let choice = match mode {
        AttachMode::Native => AttachChoice::Native,
        AttachMode::Generic => AttachChoice::Generic,
        AttachMode::Tc => AttachChoice::Tc,
    };
    let name = cards.card().to_owned();
    let attached = filter.attach(std::slice::from_ref(&name), choice).to_vec();
    let expected = Attachment {
        name,
        mode: Some(mode),
        multi_buffer: false,
        note: None,
        problem: None,
    };
    assert_eq!(attached, [expected]);
    filter
}

fn tries(cards: &Cards, filter: &mut Filter, server: &str, [banned, clean]: [&str; 2], ban: &str) {
    let server: IpAddr = server.parse().unwrap();
    let mail = listen(server, 25);
    let web = listen(server, 80);
    let ban: IpNet = ban.parse().unwrap();

    let refused = cards.begin_connection(banned, address(&mail)).unwrap();
    let dropped = || Ok(filter.drops(&ban).filter(|drops| *drops > 0));
    eventually("a drop", WITHIN, dropped).unwrap();
    let taken = cards.begin_connection(clean, address(&mail)).unwrap();
    assert_eq!(next_client(&mail).to_string(), clean);
    assert!(taken.is_connected());
    let _other = cards.begin_connection(banned, address(&web)).unwrap();
    assert_eq!(next_client(&web).to_string(), banned);
    assert!(!refused.is_connected());

    let family = if server.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let counted = filter.totals().unwrap();
    // At least once: what is not answered in time is sent again.
    for wanted in [
        Verdict::BannedAddress,
        Verdict::Clean,
        Verdict::UnguardedPort,
    ] {
        let is_counted = |(verdict, of, packets): &(Verdict, Family, u64)| {
            *verdict == wanted && *of == family && *packets > 0
        };
        assert!(counted.iter().any(is_counted), "{wanted} {family}");
    }

    // The SYN that was dropped is sent again.
    filter.unban(&[ban]).unwrap();
    assert_eq!(next_client(&mail).to_string(), banned);
    assert!(refused.is_connected());
}

fn listen(server: IpAddr, port: u16) -> TcpListener {
    let listener = TcpListener::bind(SocketAddr::new(server, port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

/// Where the next connection comes from.
fn next_client(listener: &TcpListener) -> IpAddr {
    accept(listener).1.ip()
}

/// The next connection.
fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    eventually("a connection", WITHIN, || match listener.accept() {
        Ok(accepted) => Ok(Some(accepted)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    })
    .unwrap()
}
