//! What is shown, for people and for scripts.

use expect_test::{Expect, expect};
use mailwall::control::protocol::{
    Answer, BanFilter, BanSort, EventLog, Request, RuleList, SCHEMA, SourceList, Status,
};

use crate::{agent::Agent, answers};

#[track_caller]
fn check(answer: Answer, words: &str, expected: Expect) {
    let outcome = Agent::saying(answer).run(&words.split(' ').collect::<Vec<_>>());
    let last_line = answers::source().last_line.unwrap();
    // To the minute: the test may take a while.
    let text = outcome.to_string();
    let text = match text.find(&last_line[..16]) {
        Some(start) => {
            let end = start + text[start..].find('Z').unwrap() + 1;
            text.replace(&text[start..end], "LAST_LINE")
        }
        None => text,
    };
    expected.assert_eq(&text);
}

fn status(status: Status) -> Answer {
    Answer::Status(Box::new(status))
}

#[test]
fn status_of_a_healthy_agent() {
    check(
        status(answers::status()),
        "status",
        expect![[r#"
            all is well

            MODE       enforce on ports 25, 465, 587
            BANS       1 374, of lists: spamhaus-drop 2; 14 networks allowed
            DROPPED    88 310 packets dropped, 12.4/s of late
            LIMITS     30 a minute, 10 open for each source; 1 204 SYNs refused over the rate, 17 over the open connections
            TRACKED    212 hosts with offences
            DATABASE   12 MiB of at most 512
            RUNNING    for 3d, pid 812
            VERSION    0.1.0
            POLICY     unix:/run/mailwall/policy.sock, 7 connections; 88 443 requests; 88 120 dunno; 311 sleep; 12 421; 3 would have been 450; 2 held now; 1 closed for garbage; the last at 2026-08-19T09:10:11Z: not name=value: "GET / HTTP/1.1\\x0d"

            INTERFACE  ATTACHED              NOTE
            eth0       native, multi-buffer  guards all of eth0, for eth0.5

            SOURCE             STATE      LAG      LAST LINE  UNDERSTOOD  NOTE
            /var/log/mail.log  following  4.0 KiB  12m ago    1 204
            [0]"#]],
    );
    check(
        status(answers::status()),
        "status --plain",
        expect![[r#"
            version	0.1.0
            pid	812
            started	2026-08-19T07:00:00Z
            mode	enforce
            ports	25,465,587
            bans	1374
            allowed	14
            dropped	88310
            drops_per_s	12.4
            tracked	212
            over_rate	1204
            over_concurrent	17
            database	11538432 536870912
            interface	eth0	native		multi-buffer	guards all of eth0, for eth0.5
            limit		30	10	address
            source	/var/log/mail.log	following	4096	LAST_LINE	
            policy	unix:/run/mailwall/policy.sock	listening	7	88443	2	0	0	1	2026-08-19T09:10:11Z: not name=value: "GET / HTTP/1.1\\x0d"
            policy_answer	dunno	88120	0
            policy_answer	sleep	311	0
            policy_answer	421	12	0
            policy_answer	450	0	3
            [0]"#]],
    );
    check(
        status(answers::status()),
        "status --json",
        expect![[r#"
            {"schema":1,"version":"0.1.0","pid":812,"started":"2026-08-19T07:00:00Z","uptime_s":263643,"mode":"enforce","ports":[25,465,587],"interfaces":[{"name":"eth0","mode":"native","multi_buffer":true,"problem":null,"note":"guards all of eth0, for eth0.5"}],"bans":1374,"lists":{"spamhaus-drop":2},"allowed":14,"dropped":88310,"drops_per_s":12.44,"tracked":212,"sources":[{"name":"/var/log/mail.log","state":"following","position":1258291,"lag_bytes":4096,"lag_s":0,"lines":9120,"understood":1204,"ignored":7915,"refused":1,"unknown":0,"cut":0,"lost":12,"last_line":"LAST_LINE","problem":null}],"limits":{"in_force":[{"network":null,"per_minute":30,"concurrent":10,"counts":"address","description":"30 a minute, 10 open for each source"}],"over_rate":1204,"over_concurrent":17,"lost_events":0},"policy":{"listen":"unix:/run/mailwall/policy.sock","listening":true,"connections":7,"requests":88443,"answers":[{"action":"dunno","given":88120,"observed":0},{"action":"sleep","given":311,"observed":0},{"action":"421","given":12,"observed":0},{"action":"450","given":0,"observed":3}],"held":2,"refused":0,"late":0,"garbage":1,"last_garbage":"2026-08-19T09:10:11Z: not name=value: \"GET / HTTP/1.1\\\\x0d\""},"notifiers":[],"database":{"bytes":11538432,"max_bytes":536870912},"problems":[]}
            [0]"#]],
    );
}

#[test]
fn status_has_problems_first() {
    let sick = || status(answers::status_with_problems());
    check(
        sick(),
        "status",
        expect![[r#"
            2 PROBLEMS
              interface wg0 is not guarded: no such device
              cannot read /var/log/\x1b[31mmail.err: permission denied

            MODE       observe: nothing is dropped on ports 25, 465, 587, only counted
            BANS       1 374, of lists: spamhaus-drop 2; 14 networks allowed
            DROPPED    88 310 packets would have been dropped, 12.4/s of late
            LIMITS     none on connections
            TRACKED    212 hosts with offences
            DATABASE   12 MiB of at most 512
            RUNNING    for 3d, pid 812
            VERSION    0.1.0
            POLICY     unix:/run/mailwall/policy.sock, 7 connections; 88 443 requests; 88 120 dunno; 311 sleep; 12 421; 3 would have been 450; 2 held now; 1 closed for garbage; the last at 2026-08-19T09:10:11Z: not name=value: "GET / HTTP/1.1\\x0d"

            INTERFACE  ATTACHED  NOTE
            eth0       generic   the driver cannot do XDP
            wg0        no        no such device

            SOURCE                     STATE      LAG      LAST LINE  UNDERSTOOD  NOTE
            /var/log/mail.log          following  4.0 KiB  12m ago    1 204
            /var/log/\x1b[31mmail.err  failed     4.0 KiB  -          1 204       permission denied
            [0]"#]],
    );
    check(
        sick(),
        "status --plain",
        expect![[r#"
            version	0.1.0
            pid	812
            started	2026-08-19T07:00:00Z
            mode	observe
            ports	25,465,587
            bans	1374
            allowed	14
            dropped	88310
            drops_per_s	12.4
            tracked	212
            over_rate	0
            over_concurrent	0
            database	11538432 536870912
            interface	eth0	generic	the driver cannot do XDP		
            interface	wg0		no such device		
            source	/var/log/mail.log	following	4096	LAST_LINE	
            source	/var/log/\x1b[31mmail.err	failed	4096		permission denied
            policy	unix:/run/mailwall/policy.sock	listening	7	88443	2	0	0	1	2026-08-19T09:10:11Z: not name=value: "GET / HTTP/1.1\\x0d"
            policy_answer	dunno	88120	0
            policy_answer	sleep	311	0
            policy_answer	421	12	0
            policy_answer	450	0	3
            problem	interface wg0 is not guarded: no such device
            problem	cannot read /var/log/\x1b[31mmail.err: permission denied
            [0]"#]],
    );
}

#[test]
fn status_is_loud_in_colour() {
    let agent = Agent::saying(status(answers::status_with_problems()));
    let outcome = agent.run(&["--color", "always"]);
    let first: Vec<&str> = outcome.stdout.lines().take(2).collect();
    expect![[r#"
        ESC[1;31m2 PROBLEMSESC[0m
          ESC[1;31minterface wg0 is not guarded: no such deviceESC[0m"#]]
    .assert_eq(&first.join("\n").replace('\x1b', "ESC"));
}

#[test]
fn no_command_is_status() {
    let agent = Agent::saying(status(answers::status()));
    assert_eq!(agent.run(&[]).stdout, agent.run(&["status"]).stdout);
    assert_eq!(
        agent.run(&["--json"]).stdout,
        agent.run(&["status", "--json"]).stdout
    );
}

#[test]
fn status_with_nothing_to_guard() {
    let empty = Status {
        interfaces: Vec::new(),
        sources: Vec::new(),
        bans: 0,
        allowed: 1,
        tracked: 0,
        drops_per_s: 0.0,
        ..answers::status()
    };
    check(
        status(empty),
        "status",
        expect![[r#"
            1 PROBLEM
              no interface is guarded: nothing is dropped

            MODE       enforce on ports 25, 465, 587
            BANS       0, of lists: spamhaus-drop 2; 1 network allowed
            DROPPED    88 310 packets dropped, 0/s of late
            LIMITS     30 a minute, 10 open for each source; 1 204 SYNs refused over the rate, 17 over the open connections
            TRACKED    no hosts with offences
            DATABASE   12 MiB of at most 512
            RUNNING    for 3d, pid 812
            VERSION    0.1.0
            POLICY     unix:/run/mailwall/policy.sock, 7 connections; 88 443 requests; 88 120 dunno; 311 sleep; 12 421; 3 would have been 450; 2 held now; 1 closed for garbage; the last at 2026-08-19T09:10:11Z: not name=value: "GET / HTTP/1.1\\x0d"

            no interface is guarded

            no log is followed
            [0]"#]],
    );
}

#[test]
fn bans() {
    let list = || answers::ban_list(3, answers::bans());
    check(
        list(),
        "ban list",
        expect![[r#"
            NET                RULE    ON    TYPE               SINCE    ENDS    IN 30D  DROPPED  REASON
            203.0.113.7        auth    imap  auth-failure       12m ago  in 48m  3       1 204    6 auth failures in 60s
            2001:db8:0:1::/64  spread  smtp  unknown-recipient  2h ago   in 22h  1       88 310   9 hosts of one /64
            198.51.100.0/24    manual  -     -                  20d ago  never   2       -        sold\x09lists\x1b[2J\x0a
            3 bans
            [0]"#]],
    );
    check(
        list(),
        "ban list --plain",
        expect![[r#"
            203.0.113.7/32	auth	2026-08-22T08:14:03Z	2026-08-22T09:14:03Z	6	1204	6 auth failures in 60s	ban	auth-failure	imap	3	2026-08-19T07:00:00Z	2026-08-22T08:00:00Z	6 auth failures of an address within 60s
            2001:db8:0:1::/64	spread	2026-08-22T06:14:03Z	2026-08-23T06:14:03Z	41	88310	9 hosts of one /64	ban	unknown-recipient	smtp	1	2026-08-22T06:00:00Z	2026-08-22T06:00:00Z	
            198.51.100.0/24	manual	2026-08-02T06:14:03Z		0		sold\x09lists\x1b[2J\x0a	ban			2			
            [0]"#]],
    );
    check(
        list(),
        "ban list --json",
        expect![[r#"
            {"schema":1,"total":3,"bans":[{"net":"203.0.113.7/32","rule":"auth","since":"2026-08-22T08:14:03Z","age_s":735,"ends":"2026-08-22T09:14:03Z","remaining_s":2880,"action":"ban","kind":"auth-failure","service":"imap","rule_description":"6 auth failures of an address within 60s","bans_30d":3,"first_seen":"2026-08-19T07:00:00Z","last_seen":"2026-08-22T08:00:00Z","offences":6,"level":1,"dropped":1204,"reason":"6 auth failures in 60s","evidence":[]},{"net":"2001:db8:0:1::/64","rule":"spread","since":"2026-08-22T06:14:03Z","age_s":7935,"ends":"2026-08-23T06:14:03Z","remaining_s":79200,"action":"ban","kind":"unknown-recipient","service":"smtp","rule_description":null,"bans_30d":1,"first_seen":"2026-08-22T06:00:00Z","last_seen":"2026-08-22T06:00:00Z","offences":41,"level":0,"dropped":88310,"reason":"9 hosts of one /64","evidence":[]},{"net":"198.51.100.0/24","rule":"manual","since":"2026-08-02T06:14:03Z","age_s":1735935,"ends":null,"remaining_s":null,"action":"ban","kind":null,"service":null,"rule_description":null,"bans_30d":2,"first_seen":null,"last_seen":null,"offences":0,"level":0,"dropped":null,"reason":"sold\tlists\u001b[2J\n","evidence":[]}]}
            [0]"#]],
    );
    check(
        list(),
        "-q ban list",
        expect![[r#"
            NET                RULE    ON    TYPE               SINCE    ENDS    IN 30D  DROPPED  REASON
            203.0.113.7        auth    imap  auth-failure       12m ago  in 48m  3       1 204    6 auth failures in 60s
            2001:db8:0:1::/64  spread  smtp  unknown-recipient  2h ago   in 22h  1       88 310   9 hosts of one /64
            198.51.100.0/24    manual  -     -                  20d ago  never   2       -        sold\x09lists\x1b[2J\x0a
            [0]"#]],
    );
}

#[test]
fn a_list_that_is_cut_says_so() {
    let mut bans = answers::bans();
    bans.truncate(1);
    check(
        answers::ban_list(1374, bans),
        "ban list --limit 1",
        expect![[r#"
            NET          RULE  ON    TYPE          SINCE    ENDS    IN 30D  DROPPED  REASON
            203.0.113.7  auth  imap  auth-failure  12m ago  in 48m  3       1 204    6 auth failures in 60s
            1 of 1 374 bans; --limit 0 for all
            [0]"#]],
    );
}

#[test]
fn no_bans() {
    check(
        answers::ban_list(0, Vec::new()),
        "ban list",
        expect![[r#"
        no bans
        [0]"#]],
    );
    check(
        answers::ban_list(0, Vec::new()),
        "ban list --plain",
        expect!["[0]"],
    );
    check(
        answers::ban_list(0, Vec::new()),
        "ban list --json",
        expect![[r#"
            {"schema":1,"total":0,"bans":[]}
            [0]"#]],
    );
}

#[test]
fn what_a_list_asks_for() {
    let agent = Agent::saying(answers::ban_list(0, Vec::new()));
    agent.run(&["ban", "list"]);
    agent.run(&["ban", "list", "--sort", "drops", "--limit", "20"]);
    let asked = [(BanSort::Added, 0), (BanSort::Drops, 20)].map(|(sort, limit)| Request::BanList {
        sort,
        limit,
        only: BanFilter::default(),
        past: true,
    });
    assert_eq!(agent.requests(), asked);
}

#[test]
fn log_lines_that_are_kept_no_longer_are_missed_in_words() {
    let mut answer = answers::banned();
    let Answer::BanCheck(check) = &mut answer else {
        panic!("it is the answer to ban check");
    };
    check.bans[0].evidence.clear();
    let by_hand = {
        let mut by_hand = check.clone();
        by_hand.bans[0].kind = None;
        Answer::BanCheck(by_hand)
    };
    let words = "the log lines that led to it are kept no longer in memory; the database has them";
    for (answer, has_words) in [(answer, true), (by_hand, false)] {
        let outcome = Agent::saying(answer).run(&["ban", "check", "203.0.113.7"]);
        assert_eq!(outcome.to_string().contains(words), has_words, "{outcome}");
    }
}

#[test]
fn a_banned_address() {
    check(
        answers::banned(),
        "ban check 203.0.113.7",
        expect![[r#"
            203.0.113.7 is banned

            NET       203.0.113.7
            RULE      auth: 6 auth failures of an address within 60s
            SINCE     2026-08-22 08:14:03 UTC (12m ago)
            ENDS      2026-08-22 09:14:03 UTC (in 48m)
            OFFENCES  6
            TYPE      auth-failure on imap
            EARLIER   1 ban
            IN 30D    3 bans
            SEEN      offences from 2026-08-19 07:00:00 to 2026-08-22 08:00:00 UTC, to the hour
            DROPPED   1 204
            REASON    6 auth failures in 60s
              2026-08-22 08:14:03  postfix/smtpd[77]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed
            [0]"#]],
    );
    check(
        answers::banned(),
        "ban check 203.0.113.7 --plain",
        expect![[r#"
            203.0.113.7/32	auth	2026-08-22T08:14:03Z	2026-08-22T09:14:03Z	6	1204	6 auth failures in 60s	ban	auth-failure	imap	3	2026-08-19T07:00:00Z	2026-08-22T08:00:00Z	6 auth failures of an address within 60s
            [0]"#]],
    );
    check(
        answers::banned(),
        "ban check 203.0.113.7 --json",
        expect![[r#"
            {"schema":1,"address":"203.0.113.7","banned":true,"bans":[{"net":"203.0.113.7/32","rule":"auth","since":"2026-08-22T08:14:03Z","age_s":735,"ends":"2026-08-22T09:14:03Z","remaining_s":2880,"action":"ban","kind":"auth-failure","service":"imap","rule_description":"6 auth failures of an address within 60s","bans_30d":3,"first_seen":"2026-08-19T07:00:00Z","last_seen":"2026-08-22T08:00:00Z","offences":6,"level":1,"dropped":1204,"reason":"6 auth failures in 60s","evidence":[{"at":"2026-08-22T08:14:03Z","text":"postfix/smtpd[77]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed"}]}],"allowed":null}
            [0]"#]],
    );
    check(
        answers::banned(),
        "ban check -q 203.0.113.7",
        expect!["[0]"],
    );
}

#[test]
fn an_address_that_is_not_banned() {
    check(
        answers::not_banned(),
        "ban check 198.51.100.25",
        expect![[r#"
            198.51.100.25 is not banned
              allowed by 198.51.100.0/24 (config): [allow] networks
            [5]"#]],
    );
    check(
        answers::not_banned(),
        "ban check 198.51.100.25 --plain",
        expect!["[5]"],
    );
    check(
        answers::not_banned(),
        "ban check 198.51.100.25 --json",
        expect![[r#"
            {"schema":1,"address":"198.51.100.25","banned":false,"bans":[],"allowed":{"net":"198.51.100.0/24","origin":"config","reason":"[allow] networks"}}
            [5]"#]],
    );
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address() {
    let agent = Agent::saying(answers::banned());
    agent.run(&["ban", "check", "::ffff:203.0.113.7"]);
    let address = "203.0.113.7".parse().unwrap();
    assert_eq!(agent.requests(), [Request::BanCheck { address }]);
}

#[test]
fn the_allowlist() {
    check(
        answers::allow_list(),
        "allow list",
        expect![[r#"
        NET              ORIGIN    REASON
        127.0.0.0/8      built-in  loopback
        192.0.2.1        own       address of this host
        2001:db8:7::/48  manual    backup MX
        3 entries
        [0]"#]],
    );
    check(
        answers::allow_list(),
        "allow list --plain",
        expect![[r#"
        127.0.0.0/8	built-in	loopback
        192.0.2.1/32	own	address of this host
        2001:db8:7::/48	manual	backup MX
        [0]"#]],
    );
    check(
        answers::allow_list(),
        "allow list --json",
        expect![[r#"
        {"schema":1,"allowed":[{"net":"127.0.0.0/8","origin":"built-in","reason":"loopback"},{"net":"192.0.2.1/32","origin":"own","reason":"address of this host"},{"net":"2001:db8:7::/48","origin":"manual","reason":"backup MX"}]}
        [0]"#]],
    );
}

#[test]
fn rules() {
    check(
        answers::rules(),
        "rule list",
        expect![[r#"
            NAME        COUNTS                     PER      DISTINCT   LIMIT  WINDOW  BAN    TRACKED  BREACHES  ORIGIN  MODE     THEN             NEAR  BANS  WOULD ACT
            dictionary  unknown-recipient          address  recipient  10     10m     10m    31       1 204     preset  enforce  ban              2     7     -
            errors      protocol-error and 2 more  session  -          5      -       1h30m  0        3         config  observe  ban,kick,notify  0     0     3
            2 rules, preset balanced
            [0]"#]],
    );
    check(
        answers::rules(),
        "rule list --plain",
        expect![[r#"
            dictionary	unknown-recipient	address	recipient	10	600	600	31	1204	preset	enforce	ban	2	7	
            errors	protocol-error,non-smtp,too-many-errors	session		5		5400	0	3	config	observe	ban,kick,notify	0	0	3
            [0]"#]],
    );
    check(
        answers::rules(),
        "rule list --json",
        expect![[r#"
            {"schema":1,"preset":"balanced","rules":[{"name":"dictionary","origin":"preset","count":["unknown-recipient"],"per":"address","distinct":"recipient","service":[],"limit":10,"window_s":600,"mode":"enforce","permanent":false,"then":{"ban":"10m","delay":null,"kick":false,"hold":null,"notify":false},"ban_s":600,"factor":4,"at_most_s":604800,"tracked":31,"near":2,"breaches":1204,"bans":7,"would_bans":0,"would_be_banned":0,"description":"10 recipients that do not exist, within 10m, from one address"},{"name":"errors","origin":"config","count":["protocol-error","non-smtp","too-many-errors"],"per":"session","distinct":null,"service":["smtp"],"limit":5,"window_s":null,"mode":"observe","permanent":false,"then":{"ban":"1h30m","delay":null,"kick":true,"hold":null,"notify":true},"ban_s":5400,"factor":4,"at_most_s":604800,"tracked":0,"near":0,"breaches":3,"bans":0,"would_bans":3,"would_be_banned":1,"description":"5 errors in one connection"}]}
            [0]"#]],
    );
}

#[test]
fn one_rule() {
    check(
        answers::rules(),
        "rule show dictionary",
        expect![[r#"
            10 recipients that do not exist, within 10m, from one address

            NAME       dictionary
            ORIGIN     preset
            COUNTS     unknown-recipient
            PER        address
            DISTINCT   recipient
            SERVICES   all
            LIMIT      10
            WINDOW     10m
            BAN        10m, then times 4, at most 7d
            TRACKED    31 hosts
            NEAR       2 hosts
            BREACHES   1 204
            BANS       7
            MODE       enforce
            THEN       ban
            WOULD ACT  -
            PERMANENT  no
            [0]"#]],
    );
    check(
        answers::rules(),
        "rule show errors",
        expect![[r#"
            5 errors in one connection

            NAME       errors
            ORIGIN     config
            COUNTS     protocol-error, non-smtp, too-many-errors
            PER        session
            DISTINCT   -
            SERVICES   smtp
            LIMIT      5
            WINDOW     the session
            BAN        1h30m, then times 4, at most 7d
            TRACKED    no hosts
            NEAR       no hosts
            BREACHES   3
            BANS       0
            MODE       observe
            THEN       ban,kick,notify
            WOULD ACT  3 so far, 1 now
            PERMANENT  no
            [0]"#]],
    );
    check(
        answers::rules(),
        "rule show errors --plain",
        expect![[r#"
            errors	protocol-error,non-smtp,too-many-errors	session		5		5400	0	3	config	observe	ban,kick,notify	0	0	3
            [0]"#]],
    );
    check(
        answers::rules(),
        "rule show errors --json",
        expect![[r#"
            {"schema":1,"preset":"balanced","rules":[{"name":"errors","origin":"config","count":["protocol-error","non-smtp","too-many-errors"],"per":"session","distinct":null,"service":["smtp"],"limit":5,"window_s":null,"mode":"observe","permanent":false,"then":{"ban":"1h30m","delay":null,"kick":true,"hold":null,"notify":true},"ban_s":5400,"factor":4,"at_most_s":604800,"tracked":0,"near":0,"breaches":3,"bans":0,"would_bans":3,"would_be_banned":1,"description":"5 errors in one connection"}]}
            [0]"#]],
    );
    check(
        answers::rules(),
        "rule show dictionery",
        expect![[r#"
        error: no rule is named "dictionery"
        hint: did you mean dictionary?
        [5]"#]],
    );
    check(
        answers::rules(),
        "rule show greylist",
        expect![[r#"
        error: no rule is named "greylist"
        hint: mailwall rule list shows the rules
        [5]"#]],
    );
}

#[test]
fn sources() {
    check(
        answers::sources(),
        "source list",
        expect![[r#"
            SOURCE             STATE      POSITION   LAG      LAST LINE  LINES  UNDERSTOOD  IGNORED  UNKNOWN  REFUSED  CUT  LOST  NOTE
            /var/log/mail.log  following  1 258 291  4.0 KiB  12m ago    9 120  1 204       7 915    0        1        0    12
            1 source
            [0]"#]],
    );
    check(
        answers::sources(),
        "source list --plain",
        expect![[r#"
            /var/log/mail.log	following	1258291	4096	LAST_LINE	9120	1204	7915	0	1	0	12	
            [0]"#]],
    );
    check(
        answers::sources(),
        "source list --json",
        expect![[r#"
            {"schema":1,"sources":[{"name":"/var/log/mail.log","state":"following","position":1258291,"lag_bytes":4096,"lag_s":0,"lines":9120,"understood":1204,"ignored":7915,"refused":1,"unknown":0,"cut":0,"lost":12,"last_line":"LAST_LINE","problem":null}]}
            [0]"#]],
    );
}

#[test]
fn events() {
    check(
        answers::event_log(),
        "events",
        expect![[r#"
        TIME                 EVENT              NET          SERVICE  SCORE  ACCOUNT  RECIPIENT             RULE        FOR
        2026-08-22 08:14:02  unknown-recipient  203.0.113.7  smtp     1.0    -        a\x1b[1m@example.org  -           -
        2026-08-22 08:14:03  ban                203.0.113.7  -        0.0    -        -                     dictionary  10m
        2 events
        [0]"#]],
    );
    check(
        answers::event_log(),
        "events --plain",
        expect![[r#"
        2026-08-22T08:14:02Z	unknown-recipient	203.0.113.7/32	smtp	1.0		a\x1b[1m@example.org		
        2026-08-22T08:14:03Z	ban	203.0.113.7/32		0.0			dictionary	600
        [0]"#]],
    );
    check(
        answers::event_log(),
        "events --json",
        expect![[r#"
        {"schema":1,"events":[{"schema":1,"at":"2026-08-22T08:14:02Z","event":"unknown-recipient","net":"203.0.113.7/32","service":"smtp","score":1.0,"account":null,"recipient":"a\u001b[1m@example.org","rule":null,"for_s":null,"source":"/var/log/mail.log","refused":null},{"schema":1,"at":"2026-08-22T08:14:03Z","event":"ban","net":"203.0.113.7/32","service":null,"score":0.0,"account":null,"recipient":null,"rule":"dictionary","for_s":600,"source":null,"refused":null}]}
        [0]"#]],
    );
}

#[test]
fn counters() {
    check(
        answers::counters(0, 0),
        "counters",
        expect![[r#"
        VERDICT         ACTION  IPV4    IPV6  OTHER
        not-ip          pass    0       0     17
        clean           pass    1 204   0     0
        banned-address  drop    88 310  12    0
        3 of 21 verdicts; -v for those never seen
        [0]"#]],
    );
    check(
        answers::counters(0, 0),
        "counters -v",
        expect![[r#"
        VERDICT              ACTION  IPV4    IPV6  OTHER
        not-ip               pass    0       0     17
        not-tcp              pass    0       0     0
        deep-vlan            pass    0       0     0
        malformed            pass    0       0     0
        later-fragment       pass    0       0     0
        tiny-fragment        pass    0       0     0
        unguarded-port       pass    0       0     0
        not-syn              pass    0       0     0
        clean                pass    1 204   0     0
        allowed              pass    0       0     0
        expired              pass    0       0     0
        banned-address       drop    88 310  12    0
        banned-network       drop    0       0     0
        banned-fragment      drop    0       0     0
        observed-address     pass    0       0     0
        observed-network     pass    0       0     0
        observed-fragment    pass    0       0     0
        over-rate            drop    0       0     0
        over-concurrent      drop    0       0     0
        observed-rate        pass    0       0     0
        observed-concurrent  pass    0       0     0
        21 verdicts
        [0]"#]],
    );
    check(
        answers::counters(0, 0),
        "counters --plain",
        expect![[r#"
        not-ip	pass	0	0	17
        not-tcp	pass	0	0	0
        deep-vlan	pass	0	0	0
        malformed	pass	0	0	0
        later-fragment	pass	0	0	0
        tiny-fragment	pass	0	0	0
        unguarded-port	pass	0	0	0
        not-syn	pass	0	0	0
        clean	pass	1204	0	0
        allowed	pass	0	0	0
        expired	pass	0	0	0
        banned-address	drop	88310	12	0
        banned-network	drop	0	0	0
        banned-fragment	drop	0	0	0
        observed-address	pass	0	0	0
        observed-network	pass	0	0	0
        observed-fragment	pass	0	0	0
        over-rate	drop	0	0	0
        over-concurrent	drop	0	0	0
        observed-rate	pass	0	0	0
        observed-concurrent	pass	0	0	0
        [0]"#]],
    );
}

#[test]
fn counters_as_json_have_all_of_them() {
    let outcome = Agent::saying(answers::counters(3, 0)).run(&["counters", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["at_ns"], 3_000_000_000u64);
    assert_eq!(json["packets"].as_array().unwrap().len(), 63);
}

#[test]
fn empty_lists_say_what_there_is_none_of() {
    let rules = Answer::RuleList(RuleList {
        schema: SCHEMA,
        preset: "balanced".to_owned(),
        rules: Vec::new(),
    });
    check(
        rules,
        "rule list",
        expect![[r#"
        no rules, preset balanced
        [0]"#]],
    );
    let sources = Answer::SourceList(SourceList {
        schema: SCHEMA,
        sources: Vec::new(),
    });
    check(
        sources,
        "source list",
        expect![[r#"
        no sources
        [0]"#]],
    );
    let events = Answer::Events(EventLog {
        schema: SCHEMA,
        events: Vec::new(),
    });
    check(
        events,
        "events",
        expect![[r#"
        no events
        [0]"#]],
    );
}
