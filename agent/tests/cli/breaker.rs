//! The pause of bans.

use expect_test::{Expect, expect};
use mailwall::control::protocol::{Answer, BreakerResumed, BreakerShown, PauseView, SCHEMA};

use crate::agent::Agent;

#[track_caller]
fn check(answer: Answer, words: &str, expected: Expect) {
    let outcome = Agent::saying(answer).run(&words.split(' ').collect::<Vec<_>>());
    expected.assert_eq(&outcome.to_string());
}

fn shown(pause: Option<PauseView>, muted_until: Option<&str>) -> Answer {
    Answer::BreakerShown(BreakerShown {
        schema: SCHEMA,
        enabled: true,
        hosts: 3,
        share: 10,
        bans: 50,
        within_s: 600,
        pause_s: 600,
        pause,
        muted_until: muted_until.map(str::to_owned),
    })
}

fn pause() -> PauseView {
    PauseView {
        since: "2026-08-22T08:14:03Z".to_owned(),
        age_s: 735,
        until: "2026-08-22T08:36:00Z".to_owned(),
        reason: "4 of 9 regular hosts seen lately cannot log in: the server may be broken"
            .to_owned(),
        spared: 1204,
    }
}

#[test]
fn a_pause_is_shown_with_its_reason_and_what_ends_it() {
    check(
        shown(Some(pause()), None),
        "breaker show",
        expect![[r#"
        bans pause since 2026-08-22 08:14:03 UTC (12m ago): 4 of 9 regular hosts seen lately cannot log in: the server may be broken; 1 204 would have been so far
        they go on at 2026-08-22 08:36:00 UTC if nothing more is seen of it, or at once with mailwall breaker resume
        [0]"#]],
    );
    check(
        shown(Some(pause()), None),
        "breaker show --plain",
        expect![[r#"
            paused	2026-08-22T08:14:03Z	2026-08-22T08:36:00Z	1204		4 of 9 regular hosts seen lately cannot log in: the server may be broken
            [0]"#]],
    );
    check(
        shown(Some(pause()), None),
        "breaker show --json",
        expect![[r#"
            {"schema":1,"enabled":true,"hosts":3,"share":10,"bans":50,"within_s":600,"pause_s":600,"pause":{"since":"2026-08-22T08:14:03Z","age_s":735,"until":"2026-08-22T08:36:00Z","reason":"4 of 9 regular hosts seen lately cannot log in: the server may be broken","spared":1204},"muted_until":null}
            [0]"#]],
    );
    check(
        shown(None, None),
        "breaker show",
        expect![[r#"
        bans do not pause; they would if 3 regular hosts (10 % of those seen) got nothing done, or 50 bans came with one in ten of known hosts, within 10m
        [0]"#]],
    );
    check(
        shown(None, Some("2026-08-22T09:14:03Z")),
        "breaker show",
        expect![[r#"
            bans do not pause, and will not before 2026-08-22 09:14:03 UTC: an operator let them go on
            [0]"#]],
    );
}

#[test]
fn bans_go_on_when_the_operator_says_so() {
    let resumed = |resumed: bool| {
        Answer::BreakerResumed(BreakerResumed {
            schema: SCHEMA,
            resumed,
            spared: if resumed { 1204 } else { 0 },
            muted_until: resumed.then(|| "2026-08-22T09:14:03Z".to_owned()),
        })
    };
    check(
        resumed(true),
        "breaker resume",
        expect![[r#"
        bans go on; nothing pauses them before 2026-08-22 09:14:03 UTC, 1 204 would have been meanwhile
        [0]"#]],
    );
    check(
        resumed(true),
        "breaker resume --plain",
        expect![[r#"
        1204	2026-08-22T09:14:03Z
        [0]"#]],
    );
    check(
        resumed(false),
        "breaker resume",
        expect![[r#"
        bans do not pause
        [5]"#]],
    );
}
