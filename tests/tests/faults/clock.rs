//! The host's clock is set, forward and back. Every process of a host has the same clock, and the tests leave the machine's alone:
//! libfaketime shows the agent another time in place of it. The kernel goes by its own clock, which nobody can set.

use std::{fs, path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use mailwall_tests::{Setup, Testbed, rejection_at, skip};

use crate::{
    Scene,
    scene::{client, host},
    so_many,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Where Debian has the library.
fn library() -> String {
    let machine = std::env::consts::ARCH;
    format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1")
}

/// A wall clock of the agent's own, which can be set.
pub struct WallClock {
    file: PathBuf,
}

impl WallClock {
    /// One that goes right; nothing, when the library is not there, and then the test says that it skips itself.
    pub fn of(bed: &Testbed, test: &str) -> Option<Self> {
        if fs::metadata(library()).is_err() {
            skip(test, "it needs libfaketime (apt install libfaketime)");
            return None;
        }
        let clock = Self {
            file: bed.dir().join("clock"),
        };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it: `+30d`, from the machine's time, or `@2026-12-31 23:59:58`, from now on.
    pub fn set(&self, time: &str) {
        // Whole at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, time).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// The agent that lives by it, in this time zone.
    pub fn govern<'a>(&self, setup: Setup<'a>, zone: &str) -> Setup<'a> {
        setup.started_by(&[
            "env",
            &format!("LD_PRELOAD={}", library()),
            &format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display()),
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_RESET=1",
            &format!("TZ={zone}"),
        ])
    }
}

#[test]
fn setting_the_clock_neither_lengthens_nor_shortens_a_ban() {
    let bed = Testbed::new().unwrap();
    let name = "clock::setting_the_clock_neither_lengthens_nor_shortens_a_ban";
    let Some(clock) = WallClock::of(&bed, name) else {
        return;
    };
    let scene = Scene::new(&bed);
    let agent = clock.govern(scene.setup(""), "UTC").start().unwrap();
    scene.until_following(&agent);
    let mut agent = agent;
    let jumps = [
        ("+30d", 720),
        ("-1h", -1),
        ("-400d", -9600),
        ("+2h", 2),
        ("-3650d", -87_600),
        ("+0", 0),
    ];
    for (round, (time, hours)) in jumps.iter().cycle().take(so_many(4, 24)).enumerate() {
        scene.ban(agent.setup(), host(2 * round), HOUR);
        scene.ban(agent.setup(), host(2 * round + 1), Duration::from_secs(2));
        clock.set(time);
        let now = agent.json(&["ban", "check", "203.0.113.1"]).unwrap();
        assert_eq!(now["banned"], true, "{now}");
        // What stands in the log is dated by the clock that was set.
        let stamp = (Timestamp::now() + SignedDuration::from_hours(*hours)).to_string();
        let lines: String = (10 * round..10 * round + 10)
            .map(|number| {
                let line = rejection_at(&stamp, client(number), 1, "nobody@example.test");
                format!("{line}\n")
            })
            .collect();
        append(&scene, &lines);
        let clients: Vec<_> = (10 * round..10 * round + 10).map(client).collect();
        scene.note_offences(&clients);
        scene.ask(&agent);
        if round % 2 == 1 {
            agent = agent.restart().unwrap();
            scene.ask(&agent);
        }
    }
}

/// Appends to the log.
pub fn append(scene: &Scene<'_>, lines: &str) {
    use std::io::Write as _;
    let mut log = fs::File::options().append(true).open(scene.log()).unwrap();
    log.write_all(lines.as_bytes()).unwrap();
}
