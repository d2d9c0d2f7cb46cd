//! Canned answers: what an agent of a busy server could say.

use jiff::{Span, Timestamp};
use mailwall::control::protocol::{
    AllowList, AllowView, Answer, BanCheck, BanList, BanView, Counters, DatabaseView, EventLog,
    EvidenceView, Interface, LimitView, Limits, LoggedEvent, PacketCounter, PolicyAnswers,
    PolicyView, RuleList, RuleView, SCHEMA, Source, SourceList, Status, ThenView,
};
use mailwall_common::{Family, Verdict};

pub fn status() -> Status {
    Status {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        pid: 812,
        started: "2026-08-19T07:00:00Z".to_owned(),
        uptime_s: 263_643,
        mode: "enforce".to_owned(),
        ports: vec![25, 465, 587],
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            mode: Some("native".to_owned()),
            multi_buffer: true,
            problem: None,
            note: Some("guards all of eth0, for eth0.5".to_owned()),
        }],
        bans: 1374,
        lists: [("spamhaus-drop".to_owned(), 2)].into(),
        allowed: 14,
        dropped: 88_310,
        drops_per_s: 12.44,
        tracked: 212,
        sources: vec![source()],
        limits: Limits {
            in_force: vec![LimitView {
                network: None,
                per_minute: 30,
                concurrent: 10,
                counts: "address".to_owned(),
                description: "30 a minute, 10 open for each source".to_owned(),
            }],
            over_rate: 1_204,
            over_concurrent: 17,
            lost_events: 0,
        },
        policy: Some(policy()),
        notifiers: Vec::new(),
        database: Some(DatabaseView {
            bytes: (11 << 20) + 4096,
            max_bytes: 512 << 20,
        }),
        problems: Vec::new(),
    }
}

fn policy() -> PolicyView {
    let answers = [
        ("dunno", 88_120, 0),
        ("sleep", 311, 0),
        ("421", 12, 0),
        ("450", 0, 3),
    ];
    let answers = answers.map(|(action, given, observed)| PolicyAnswers {
        action: action.to_owned(),
        given,
        observed,
    });
    PolicyView {
        listen: "unix:/run/mailwall/policy.sock".to_owned(),
        listening: true,
        connections: 7,
        requests: 88_443,
        answers: answers.into(),
        held: 2,
        refused: 0,
        late: 0,
        garbage: 1,
        last_garbage: Some(
            "2026-08-19T09:10:11Z: not name=value: \"GET / HTTP/1.1\\\\x0d\"".to_owned(),
        ),
    }
}

pub fn status_with_problems() -> Status {
    Status {
        mode: "observe".to_owned(),
        interfaces: vec![
            Interface {
                name: "eth0".to_owned(),
                mode: Some("generic".to_owned()),
                multi_buffer: false,
                problem: Some("the driver cannot do XDP".to_owned()),
                note: None,
            },
            Interface {
                name: "wg0".to_owned(),
                mode: None,
                multi_buffer: false,
                problem: Some("no such device".to_owned()),
                note: None,
            },
        ],
        sources: vec![
            source(),
            Source {
                name: "/var/log/\x1b[31mmail.err".to_owned(),
                state: "failed".to_owned(),
                lag_s: Some(0),
                last_line: None,
                problem: Some("permission denied".to_owned()),
                ..source()
            },
        ],
        limits: Limits::default(),
        problems: vec![
            "interface wg0 is not guarded: no such device".to_owned(),
            "cannot read /var/log/\x1b[31mmail.err: permission denied".to_owned(),
        ],
        ..status()
    }
}

/// A log whose last line is twelve and a half minutes old.
pub fn source() -> Source {
    let last_line = Timestamp::now()
        .checked_sub(Span::new().seconds(750))
        .unwrap();
    Source {
        name: "/var/log/mail.log".to_owned(),
        state: "following".to_owned(),
        position: 1_258_291,
        lag_bytes: Some(4096),
        lines: 9120,
        understood: 1204,
        ignored: 7915,
        refused: 1,
        unknown: 0,
        cut: 0,
        lost: 12,
        lag_s: Some(0),
        last_line: Some(last_line.to_string()),
        problem: None,
    }
}

pub fn sources() -> Answer {
    Answer::SourceList(SourceList {
        schema: SCHEMA,
        sources: vec![source()],
    })
}

pub fn bans() -> Vec<BanView> {
    vec![
        BanView {
            net: "203.0.113.7/32".parse().unwrap(),
            rule: "auth".to_owned(),
            since: "2026-08-22T08:14:03Z".to_owned(),
            age_s: 735,
            ends: Some("2026-08-22T09:14:03Z".to_owned()),
            remaining_s: Some(2880),
            action: "ban".to_owned(),
            kind: Some("auth-failure".to_owned()),
            service: Some("imap".to_owned()),
            rule_description: Some("6 auth failures of an address within 60s".to_owned()),
            bans_30d: Some(3),
            first_seen: Some("2026-08-19T07:00:00Z".to_owned()),
            last_seen: Some("2026-08-22T08:00:00Z".to_owned()),
            offences: 6,
            level: 1,
            dropped: Some(1204),
            reason: "6 auth failures in 60s".to_owned(),
            evidence: Vec::new(),
        },
        BanView {
            net: "2001:db8:0:1::/64".parse().unwrap(),
            rule: "spread".to_owned(),
            since: "2026-08-22T06:14:03Z".to_owned(),
            age_s: 7935,
            ends: Some("2026-08-23T06:14:03Z".to_owned()),
            remaining_s: Some(79_200),
            action: "ban".to_owned(),
            kind: Some("unknown-recipient".to_owned()),
            service: Some("smtp".to_owned()),
            rule_description: None,
            bans_30d: Some(1),
            first_seen: Some("2026-08-22T06:00:00Z".to_owned()),
            last_seen: Some("2026-08-22T06:00:00Z".to_owned()),
            offences: 41,
            level: 0,
            dropped: Some(88_310),
            reason: "9 hosts of one /64".to_owned(),
            evidence: Vec::new(),
        },
        BanView {
            net: "198.51.100.0/24".parse().unwrap(),
            rule: "manual".to_owned(),
            since: "2026-08-02T06:14:03Z".to_owned(),
            age_s: 1_735_935,
            ends: None,
            remaining_s: None,
            action: "ban".to_owned(),
            kind: None,
            service: None,
            rule_description: None,
            bans_30d: Some(2),
            first_seen: None,
            last_seen: None,
            offences: 0,
            level: 0,
            dropped: None,
            reason: "sold\tlists\x1b[2J\n".to_owned(),
            evidence: Vec::new(),
        },
    ]
}

pub fn ban_list(total: usize, bans: Vec<BanView>) -> Answer {
    Answer::BanList(BanList {
        schema: SCHEMA,
        total,
        bans,
    })
}

pub fn banned() -> Answer {
    let mut bans = bans();
    bans.truncate(1);
    bans[0].evidence = vec![EvidenceView {
        at: "2026-08-22T08:14:03Z".to_owned(),
        text: "postfix/smtpd[77]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed"
            .to_owned(),
    }];
    Answer::BanCheck(BanCheck {
        schema: SCHEMA,
        address: "203.0.113.7".parse().unwrap(),
        banned: true,
        bans,
        allowed: None,
    })
}

pub fn not_banned() -> Answer {
    Answer::BanCheck(BanCheck {
        schema: SCHEMA,
        address: "198.51.100.25".parse().unwrap(),
        banned: false,
        bans: Vec::new(),
        allowed: Some(allow_view("198.51.100.0/24", "config", "[allow] networks")),
    })
}

fn allow_view(net: &str, origin: &str, reason: &str) -> AllowView {
    AllowView {
        net: net.parse().unwrap(),
        origin: origin.to_owned(),
        reason: reason.to_owned(),
    }
}

pub fn allow_list() -> Answer {
    Answer::AllowList(AllowList {
        schema: SCHEMA,
        allowed: vec![
            allow_view("127.0.0.0/8", "built-in", "loopback"),
            allow_view("192.0.2.1/32", "own", "address of this host"),
            allow_view("2001:db8:7::/48", "manual", "backup MX"),
        ],
    })
}

pub fn rules() -> Answer {
    let dictionary = RuleView {
        name: "dictionary".to_owned(),
        origin: "preset".to_owned(),
        count: vec!["unknown-recipient".to_owned()],
        per: "address".to_owned(),
        distinct: Some("recipient".to_owned()),
        service: Vec::new(),
        limit: 10,
        window_s: Some(600),
        mode: "enforce".to_owned(),
        permanent: false,
        then: ThenView {
            ban: Some("10m".to_owned()),
            delay: None,
            kick: false,
            hold: None,
            notify: false,
        },
        ban_s: Some(600),
        factor: 4,
        at_most_s: Some(604_800),
        tracked: 31,
        near: 2,
        breaches: 1204,
        bans: 7,
        would_bans: 0,
        would_be_banned: 0,
        description: "10 recipients that do not exist, within 10m, from one address".to_owned(),
    };
    let errors = RuleView {
        name: "errors".to_owned(),
        origin: "config".to_owned(),
        count: ["protocol-error", "non-smtp", "too-many-errors"]
            .map(str::to_owned)
            .to_vec(),
        per: "session".to_owned(),
        distinct: None,
        service: vec!["smtp".to_owned()],
        limit: 5,
        window_s: None,
        mode: "observe".to_owned(),
        then: ThenView {
            ban: Some("1h30m".to_owned()),
            kick: true,
            notify: true,
            ..dictionary.then.clone()
        },
        ban_s: Some(5400),
        tracked: 0,
        near: 0,
        breaches: 3,
        bans: 0,
        would_bans: 3,
        would_be_banned: 1,
        description: "5 errors in one connection".to_owned(),
        ..dictionary.clone()
    };
    Answer::RuleList(RuleList {
        schema: SCHEMA,
        preset: "balanced".to_owned(),
        rules: vec![dictionary, errors],
    })
}

pub fn events() -> Vec<LoggedEvent> {
    let offence = LoggedEvent {
        schema: SCHEMA,
        at: "2026-08-22T08:14:02Z".to_owned(),
        event: "unknown-recipient".to_owned(),
        net: Some("203.0.113.7/32".parse().unwrap()),
        service: Some("smtp".to_owned()),
        score: 1.0,
        account: None,
        recipient: Some("a\x1b[1m@example.org".to_owned()),
        rule: None,
        for_s: None,
        source: Some("/var/log/mail.log".to_owned()),
        refused: None,
    };
    let ban = LoggedEvent {
        at: "2026-08-22T08:14:03Z".to_owned(),
        event: "ban".to_owned(),
        service: None,
        score: 0.0,
        recipient: None,
        rule: Some("dictionary".to_owned()),
        for_s: Some(600),
        source: None,
        ..offence.clone()
    };
    vec![offence, ban]
}

pub fn event_log() -> Answer {
    Answer::Events(EventLog {
        schema: SCHEMA,
        events: events(),
    })
}

/// Every counter; `seconds` after the start, `rate` packets a second more of some.
pub fn counters(seconds: u64, rate: u64) -> Answer {
    let packets = Verdict::ALL.iter().flat_map(|verdict| {
        Family::ALL.iter().map(move |family| PacketCounter {
            verdict: verdict.as_str().to_owned(),
            family: family.as_str().to_owned(),
            dropped: verdict.is_drop(),
            packets: match (verdict, family) {
                (Verdict::NotIp, Family::Other) => 17,
                (Verdict::Clean, Family::V4) => 1204,
                (Verdict::BannedAddress, Family::V4) => 88_310 + seconds * rate,
                (Verdict::BannedAddress, Family::V6) => 12,
                _ => 0,
            },
        })
    });
    Answer::Counters(Counters {
        schema: SCHEMA,
        at_ns: seconds * 1_000_000_000,
        packets: packets.collect(),
    })
}
