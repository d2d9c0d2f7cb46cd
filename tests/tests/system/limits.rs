//! Limits on connections, with real ones. Every bed on the machine shares one kernel, whose tracepoint tells each agent of all
//! connections: each test here has client addresses that no other has.

use std::{
    net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    time::Duration,
};

use mailwall_tests::{Agent, Testbed, eventually};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};
use serde_json::Value;

use crate::{find_ban, must, quiet_agent, wait_for_ban};

/// How long a client waits before it believes that its SYN was refused: less than it takes to repeat it.
const UNANSWERED: Duration = Duration::from_millis(700);
/// How long a closed connection may take to make room.
const WITHIN: Duration = Duration::from_secs(30);

/// A server that accepts when told.
struct Server {
    listener: TcpListener,
    port: u16,
}

/// A connection from both ends.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Server {
    /// At a port of IPv4 alone.
    fn v4(bed: &Testbed, port: u16) -> Self {
        let listener = bed
            .server()
            .enter(|| Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?));
        let listener = listener.unwrap();
        Self { listener, port }
    }

    /// At a port of IPv6, where IPv4 clients come in as well.
    fn dual(bed: &Testbed, port: u16) -> Self {
        let listener = bed
            .server()
            .enter(|| Ok(TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?));
        let listener = listener.unwrap();
        Self { listener, port }
    }

    /// A connection of this client; nothing when its SYN is not answered.
    fn connect(&self, bed: &Testbed, client: &str) -> Option<Connection> {
        let client = bed.client(client).connect_within(self.port, UNANSWERED);
        let client = client.unwrap()?;
        let (server, _) = self.listener.accept().unwrap();
        Some(Connection { client, server })
    }

    #[track_caller]
    fn must_connect(&self, bed: &Testbed, client: &str) -> Connection {
        let connected = eventually(&format!("connection from {client}"), WITHIN, || {
            Ok(self.connect(bed, client))
        });
        connected.unwrap()
    }

    #[track_caller]
    fn must_not_connect(&self, bed: &Testbed, client: &str) {
        assert!(self.connect(bed, client).is_none(), "{client} came in");
    }
}

/// Ways to close a connection.
const ENDS: [fn(Connection); 3] = [
    // The client's FIN first, or the server's: what is dropped first is closed first, and the other end sees it.
    |connection| {
        drop(connection.client);
        wait_for_end(&connection.server);
    },
    |connection| {
        drop(connection.server);
        wait_for_end(&connection.client);
    },
    |connection| {
        let reset = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&connection.client, sockopt::Linger, &reset).unwrap();
        drop(connection.client);
        wait_for_end(&connection.server);
    },
];

fn wait_for_end(stream: &TcpStream) {
    use std::io::Read as _;
    // An end or a reset.
    let _ = (&*stream).read(&mut [0]);
}

fn limit(settings: &str) -> String {
    format!("[[limit]]\n{settings}\n")
}

fn refused(agent: &Agent<'_>, what: &str) -> u64 {
    agent.json(&["status"]).unwrap()["limits"][what]
        .as_u64()
        .unwrap()
}

fn event<'a>(log: &'a Value, name: &str, net: &str) -> Option<&'a Value> {
    log["events"]
        .as_array()?
        .iter()
        .find(|event| event["event"] == *name && event["net"] == *net)
}

#[test]
fn a_client_may_have_so_many_open_connections_and_more_when_it_has_closed_some() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, &limit("concurrent = 2"));
    let (dual, v4) = (Server::dual(&bed, 25), Server::v4(&bed, 465));
    for (server, client) in [
        (&v4, "203.0.113.201"),
        (&dual, "203.0.113.202"),
        (&dual, "2001:db8:1f1:1::1"),
    ] {
        for end in ENDS {
            let _first = server.must_connect(&bed, client);
            let second = server.must_connect(&bed, client);
            server.must_not_connect(&bed, client);
            end(second);
            let _third = server.must_connect(&bed, client);
            server.must_not_connect(&bed, client);
        }
    }
    assert!(refused(&agent, "over_concurrent") >= 18);
    assert_eq!(refused(&agent, "over_rate"), 0);
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["problems"], Value::Array(Vec::new()));
}

#[test]
fn a_client_that_reaches_its_limit_is_an_event_that_a_rule_can_ban_for() {
    const RULE: &str = "[[rule]]\nname = \"greedy\"\ncount = [\"rate-limited\"]\nper = \"address\"\n\
        limit = 1\nwindow = \"1m\"\n";
    let bed = Testbed::new().unwrap();
    let config = format!("{}{RULE}", limit("concurrent = 2"));
    let agent = quiet_agent(&bed, &config);
    let server = Server::v4(&bed, 25);
    let _first = server.must_connect(&bed, "203.0.113.203");
    assert!(
        event(
            &agent.json(&["events"]).unwrap(),
            "rate-limited",
            "203.0.113.203/32"
        )
        .is_none()
    );
    let _second = server.must_connect(&bed, "203.0.113.203");
    let ban = wait_for_ban(&agent, "203.0.113.203/32");
    assert_eq!(ban["rule"], "greedy");
    let log = agent.json(&["events"]).unwrap();
    let found = event(&log, "rate-limited", "203.0.113.203/32").unwrap();
    assert_eq!(
        (&found["service"], &found["source"]),
        (&"smtp".into(), &"open-connections".into())
    );
}

#[test]
fn syns_over_the_rate_are_refused_and_are_no_evidence() {
    const RULE: &str = "[[rule]]\nname = \"greedy\"\ncount = [\"rate-limited\"]\nper = \"address\"\n\
        limit = 1\nwindow = \"1m\"\n";
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, &format!("{}{RULE}", limit("per_minute = 3")));
    let client = bed.client("203.0.113.204");
    // Nobody listens there: a SYN that passes is refused by the host, with a reset.
    let passes = || !matches!(client.connect_within(465, UNANSWERED), Ok(None));
    let passed = (0..6).filter(|_| passes()).count();
    assert_eq!(passed, 3);
    assert!(refused(&agent, "over_rate") >= 3);
    agent
        .until("event of the refusal", &["events"], |log| {
            event(log, "syn-rate", "203.0.113.204/32").map(|_| ())
        })
        .unwrap();
    let bans = agent.json(&["ban", "list"]).unwrap();
    // Clients of other beds may be banned: they complete connections.
    assert!(find_ban(&bans, "203.0.113.204/32").is_none());
}

#[test]
fn a_restart_of_the_agent_forgets_no_connection() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, &limit("concurrent = 2"));
    let server = Server::dual(&bed, 25);
    let first = server.must_connect(&bed, "203.0.113.205");
    let _second = server.must_connect(&bed, "203.0.113.205");
    let agent = agent.restart().unwrap();
    server.must_not_connect(&bed, "203.0.113.205");
    // Also while there is no agent, and after it was killed.
    let setup = agent.kill().unwrap();
    server.must_not_connect(&bed, "203.0.113.205");
    ENDS[0](first);
    let _third = server.must_connect(&bed, "203.0.113.205");
    server.must_not_connect(&bed, "203.0.113.205");
    let agent = setup.start().unwrap();
    server.must_not_connect(&bed, "203.0.113.205");
    // The program of the first start is still the one: two would count twice.
    let attached = agent.setup().said().matches("counts connections").count();
    assert_eq!(attached, 1);
}

#[test]
fn a_reload_changes_limits_and_counts_what_is_open() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let server = Server::v4(&bed, 25);
    let mut open: Vec<Connection> = (0..3)
        .map(|_| server.must_connect(&bed, "203.0.113.206"))
        .collect();
    let config = std::fs::read_to_string(agent.setup().config()).unwrap();
    let reload = |limits: &str| {
        agent
            .setup()
            .write_config(&format!("{limits}{config}"))
            .unwrap();
        must(&agent, &["reload"]);
    };
    reload(&limit("concurrent = 3"));
    // What was open before is counted as soon as the sockets are looked at.
    eventually("refusal", WITHIN, || {
        let came_in = server.connect(&bed, "203.0.113.206");
        Ok(came_in.is_none().then_some(()))
    })
    .unwrap();
    reload(&limit("concurrent = 4"));
    open.push(server.must_connect(&bed, "203.0.113.206"));
    server.must_not_connect(&bed, "203.0.113.206");
    reload(&format!(
        "{}{}",
        limit("concurrent = 1"),
        limit("network = \"203.0.113.206/32\"\nconcurrent = 0")
    ));
    open.push(server.must_connect(&bed, "203.0.113.206"));
    reload("");
    open.push(server.must_connect(&bed, "203.0.113.206"));
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["limits"]["in_force"], Value::Array(Vec::new()));
}

#[test]
fn a_network_as_a_whole_and_who_is_allowed() {
    let bed = Testbed::new().unwrap();
    let config = format!(
        "{}[allow]\nnetworks = [\"203.0.113.215\"]\n",
        limit("network = \"203.0.113.208/29\"\nconcurrent = 2\ncounts = \"network\"")
    );
    let _agent = quiet_agent(&bed, &config);
    let server = Server::v4(&bed, 25);
    let _open = [
        server.must_connect(&bed, "203.0.113.209"),
        server.must_connect(&bed, "203.0.113.210"),
    ];
    server.must_not_connect(&bed, "203.0.113.211");
    let _outside = server.must_connect(&bed, "203.0.113.216");
    let _allowed = server.must_connect(&bed, "203.0.113.215");
}

#[test]
fn what_is_observed_is_counted_and_passes() {
    let bed = Testbed::new().unwrap();
    let config = format!(
        "{}[filter]\nmode = \"observe\"\n",
        limit("concurrent = 1\nper_minute = 2")
    );
    let agent = quiet_agent(&bed, &config);
    let server = Server::v4(&bed, 25);
    let _open: Vec<Connection> = (0..4)
        .map(|_| server.must_connect(&bed, "203.0.113.217"))
        .collect();
    assert_eq!(refused(&agent, "over_concurrent"), 3);
}
