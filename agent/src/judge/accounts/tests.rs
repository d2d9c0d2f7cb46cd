//! The numbers of the Exim administrators: a botnet on one account, the mean of 30 days, recipients that do not exist.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use crate::{
    account::{DAYS_MAX, day_number, day_start},
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::{End, RuleName},
    decision::{Decision, Deed, Pardon, Topic, Whom},
    event::{Event, EventKind, Score, Service, SessionId},
    judge::{Judge, JudgeSettings},
    rule::{Distinct, Length, Measure, Mode, Per, RuleSettings, Then},
};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
const NONE: [usize; 0] = [];
const JOE: &str = "joe@example.org";

/// Noon of a day that begins 2013-08-01.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_375_315_200 + seconds)
}

fn rule(count: &[EventKind], limit: u32, window: Duration) -> RuleSettings {
    RuleSettings {
        name: RuleName::new("account").unwrap(),
        count: count.to_vec(),
        per: Per::Account,
        distinct: None,
        measure: Measure::Count,
        limit,
        window,
        service: Vec::new(),
        bad_share: 0,
        baseline: None,
        mode: Mode::Enforce,
        permanent: false,
        then: Then {
            notify: true,
            ..Then::default()
        },
    }
}

fn addresses(limit: u32) -> RuleSettings {
    RuleSettings {
        distinct: Some(Distinct::Address),
        ..rule(
            &[EventKind::AuthSuccess, EventKind::MailAccepted],
            limit,
            DAY,
        )
    }
}

fn wrong_recipients() -> RuleSettings {
    RuleSettings {
        distinct: Some(Distinct::Recipient),
        then: Then {
            hold: Some(Length::UntilRemoved),
            notify: true,
            ..Then::default()
        },
        ..rule(
            &[EventKind::BounceOut, EventKind::UnknownRecipient],
            100,
            HOUR,
        )
    }
}

fn judge(rules: Vec<RuleSettings>) -> Judge {
    let allowed = AllowEntry {
        net: "198.51.100.0/24".parse().unwrap(),
        origin: AllowOrigin::Config,
        reason: String::new(),
    };
    let settings = JudgeSettings {
        rules,
        ipv6_prefix: 64,
    };
    Judge::new(settings, Allowlist::new([allowed]))
}

fn event(kind: EventKind, at: SystemTime, address: &str) -> Event {
    Event {
        address: address.parse().ok(),
        account: Some(JOE.into()),
        ..Event::new(at, kind, Service::Smtp, "test")
    }
}

/// One message, as Exim tells it.
fn message(at: SystemTime, address: &str, recipients: u32) -> Event {
    Event {
        recipients: Some(recipients),
        bytes: Some(1_000_000),
        ..event(EventKind::AuthSuccess, at, address)
    }
}

fn bounce(at: SystemTime, recipient: u32) -> Event {
    Event {
        address: None,
        recipient: Some(format!("r{recipient}@remote.example").into()),
        ..event(EventKind::BounceOut, at, "")
    }
}

fn play(judge: &mut Judge, event: &Event) -> Vec<Decision> {
    judge.handle_event(event, b"the line");
    std::iter::from_fn(|| judge.next_decision()).collect()
}

/// The numbers, from one, of the events that lead to something; nothing but holds and notices ever may.
fn breaches(judge: &mut Judge, events: impl IntoIterator<Item = Event>) -> Vec<usize> {
    let mut told = Vec::new();
    for (number, event) in events.into_iter().enumerate() {
        let decisions = play(judge, &event);
        assert!(
            !decisions
                .iter()
                .any(|decision| matches!(decision, Decision::Ban(_)))
        );
        if !decisions.is_empty() {
            told.push(number + 1);
        }
    }
    told
}

/// The addresses of the report in the thread, in the order in which the mails came.
const BOTNET: [&str; 13] = [
    "109.162.53.114",
    "113.179.7.245",
    "178.127.206.42",
    "178.172.228.184",
    "178.45.98.44",
    "212.76.21.55",
    "213.111.169.21",
    "37.212.92.153",
    "37.45.134.250",
    "37.45.202.213",
    "46.28.69.81",
    "84.238.189.212",
    "77.121.250.77",
];

fn botnet() -> impl Iterator<Item = Event> {
    // The last one at 11:59:03.
    let last = 11 * 3600 + 59 * 60 + 3;
    BOTNET
        .iter()
        .zip(0..)
        .map(move |(address, n)| message(at(last - (12 - n) * 600), address, 1))
}

#[test]
fn a_botnet_on_one_account_is_told_and_nobody_is_banned() {
    let mut judge = judge(vec![addresses(11)]);
    assert_eq!(breaches(&mut judge, botnet()), [11]);
    assert_eq!(judge.bans().len(), 0);
    let account = judge.account("Joe@example.org").unwrap();
    assert_eq!(account.addresses.len(), 13);
    let last = account.last_login.unwrap();
    let lines = crate::account::report(
        "2013-08-01",
        &account.name,
        account
            .addresses
            .iter()
            .map(|seen| (seen.address, seen.count)),
        Some((last.0, "11:59:03")),
    );
    let expected = "\
2013-08-01 -> mailbox joe@example.org: (13)
  109.162.53.114 => 1
  113.179.7.245 => 1
  178.127.206.42 => 1
  178.172.228.184 => 1
  178.45.98.44 => 1
  212.76.21.55 => 1
  213.111.169.21 => 1
  37.212.92.153 => 1
  37.45.134.250 => 1
  37.45.202.213 => 1
  46.28.69.81 => 1
  77.121.250.77 => 1
  84.238.189.212 => 1
    Last connection from 77.121.250.77 at 11:59:03";
    assert_eq!(lines.join("\n"), expected);
    assert_eq!(last.1, at(11 * 3600 + 59 * 60 + 3));
}

#[test]
fn the_notice_says_where_the_account_is_used_from() {
    let mut judge = judge(vec![addresses(13)]);
    let decisions: Vec<Decision> = botnet()
        .flat_map(|event| play(&mut judge, &event))
        .collect();
    let [Decision::Notify(notice)] = &decisions[..] else {
        panic!("{decisions:?}");
    };
    assert_eq!(notice.topic, Topic::Account);
    assert_eq!(notice.whom, Some(Whom::Account(JOE.into())));
    let lines: Vec<&str> = notice.text.lines().collect();
    assert_eq!(
        lines[0],
        "account joe@example.org: 13 different addresses that logged in in 1d"
    );
    assert_eq!(lines[1], "2013-08-01 -> mailbox joe@example.org: (13)");
    assert_eq!(
        lines[15],
        "    Last connection from 77.121.250.77 at 11:59:03"
    );
    assert_eq!(notice.evidence[0].text, "the line");
}

#[test]
fn ten_addresses_are_a_traveller_and_the_same_again_is_none() {
    let mut travels = judge(vec![addresses(11)]);
    let again = (0..10).flat_map(|_| botnet().take(10));
    assert_eq!(breaches(&mut travels, again), NONE);
    // A phone in one IPv6 /64, and the office, are one address and none.
    let mut phone = judge(vec![addresses(3)]);
    let home = (0..50).map(|n| format!("2001:db8:1:2::{n:x}"));
    let office = (0..50).map(|n| format!("192.168.1.{n}"));
    let newsletter = (0..50).map(|n| format!("198.51.100.{n}"));
    let all = home.chain(office).chain(newsletter).zip(0..);
    let events = all.map(|(address, n)| message(at(n), &address, 1));
    assert_eq!(breaches(&mut phone, events), NONE);
}

#[test]
fn five_times_the_mean_of_thirty_days_is_told_at_the_fiftieth() {
    let mut judge = judge(vec![RuleSettings {
        baseline: Some(500),
        ..rule(&[EventKind::MailAccepted], 20, DAY)
    }]);
    let month = (0..30_u64)
        .flat_map(|day| (0..10).map(move |n| message(at(day * 86_400 + n * 60), "192.0.2.1", 1)));
    assert_eq!(breaches(&mut judge, month), NONE);
    let today = |n: u64| message(at(30 * 86_400 + n * 60), "192.0.2.1", 1);
    assert_eq!(breaches(&mut judge, (0..200).map(today)), [50]);
    let account = judge.account(JOE).unwrap();
    assert_eq!(account.days.len(), DAYS_MAX);
    // The day after has a mean of its own: 29 * 10 and 200 in 30 days.
    let tomorrow = |n: u64| message(at(31 * 86_400 + n * 60), "192.0.2.1", 1);
    assert_eq!(breaches(&mut judge, (0..90).map(tomorrow)), [82]);
}

#[test]
fn a_new_account_has_no_mean_and_a_quiet_one_a_least() {
    let baseline = RuleSettings {
        baseline: Some(500),
        ..rule(&[EventKind::MailAccepted], 20, DAY)
    };
    let mut fresh = judge(vec![baseline.clone()]);
    let events = (0..500).map(|n| message(at(n), "192.0.2.1", 1));
    assert_eq!(breaches(&mut fresh, events), NONE);
    let mut quiet = judge(vec![baseline]);
    breaches(&mut quiet, [message(at(0), "192.0.2.1", 1)]);
    let later = (0..30).map(|n| message(at(20 * 86_400 + n), "192.0.2.1", 1));
    assert_eq!(breaches(&mut quiet, later), [20]);
}

#[test]
fn a_thousand_recipients_a_day_need_no_history() {
    let mut judge = judge(vec![RuleSettings {
        measure: Measure::Recipients,
        ..rule(&[EventKind::MailAccepted], 1000, DAY)
    }]);
    let events = (0..30).map(|n| message(at(n * 60), "192.0.2.1", 50));
    assert_eq!(breaches(&mut judge, events), [20]);
}

#[test]
fn recipients_and_size_are_those_of_messages() {
    let mut recipients = judge(vec![RuleSettings {
        measure: Measure::Recipients,
        ..rule(&[EventKind::MailAccepted, EventKind::AuthSuccess], 3, HOUR)
    }]);
    // A login is no message; one of which the recipients are not told has one.
    let login = event(EventKind::AuthSuccess, at(0), "192.0.2.1");
    let accepted = event(EventKind::MailAccepted, at(0), "192.0.2.1");
    let events = [
        login.clone(),
        login.clone(),
        login,
        accepted.clone(),
        accepted.clone(),
        accepted,
    ];
    assert_eq!(breaches(&mut recipients, events), [6]);
    let mut size = judge(vec![RuleSettings {
        measure: Measure::Megabytes,
        ..rule(&[EventKind::MailAccepted], 25, HOUR)
    }]);
    let events = (0..30).map(|n| message(at(n), "192.0.2.1", 1));
    assert_eq!(breaches(&mut size, events), [25]);
}

#[test]
fn a_hundred_wrong_recipients_in_an_hour_hold_the_account_once() {
    let mut judge = judge(vec![wrong_recipients()]);
    breaches(&mut judge, [message(at(0), "192.0.2.1", 1)]);
    let events = (0..99).map(|n| bounce(at(n), n as u32));
    assert_eq!(breaches(&mut judge, events), NONE);
    assert_eq!(
        breaches(&mut judge, (0..99).map(|n| bounce(at(200 + n), n as u32))),
        NONE
    );
    let decisions = play(&mut judge, &bounce(at(400), 100));
    let [Decision::Hold(hold), Decision::Notify(_)] = &decisions[..] else {
        panic!("{decisions:?}");
    };
    assert_eq!(
        (&*hold.account, hold.end, hold.count),
        (JOE, End::Never, 100)
    );
    assert_eq!(
        hold.reason,
        "100 different recipients that do not exist in 1h"
    );
    let more = (0..500).map(|n| bounce(at(500 + n), 1000 + n as u32));
    assert_eq!(breaches(&mut judge, more), NONE, "told once");
    assert!(judge.release("JOE@example.org"));
    assert!(!judge.release(JOE));
    assert!(matches!(
        judge.next_decision(),
        Some(Decision::Release {
            pardon: Pardon::Removed,
            ..
        })
    ));
    // What was counted is forgotten.
    assert_eq!(breaches(&mut judge, [bounce(at(1100), 5000)]), NONE);
}

#[test]
fn a_hundred_over_more_than_an_hour_and_4xx_are_nothing() {
    let mut slow = judge(vec![wrong_recipients()]);
    breaches(&mut slow, [message(at(0), "192.0.2.1", 1)]);
    let events = (0..300).map(|n| bounce(at(n * 40), n as u32));
    assert_eq!(breaches(&mut slow, events), NONE);
    // Refused for now: the events have no weight.
    let mut greylisted = judge(vec![wrong_recipients()]);
    breaches(&mut greylisted, [message(at(0), "192.0.2.1", 1)]);
    let deferred = (0..200_u32).map(|n| Event {
        recipient: Some(format!("r{n}@x").into()),
        score: Score::ZERO,
        ..event(EventKind::UnknownRecipient, at(1), "192.0.2.1")
    });
    assert_eq!(breaches(&mut greylisted, deferred), NONE);
}

#[test]
fn what_is_refused_on_a_connection_counts_for_who_is_logged_in_on_it() {
    let mut judge = judge(vec![wrong_recipients()]);
    let session = Some(SessionId(7));
    let login = Event {
        session,
        ..event(EventKind::AuthSuccess, at(0), "192.0.2.1")
    };
    breaches(&mut judge, [login]);
    let refused = (0..100_u32).map(|n| Event {
        account: None,
        session,
        recipient: Some(format!("r{n}@x").into()),
        ..event(EventKind::UnknownRecipient, at(1), "192.0.2.1")
    });
    assert_eq!(breaches(&mut judge, refused), [100]);
}

#[test]
fn many_messages_on_one_connection_are_of_that_connection_only() {
    let per_connection = RuleSettings {
        per: Per::AccountSession,
        then: Then {
            kick: true,
            notify: true,
            ..Then::default()
        },
        ..rule(&[EventKind::MailAccepted], 20, DAY)
    };
    let mut judge = judge(vec![per_connection]);
    let on = |session: u64| {
        move |n: u64| Event {
            session: Some(SessionId(session)),
            ..message(at(n), "192.0.2.1", 1)
        }
    };
    // Three mails a connection, as bots do, a hundred times.
    let bots = (0..100).flat_map(|session| (0..3).map(on(session)));
    assert_eq!(breaches(&mut judge, bots), NONE);
    assert_eq!(breaches(&mut judge, (0..50).map(on(500))), [20]);
    let Decision::Kick(kick) = &play_until_kick(&mut judge, on(501)) else {
        panic!("no kick");
    };
    assert_eq!(kick.whom, Whom::Account(JOE.into()));
}

fn play_until_kick(judge: &mut Judge, event: impl Fn(u64) -> Event) -> Decision {
    (0..50)
        .flat_map(|n| play(judge, &event(n)))
        .find(|decision| matches!(decision, Decision::Kick(_)))
        .unwrap()
}

#[test]
fn a_hold_ends_by_itself() {
    let mut judge = judge(vec![RuleSettings {
        then: Then {
            hold: Some(Length::For(2 * HOUR)),
            ..Then::default()
        },
        ..rule(&[EventKind::MailAccepted], 1, HOUR)
    }]);
    assert_eq!(breaches(&mut judge, [message(at(0), "192.0.2.1", 1)]), [1]);
    assert_eq!(judge.holds().count(), 1);
    assert!(judge.poll_timeout().unwrap() <= at(7200));
    judge.handle_timeout(at(7200));
    assert!(matches!(
        judge.next_decision(),
        Some(Decision::Release {
            pardon: Pardon::Expired,
            ..
        })
    ));
    assert_eq!(judge.holds().count(), 0);
}

#[test]
fn a_rule_that_observes_holds_nobody_and_tells_once() {
    let mut judge = judge(vec![RuleSettings {
        mode: Mode::Observe,
        ..wrong_recipients()
    }]);
    breaches(&mut judge, [message(at(0), "192.0.2.1", 1)]);
    assert_eq!(
        breaches(&mut judge, (0..99).map(|n| bounce(at(1), n))),
        NONE
    );
    let near = judge.near_misses(at(0));
    let near: Vec<_> = near.iter().map(|miss| (miss.count, miss.limit)).collect();
    assert_eq!(near, [(99, 100)]);
    let decisions = play(&mut judge, &bounce(at(1), 99));
    let [Decision::WouldAct(trial)] = &decisions[..] else {
        panic!("{decisions:?}");
    };
    assert_eq!((trial.deed, trial.count), (Deed::Hold, 100));
    assert_eq!(
        breaches(&mut judge, (100..300).map(|n| bounce(at(2), n))),
        NONE
    );
    assert_eq!(
        (judge.holds().count(), judge.near_misses(at(0)).len()),
        (0, 0)
    );
    let rule = judge.rules(at(2)).next().unwrap();
    assert_eq!((rule.breaches, rule.tracked), (1, 1));
    assert_eq!((rule.would_bans, rule.would_be_banned), (1, 1));
}

#[test]
fn failed_logins_at_one_account_from_everywhere_are_told() {
    let failures = |window| RuleSettings {
        distinct: Some(Distinct::Address),
        ..rule(&[EventKind::AuthFailure], 20, window)
    };
    let failure = |n: u64, address: String| event(EventKind::AuthFailure, at(n), &address);
    let mut attacked = judge(vec![failures(HOUR)]);
    let botnet = (0..50).map(|n| failure(n, format!("203.0.113.{n}")));
    assert_eq!(breaches(&mut attacked, botnet), [20]);
    // The same password again and again, and the webmail of this host, are no botnet.
    let mut phone = judge(vec![failures(HOUR)]);
    let same = (0..50).map(|n| failure(n, "203.0.113.1".to_owned()));
    assert_eq!(breaches(&mut phone, same), NONE);
    let office = (0..50).map(|n| failure(n, format!("10.0.0.{n}")));
    assert_eq!(breaches(&mut phone, office), NONE);
}

#[test]
fn a_failure_that_two_programs_tell_of_is_one() {
    let mut judge = judge(vec![rule(&[EventKind::AuthFailure], 10, HOUR)]);
    let events = (0..12_u64).map(|n| Event {
        told_by: if n % 2 == 0 { "dovecot" } else { "postfix" },
        ..event(
            EventKind::AuthFailure,
            at(n / 2 * 10 + n % 2),
            "203.0.113.1",
        )
    });
    assert_eq!(breaches(&mut judge, events), NONE);
    assert_eq!(judge.account(JOE).unwrap().days[0].failures, 6);
}

#[test]
fn what_is_known_survives_a_restart() {
    let mut before = judge(vec![addresses(11)]);
    assert_eq!(breaches(&mut before, botnet().take(10)), NONE);
    let kept = before.take_changed_accounts();
    assert_eq!(before.take_changed_accounts().len(), 0);
    before.give_back_accounts(&kept);
    assert_eq!(before.take_changed_accounts(), kept, "they were not stored");
    let mut after = judge(vec![addresses(11)]);
    after.restore_accounts(kept, Vec::new());
    assert_eq!(breaches(&mut after, botnet().skip(9)), [2]);
}

#[test]
fn an_attack_with_invented_names_is_bounded() {
    let mut judge = judge(vec![
        rule(&[EventKind::AuthFailure], 10, HOUR),
        addresses(11),
    ]);
    breaches(&mut judge, [message(at(0), "192.0.2.1", 1)]);
    for n in 0..50_000_u32 {
        let attempt = Event {
            account: Some(format!("invented{n}").into()),
            address: Some(IpAddr::from((0x0100_0000 + n).to_be_bytes())),
            ..event(EventKind::AuthFailure, at(1), "")
        };
        judge.handle_event(&attempt, b"");
    }
    let (known, strangers) = judge.accounts.len();
    assert_eq!((known, strangers), (1, super::registry::STRANGERS_MAX));
    assert!(judge.account(JOE).is_some());
    judge.handle_timeout(at(3 * 86_400));
    assert_eq!(judge.accounts.len().1, 0);
}

#[test]
fn days_begin_at_midnight() {
    assert_eq!(day_start(day_number(at(0))), at(0));
}
