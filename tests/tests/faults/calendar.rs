//! Nights when the calendar plays tricks: the year ends, which stamps of syslog do not name, and clocks go back or forward.

use std::time::Duration;

use mailwall_tests::{Testbed, rejection_at};

use crate::{
    Scene,
    clock::{WallClock, append},
    ledger::Fate,
    scene::{BAN, client, net_of},
};

/// What passes between setting the clock and reading it, on a busy machine.
const SLACK: Duration = Duration::from_secs(120);

/// A night: when the agent stops and starts, and stamps of lines that were written meanwhile.
struct Night {
    zone: &'static str,
    before: &'static str,
    after: &'static str,
    /// Stamps, and for each how long before the start that was, in minutes: the ban has begun then.
    lines: &'static [(&'static str, u64)],
}

const NIGHTS: [Night; 4] = [
    Night {
        zone: "UTC",
        before: "@2026-12-31 23:30:00",
        after: "@2027-01-01 00:30:00",
        lines: &[
            ("Dec 31 23:45:00", 45),
            ("Dec 31 23:59:59", 30),
            ("Jan  1 00:15:00", 15),
        ],
    },
    Night {
        zone: "Europe/Berlin",
        before: "@2028-02-28 23:30:00",
        after: "@2028-03-01 00:30:00",
        lines: &[("Feb 29 23:30:00", 60), ("Mar  1 00:00:00", 30)],
    },
    // Three o'clock is two o'clock again: 01:30 was two hours and forty minutes ago at 03:10.
    Night {
        zone: "Europe/Berlin",
        before: "@2026-10-25 01:00:00",
        after: "@2026-10-25 03:10:00",
        lines: &[("Oct 25 01:30:00", 160), ("Oct 25 03:05:00", 5)],
    },
    // There is no time between two and three.
    Night {
        zone: "Europe/Berlin",
        before: "@2027-03-28 01:00:00",
        after: "@2027-03-28 03:20:00",
        lines: &[("Mar 28 01:50:00", 30), ("Mar 28 03:10:00", 10)],
    },
];

#[test]
fn bans_for_what_happened_in_a_night_of_the_calendar_end_when_they_should() {
    let name = "calendar::bans_for_what_happened_in_a_night_of_the_calendar_end_when_they_should";
    for night in &NIGHTS {
        let bed = Testbed::new().unwrap();
        let Some(clock) = WallClock::of(&bed, name) else {
            return;
        };
        let scene = Scene::new(&bed);
        clock.set(night.before);
        let agent = clock.govern(scene.setup(""), night.zone).start().unwrap();
        scene.until_following(&agent);
        scene.offend(0..3);
        scene.ask(&agent);
        // It ends while the agent does not run.
        scene.ban_briefly(agent.setup());
        let (_, setup) = agent.stop().unwrap();
        for (number, (stamp, ago)) in (3..).zip(night.lines) {
            let line = rejection_at(stamp, client(number), 1, "nobody@example.test");
            append(&scene, &format!("{line}\n"));
            scene.note_offences(&[client(number)]);
            let left = scene.now() + BAN - Duration::from_secs(60 * ago);
            let fate = Fate::Banned {
                earliest: left - SLACK,
                latest: left + SLACK,
            };
            scene.ledger().note(net_of(client(number)), fate);
        }
        clock.set(night.after);
        let agent = setup.start().unwrap();
        scene.ask(&agent);
        // And while it runs.
        scene.ban_briefly(agent.setup());
        clock.set(night.before);
        scene.offend(20..23);
        clock.set(night.after);
        scene.offend(23..26);
        scene.ask(&agent);
    }
}
