//! The forms of a report.

use expect_test::expect;

use super::*;
use crate::control::protocol::{
    KindCount, MapFill, NearMisses, NearView, Report, RuleReport, SCHEMA, Source, SparedHost,
    TopOffenders,
};

fn offender(who: &str, offences: u64, hosts: Option<u64>) -> Offender {
    Offender {
        who: who.to_owned(),
        offences,
        hosts,
        first: "2026-08-20T09:00:00Z".to_owned(),
        last: "2026-08-22T08:00:00Z".to_owned(),
        kinds: vec![
            KindCount {
                kind: "unknown-recipient".to_owned(),
                count: offences - 1,
            },
            KindCount {
                kind: "auth-failure".to_owned(),
                count: 1,
            },
        ],
    }
}

fn near(who: &str, rule: &str, count: u32, limit: u32) -> NearView {
    NearView {
        who: who.to_owned(),
        is_account: false,
        rule: rule.to_owned(),
        count,
        limit,
        last: "2026-08-22T08:14:03Z".to_owned(),
    }
}

fn report() -> Report {
    Report {
        schema: SCHEMA,
        host: "mx.example.org".to_owned(),
        from: "2026-08-20T08:14:03Z".to_owned(),
        to: "2026-08-22T08:14:03Z".to_owned(),
        since_s: 172_800,
        mode: "enforce".to_owned(),
        offences: 22_977,
        hosts: 1204,
        left_out: 0,
        bans: 312,
        expired: 498,
        rules: vec![RuleReport {
            rule: "dictionary".to_owned(),
            bans: 810,
            would_bans: 2,
            in_force: 312,
            ..RuleReport::default()
        }],
        top: vec![
            TopOffenders {
                by: ReportBy::Network,
                total: 803,
                offenders: vec![
                    offender("216.170.16.0/24", 1999, Some(12)),
                    offender("2001:db8:1::/48", 7, Some(1)),
                ],
            },
            TopOffenders {
                by: ReportBy::Account,
                total: 1,
                offenders: vec![offender("<script>alert(1)</script>\x1b[2J", 9, None)],
            },
        ],
        remembered_from: None,
        spared: vec![SparedHost {
            net: "192.0.2.0/24".to_owned(),
            because: "allowed".to_owned(),
            offences: 41,
            breaches: 0,
            rule: None,
            last: "2026-08-22T08:14:03Z".to_owned(),
        }],
        near: NearMisses {
            total: 61,
            shown: vec![
                near("203.0.113.0/24", "network", 15, 16),
                near("198.51.100.7/32", "dictionary", 9, 10),
                NearView {
                    is_account: true,
                    ..near("<b>joe</b>@example.org", "account-recipients", 860, 1000)
                },
            ],
        },
        dropped: 88_310,
        limited: 0,
        maps: vec![MapFill {
            map: "networks".to_owned(),
            used: 2,
            capacity: 131_072,
        }],
        sources: vec![Source {
            name: "/var/log/mail.log".to_owned(),
            state: "following".to_owned(),
            position: 0,
            lag_bytes: Some(0),
            lag_s: Some(0),
            lines: 120_000,
            understood: 60_000,
            ignored: 59_995,
            refused: 0,
            unknown: 5,
            cut: 0,
            lost: 0,
            last_line: None,
            problem: None,
        }],
        problems: vec!["notifier <b>".to_owned()],
    }
}

#[test]
fn the_text_fits_a_terminal() {
    let text = text(&report());
    assert!(
        text.iter().all(|line| line.chars().count() <= 80),
        "{text:#?}"
    );
    expect![[r#"
        mailwall on mx.example.org: the last 2d
        2026-08-20 08:14 to 2026-08-22 08:14 UTC

        Problems
        --------
        notifier <b>

        Totals
        ------
               22977  offences of 1204 hosts
                 312  bans in force now
                 498  bans ended with their time
               88310  packets dropped since the filter was loaded
                   2  of 131072 bans that the map of networks can hold

        Decisions by rule
        -----------------
                                         bans  would    now delays  holds  kicks   told
        dictionary                        810      2    312      0      0      0      0

        Worst networks (IPv4 /24, IPv6 /48): 2 of 803
        ---------------------------------------------
             1999  216.170.16.0/24  last 2026-08-22 08:00, 12 hosts
                   1998 unknown-recipient, 1 auth-failure
                7  2001:db8:1::/48  last 2026-08-22 08:00
                   6 unknown-recipient, 1 auth-failure

        Accounts tried the most
        -----------------------
                9  <script>alert(1)</script>\x1b[2J  last 2026-08-22 08:00
                   8 unknown-recipient, 1 auth-failure

        Near a limit, and not at it: 3 of 61
        ------------------------------------
        203.0.113.0/24          network: 15 of 16, last 2026-08-22 08:14
        198.51.100.7            dictionary: 9 of 10, last 2026-08-22 08:14
        <b>joe</b>@example.org  account-recipients: 860 of 1000, last 2026-08-22 08:14

        Spared, though they misbehave
        -----------------------------
        192.0.2.0/24            allowed: 41 offences, last 2026-08-22 08:14

        Logs
        ----
        /var/log/mail.log
              120000  lines since the agent started, 60000 understood
                   5  of a mail program in a form that is not known
    "#]]
    .assert_eq(&(text.join("\n") + "\n"));
}

#[test]
fn nothing_in_the_page_is_markup_of_others() {
    let page = html(&report());
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J"),
        "{page}"
    );
    assert!(page.contains("notifier &lt;b&gt;"));
    assert!(!page.contains("<script") && !page.contains("<b>"));
    // Nothing is loaded from elsewhere, whoever opens it.
    for outside in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<link", "<img",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("22\u{202f}977"), "{page}");
    for element in ["table", "thead", "tbody", "tr", "body", "html", "p", "code"] {
        let (begins, ends) = (format!("<{element}"), format!("</{element}>"));
        let begun = page.matches(&format!("{begins}>")).count()
            + page.matches(&format!("{begins} ")).count();
        assert_eq!(begun, page.matches(&ends).count(), "{element}");
    }
}

#[test]
fn what_a_restart_forgets_says_since_when_it_is_known() {
    let report = Report {
        remembered_from: Some("2026-08-22T07:30:05Z".to_owned()),
        ..report()
    };
    for title in [
        "Near a limit, and not at it (since 2026-08-22 07:30 UTC): 3 of 61",
        "Spared, though they misbehave (since 2026-08-22 07:30 UTC)",
    ] {
        let lines = text(&report);
        assert!(lines.iter().any(|line| line == title), "{lines:#?}");
        assert!(html(&report).contains(title), "{title}");
    }
}
