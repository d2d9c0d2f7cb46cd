//! Lists beside what is banned otherwise.

use std::time::{Duration, SystemTime};

use crate::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::{Ban, End, ListName, Origin, RuleName},
    decision::{Decision, Pardon},
    judge::{Judge, JudgeSettings},
};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000 + seconds)
}

fn judge() -> Judge {
    let settings = JudgeSettings {
        rules: Vec::new(),
        ipv6_prefix: 64,
    };
    let allowed = AllowEntry {
        net: "192.0.2.0/28".parse().unwrap(),
        origin: AllowOrigin::Config,
        reason: String::new(),
    };
    Judge::new(settings, Allowlist::new([allowed]))
}

fn list() -> ListName {
    ListName::new("access").unwrap()
}

fn ban(net: &str, origin: Origin, since: u64, end: End) -> Ban {
    Ban {
        reason: "listed".to_owned(),
        ..Ban::new(net.parse().unwrap(), origin, at(since), end)
    }
}

fn listed(nets: &[&str], since: u64) -> Vec<Ban> {
    nets.iter()
        .map(|net| ban(net, Origin::List(list()), since, End::Never))
        .collect()
}

fn rule() -> Origin {
    Origin::Rule(RuleName::new("dictionary").unwrap())
}

/// Replaces the list; what was decided, in words.
#[track_caller]
fn replace(judge: &mut Judge, nets: &[&str], now: u64) -> Vec<String> {
    let listing = judge
        .list(listed(nets, now), Some(&list()), at(now))
        .unwrap();
    judge.put_list(listing);
    decided(judge)
}

fn decided(judge: &mut Judge) -> Vec<String> {
    std::iter::from_fn(|| judge.next_decision())
        .map(|decision| match decision {
            Decision::Ban(ban) => format!("ban {}", ban.net),
            Decision::Unban { net, pardon } => format!("{} {net}", pardon.as_str()),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Vector 6: what stays is not touched, and the same list again changes nothing.
#[test]
fn replacing_a_list_changes_only_what_is_different() {
    let mut judge = judge();
    assert_eq!(
        replace(&mut judge, &["203.0.113.0/24", "198.51.100.0/24"], 0),
        ["ban 203.0.113.0/24", "ban 198.51.100.0/24"]
    );
    assert!(replace(&mut judge, &["198.51.100.0/24", "203.0.113.0/24"], 60).is_empty());
    let stays = "203.0.113.0/24".parse().unwrap();
    assert_eq!(
        replace(&mut judge, &["203.0.113.0/24", "192.0.2.16/28"], 120),
        ["unlisted 198.51.100.0/24", "ban 192.0.2.16/28"]
    );
    assert_eq!(judge.bans().get(&stays).unwrap().since, at(0));
    assert_eq!(judge.bans().lists()[&list()], 2);
    assert_eq!(
        replace(&mut judge, &[], 180),
        ["unlisted 192.0.2.16/28", "unlisted 203.0.113.0/24"]
    );
    assert!(judge.bans().lists().is_empty());
}

/// Vector 2: the end of an automatic entry takes nothing from a manual one around it, nor does a list.
#[test]
fn manual_bans_outlive_automatic_ones_and_lists() {
    let mut judge = judge();
    let segment = "85.141.173.0/24".parse().unwrap();
    judge
        .add_ban(segment, End::Never, "by hand".to_owned(), at(0))
        .unwrap();
    let automatic = ban("85.141.173.226/32", rule(), 1, End::At(at(121)));
    judge.restore(vec![automatic], Vec::new());
    replace(&mut judge, &["85.141.173.0/24", "85.141.173.226/32"], 10);
    assert_eq!(judge.bans().get(&segment).unwrap().origin, Origin::Manual);
    // The list outlives the rule's ban of the same host, and its end is the list's.
    let host = "85.141.173.226/32".parse().unwrap();
    judge.handle_timeout(at(121));
    assert_eq!(judge.bans().get(&host).unwrap().end, End::Never);
    decided(&mut judge);
    assert_eq!(
        replace(&mut judge, &[], 130),
        ["unlisted 85.141.173.226/32"]
    );
    assert_eq!(judge.bans().get(&segment).unwrap().origin, Origin::Manual);
    judge.handle_timeout(at(10_000_000));
    assert!(judge.bans().get(&segment).is_some());
}

#[test]
fn the_end_of_an_automatic_ban_leaves_the_manual_segment() {
    let mut judge = judge();
    let segment = "85.141.173.0/24".parse().unwrap();
    judge
        .add_ban(segment, End::Never, "by hand".to_owned(), at(0))
        .unwrap();
    let automatic = ban("85.141.173.226/32", rule(), 1, End::At(at(121)));
    judge.restore(vec![automatic], Vec::new());
    decided(&mut judge);
    judge.handle_timeout(at(121));
    assert_eq!(decided(&mut judge), ["expired 85.141.173.226/32"]);
    assert_eq!(judge.bans().len(), 1);
    assert!(judge.bans().get(&segment).is_some());
}

#[test]
fn what_is_counted_of_a_list() {
    let mut judge = judge();
    let other = ListName::new("other").unwrap();
    let others = ban("203.0.113.3/32", Origin::List(other), 0, End::Never);
    let longer = ban("203.0.113.4/32", rule(), 0, End::At(at(9999)));
    judge.restore(vec![others, longer], Vec::new());
    let mut bans = listed(
        &[
            "192.0.2.7/32",
            "203.0.113.1/32",
            "203.0.113.1/32",
            "203.0.113.3/32",
            "203.0.113.4/32",
        ],
        5,
    );
    bans.push(ban(
        "203.0.113.9/32",
        Origin::List(list()),
        0,
        End::At(at(5)),
    ));
    let listing = judge.list(bans, Some(&list()), at(5)).unwrap();
    assert_eq!((listing.added, listing.renewed, listing.kept), (1, 1, 0));
    assert_eq!((listing.held, listing.over, listing.removed()), (1, 1, 0));
    assert_eq!(listing.allowed[0].0, "192.0.2.7/32".parse().unwrap());
    // An imported ban of a rule does not shorten what is in force.
    let shorter = ban("203.0.113.4/32", rule(), 5, End::At(at(60)));
    let listing = judge.list(vec![shorter], None, at(5)).unwrap();
    assert_eq!((listing.kept, listing.renewed), (1, 0));
}

#[test]
fn a_list_is_no_step_of_an_escalation_and_gives_way_to_nobody() {
    let mut judge = judge();
    replace(&mut judge, &["203.0.113.7/32"], 0);
    let net = "203.0.113.7/32".parse().unwrap();
    assert_eq!(judge.bans().next_to_give_way(&net), None);
    assert!(judge.remove_ban(&net));
    assert_eq!(
        decided(&mut judge),
        [format!("{} {net}", Pardon::Removed.as_str())]
    );
}
