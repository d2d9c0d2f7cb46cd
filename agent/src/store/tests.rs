//! What is put into the database is found there again, whatever happened to the host, the file or the clocks.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    allowlist::AllowOrigin,
    ban::{Cause, End, Evidence, Origin, RuleName, Sort},
    checkpoint::FilePosition,
    decision::Pardon,
    event::{EventKind, Service},
};

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date() {
    let state = State::new();
    let mut opened = state.open();
    let position = FilePosition {
        device: 1,
        inode: 2,
        offset: 3,
        fingerprint: Box::default(),
    };
    let at = [("/a".to_owned(), Checkpoint::File(position))];
    opened.store.commit_at(&[], &at, &state.now).unwrap();
    drop(opened);
    let connection = Connection::open(state.dir.path().join(FILE_NAME)).unwrap();
    let earlier = "DROP TABLE cursors; DROP TABLE accounts; DROP TABLE account_days; DROP TABLE account_addresses; \
                   DROP TABLE holds; DROP TABLE tally; DROP TABLE regulars; \
                   ALTER TABLE bans DROP COLUMN kind; ALTER TABLE bans DROP COLUMN service; \
                   ALTER TABLE checkpoints DROP COLUMN seen_ms; PRAGMA user_version = 1";
    connection.execute_batch(earlier).unwrap();
    drop(connection);
    let mut opened = state.open();
    assert!(!opened.fresh && opened.set_aside.is_none());
    assert_eq!(opened.checkpoints.get("/a"), Some(&at[0].1));
    let files = opened.store.left_files_at(&state.now).unwrap();
    assert_eq!((files.len(), files[0].seen_ago), (1, None));
    let at = [("journal".to_owned(), Checkpoint::Journal("x".into()))];
    opened.store.commit_at(&[], &at, &state.now).unwrap();
    drop(opened);
    assert_eq!(state.open().checkpoints.len(), 2);
}

const HOUR: i64 = 3_600_000;

#[test]
fn what_was_committed_is_there_again() {
    let state = State::new();
    let mut opened = state.open();
    assert!(opened.fresh);
    assert!(opened.bans.is_empty());
    let manual = Ban {
        cause: None,
        origin: Origin::Manual,
        sort: Sort::Ban,
        end: End::Never,
        level: 0,
        evidence: Vec::new(),
        ..state.ban("2001:db8::/32", 0)
    };
    let bans = [
        state.ban("192.0.2.0/24", 2 * HOUR),
        state.ban("203.0.113.7/32", HOUR),
        manual,
    ];
    let checkpoint = Checkpoint::File(FilePosition {
        device: u64::MAX,
        inode: 7,
        offset: 1 << 40,
        fingerprint: b"\0\xff\n".as_slice().into(),
    });
    let cursor = Checkpoint::Journal("s=1;i=2".into());
    let allowed = AllowEntry {
        net: "198.51.100.0/24".parse().unwrap(),
        origin: AllowOrigin::Manual,
        reason: "ours".to_owned(),
    };
    let checkpoints = [
        ("/var/log/mail.log".to_owned(), checkpoint.clone()),
        ("journal".to_owned(), cursor.clone()),
    ];
    opened
        .store
        .commit_at(&bans.clone().map(Decision::Ban), &checkpoints, &state.now)
        .unwrap();
    opened.store.allow(std::slice::from_ref(&allowed)).unwrap();
    drop(opened);

    let mut opened = state.open();
    assert!(!opened.fresh && opened.set_aside.is_none());
    opened.bans.sort_by_key(|ban| ban.net);
    assert_eq!(opened.bans, bans);
    opened.history.sort_by_key(|past| past.net);
    let past: Vec<PastBan> = bans.iter().filter_map(PastBan::of).collect();
    assert_eq!(opened.history, past);
    assert_eq!(opened.allowed.as_slice(), std::slice::from_ref(&allowed));
    assert_eq!(
        opened.checkpoints.get("/var/log/mail.log"),
        Some(&checkpoint)
    );
    assert_eq!(opened.checkpoints.get("journal"), Some(&cursor));

    let removed = Decision::Unban {
        net: bans[0].net,
        pardon: Pardon::Expired,
    };
    opened.store.commit_at(&[removed], &[], &state.now).unwrap();
    opened.store.disallow(&[allowed.net]).unwrap();
    drop(opened);
    let opened = state.open();
    assert_eq!(
        (
            opened.bans.len(),
            opened.history.len(),
            opened.allowed.len()
        ),
        (2, 2, 0)
    );
    assert_eq!(state.count("evidence"), 2, "only that of bans in force");
}

#[test]
fn a_log_file_is_remembered_with_when_it_was_seen_until_it_is_forgotten() {
    let mut state = State::new();
    let at = |inode| FilePosition {
        device: 1,
        inode,
        offset: 3,
        fingerprint: b"ab\n".as_slice().into(),
    };
    let checkpoints = ["/a", "/b", "/c"].map(|name| (name.to_owned(), Checkpoint::File(at(2))));
    let mut opened = state.open();
    opened
        .store
        .commit_at(&[], &checkpoints, &state.now)
        .unwrap();
    state.now.kernel_ms += 3 * HOUR;
    state.now.wall_ms += 3 * HOUR;
    opened
        .store
        .sort_out_files_at(["/a", "/none"], ["/b", "/none"], &state.now)
        .unwrap();
    let again = [("/d".to_owned(), Checkpoint::File(at(9)))];
    state.now.kernel_ms += HOUR;
    // When a file was seen goes by the database's time, which setting the wall clock does not move.
    state.now.wall_ms -= 900 * HOUR;
    opened.store.commit_at(&[], &again, &state.now).unwrap();
    let file = |name: &str, inode, hours| LeftFile {
        name: name.to_owned(),
        position: at(inode),
        seen_ago: Some(Duration::from_hours(hours)),
    };
    let expected = [file("/a", 2, 1), file("/c", 2, 4), file("/d", 9, 0)];
    assert_eq!(opened.store.left_files_at(&state.now).unwrap(), expected);
    drop(opened);
    let names = state.open().checkpoints;
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_renewed_ban_takes_the_place_of_the_old_one() {
    let state = State::new();
    let mut opened = state.open();
    let first = state.ban("203.0.113.7/32", HOUR);
    let mut second = state.ban("203.0.113.7/32", 3 * HOUR);
    second.evidence.truncate(1);
    second.level = 4;
    let decisions = [Decision::Ban(first), Decision::Ban(second.clone())];
    opened.store.commit_at(&decisions, &[], &state.now).unwrap();
    drop(opened);
    assert_eq!(state.open().bans, [second]);
}

#[test]
fn history_is_remembered_as_the_judge_remembers_it() {
    let hour = Duration::from_hours(1);
    let net = |ban: &Ban, pardon| Decision::Unban {
        net: ban.net,
        pardon,
    };
    for (pardon, expected) in [
        (Pardon::Expired, Some((3, 2))),
        (Pardon::Displaced, Some((3, 0))),
        (Pardon::Removed, Some((2, 0))),
        (Pardon::Allowed, Some((2, 0))),
    ] {
        let state = State::new();
        let ban = Ban {
            level: 2,
            ..state.ban("203.0.113.7/32", 2 * HOUR)
        };
        let decisions = [Decision::Ban(ban.clone()), net(&ban, pardon)];
        state
            .open()
            .store
            .commit_at(&decisions, &[], &state.now)
            .unwrap();
        let opened = state.open();
        let found = opened.history.first().map(|past| {
            let hours = past.last.duration_since(ban.since).unwrap().as_secs() / hour.as_secs();
            (past.level, hours)
        });
        assert_eq!(found, expected, "{pardon:?}");
        assert!(opened.bans.is_empty());
    }
    let state = State::new();
    let ban = Ban {
        level: 0,
        ..state.ban("203.0.113.7/32", 2 * HOUR)
    };
    let decisions = [Decision::Ban(ban.clone()), net(&ban, Pardon::Removed)];
    state
        .open()
        .store
        .commit_at(&decisions, &[], &state.now)
        .unwrap();
    assert!(
        state.open().history.is_empty(),
        "taken back, so it never was"
    );
}

#[test]
fn a_ban_goes_on_after_the_clock_was_changed() {
    let mut state = State::new();
    let ban = state.ban("203.0.113.7/32", 2 * HOUR);
    state.commit(&ban);
    // The same boot, an hour later, and a wall clock that is off by a day in either direction.
    for step in [-24 * HOUR, 48 * HOUR] {
        state.now.kernel_ms += HOUR / 2;
        state.now.wall_ms += HOUR / 2 + step;
        state.restart();
        let found = state.open().bans;
        let left = found[0].end.remaining(state.now.steady).unwrap();
        let expected = if step < 0 { 90 } else { 60 };
        assert_eq!(left, Duration::from_mins(expected));
    }
    state.now.kernel_ms += HOUR;
    state.restart();
    assert!(state.open().bans.is_empty());
    assert_eq!(state.open().history.len(), 1, "it counts for the next one");
}

#[test]
fn a_ban_goes_on_by_the_wall_clock_after_a_reboot() {
    let mut state = State::new();
    let forever = Ban {
        end: End::Never,
        ..state.ban("198.51.100.0/24", 0)
    };
    state.commit(&state.ban("203.0.113.7/32", 2 * HOUR));
    state.commit(&forever);
    state.now.boot = Some("another".to_owned());
    state.now.kernel_ms = 10_000;
    state.now.wall_ms += HOUR;
    state.restart();
    let opened = state.open();
    assert_eq!(opened.bans.len(), 2);
    assert_eq!(opened.bans[0].end, End::Never);
    assert_eq!(
        opened.bans[1].end.remaining(state.now.steady),
        Some(Duration::from_hours(1))
    );
    drop(opened);
    // From here on that boot's kernel clock counts.
    state.now.kernel_ms += HOUR / 2;
    state.now.wall_ms -= 100 * HOUR;
    state.restart();
    assert_eq!(
        state.open().bans[1].end.remaining(state.now.steady),
        Some(Duration::from_mins(30))
    );
    state.now.boot = Some("a third".to_owned());
    state.now.wall_ms += 200 * HOUR;
    state.restart();
    assert_eq!(state.open().bans.len(), 1);
}

#[test]
fn an_unreadable_database_is_put_aside() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("noise", |path| {
            std::fs::write(path, b"noise ".repeat(10_000)).unwrap();
        }),
        ("cut", |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2 / 4096 * 4096)
                .unwrap();
        }),
        ("foreign", |path| {
            std::fs::remove_file(path).unwrap();
            Connection::open(path)
                .unwrap()
                .execute_batch("CREATE TABLE x (y)")
                .unwrap();
        }),
        ("wrong net", |path| {
            let connection = Connection::open(path).unwrap();
            connection
                .execute(
                    "INSERT INTO bans VALUES ('everyone', 'manual', 0, NULL, 0, 0, '', NULL, NULL)",
                    [],
                )
                .unwrap();
        }),
        ("no bans", |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("DROP TABLE bans")
                .unwrap();
        }),
    ];
    for (name, damage) in damages {
        let state = State::new();
        let bans: Vec<Decision> = (0..50)
            .map(|number| Decision::Ban(state.ban(&format!("203.0.113.{number}/32"), HOUR)))
            .collect();
        state
            .open()
            .store
            .commit_at(&bans, &[], &state.now)
            .unwrap();
        let path = state.dir.path().join(FILE_NAME);
        damage(&path);
        let damaged = std::fs::read(&path).unwrap();
        let opened = state.open();
        assert!(opened.bans.is_empty() && opened.fresh, "{name}");
        let aside = opened.set_aside.unwrap();
        let stamped = "mailwall.db.unreadable-19700425T160000Z";
        assert_eq!(aside.file_name().unwrap(), stamped, "{name}");
        assert!(std::fs::read(&aside).unwrap() == damaged, "{name}");
        drop(opened.store);
        // A second one in the same second keeps the first.
        damage(&path);
        let again = state.open().set_aside.unwrap();
        assert_ne!(again, aside, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]

    #[test]
    fn whatever_is_damaged_there_is_a_store_that_works(
        at in 0.0..1.0,
        noise in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let state = State::new();
        let bans: Vec<Decision> = (0..100)
            .map(|number| Decision::Ban(state.ban(&format!("203.0.113.{number}/32"), HOUR)))
            .collect();
        state.open().store.commit_at(&bans, &[], &state.now).unwrap();
        let file = OpenOptions::new().write(true).open(state.dir.path().join(FILE_NAME)).unwrap();
        let len = file.metadata().unwrap().len() as f64;
        file.write_all_at(&noise, (len * at) as u64).unwrap();
        match Store::open_at(state.dir.path(), &state.now) {
            Ok(mut opened) => opened.store.commit_at(&bans, &[], &state.now).unwrap(),
            // Damage to the version may look like one of the future.
            Err(error) => prop_assert!(matches!(error, StoreError::Newer { .. }), "{error:?}"),
        }
    }
}

#[test]
fn an_empty_file_is_a_new_database() {
    let state = State::new();
    File::create(state.dir.path().join(FILE_NAME)).unwrap();
    let opened = state.open();
    assert!(opened.fresh && opened.set_aside.is_none());
}

#[test]
fn a_newer_database_is_left_alone() {
    let state = State::new();
    state.commit(&state.ban("203.0.113.7/32", HOUR));
    let path = state.dir.path().join(FILE_NAME);
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 7)
        .unwrap();
    let error = Store::open_at(state.dir.path(), &state.now).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} was written by a newer mailwall (format 7, this one knows {SCHEMA}); run that one, or move the file away",
            path.display()
        )
    );
    assert!(path.exists());
}

#[test]
fn only_one_agent_has_a_state_directory() {
    let state = State::new();
    let opened = state.open();
    let error = Store::open_at(state.dir.path(), &state.now).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "another mailwall (process {}) uses the state directory {} already",
            std::process::id(),
            state.dir.path().display()
        )
    );
    drop(opened);
    state.open();
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let state = State::new();
    // Root may write anywhere but under a file.
    let file = state.dir.path().join("file");
    File::create(&file).unwrap();
    let error = Store::open_at(&file.join("state"), &state.now).unwrap_err();
    let text = format!(
        "cannot use the state directory {}",
        file.join("state").display()
    );
    assert_eq!(error.to_string(), text);
    let nested = state.dir.path().join("a/b");
    Store::open_at(&nested, &state.now).unwrap();
    assert_eq!(
        nested.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn nobody_else_can_read_it() {
    let state = State::new();
    let path = state.dir.path().join(FILE_NAME);
    File::create(&path)
        .unwrap()
        .set_permissions(Permissions::from_mode(0o666))
        .unwrap();
    let mut opened = state.open();
    let ban = Decision::Ban(state.ban("203.0.113.7/32", HOUR));
    opened.store.commit_at(&[ban], &[], &state.now).unwrap();
    for entry in state.dir.path().read_dir().unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_commit_that_fails_leaves_nothing() {
    let state = State::new();
    let mut opened = state.open();
    opened
        .store
        .connection
        .pragma_update(None, "max_page_count", 1)
        .unwrap();
    let pages: u32 = opened
        .store
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    let bans: Vec<Decision> = (0..=255)
        .flat_map(|a| (0..8).map(move |b| format!("198.51.{b}.{a}/32")))
        .map(|net| Decision::Ban(state.ban(&net, HOUR)))
        .collect();
    let error = opened.store.commit_at(&bans, &[], &state.now).unwrap_err();
    assert!(matches!(error, StoreError::Write(_)), "{error}");
    // The disk has room again.
    opened
        .store
        .connection
        .pragma_update(None, "max_page_count", pages + 10_000)
        .unwrap();
    opened.store.commit_at(&bans[..1], &[], &state.now).unwrap();
    drop(opened);
    assert_eq!(state.open().bans.len(), 1);
}

#[test]
fn history_is_bounded() {
    let mut state = State::new();
    state.commit(&state.ban("203.0.113.7/32", HOUR));
    state.now.kernel_ms += 401 * 24 * HOUR;
    state.now.wall_ms += 401 * 24 * HOUR;
    state.restart();
    assert!(state.open().history.is_empty());
}

/// A state directory, and what the clocks show.
struct State {
    dir: TempDir,
    now: Now,
}

impl State {
    fn new() -> Self {
        let wall_ms = 2752 * HOUR;
        let now = Now {
            boot: Some("one".to_owned()),
            steady: SystemTime::UNIX_EPOCH + Duration::from_millis(wall_ms.unsigned_abs()),
            kernel_ms: 5 * HOUR,
            wall_ms,
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            now,
        }
    }

    /// A new run of the agent has a new steady clock, which agrees with the wall clock.
    fn restart(&mut self) {
        let wall = Duration::from_millis(self.now.wall_ms.unsigned_abs());
        self.now.steady = SystemTime::UNIX_EPOCH + wall;
    }

    fn open(&self) -> Opened {
        Store::open_at(self.dir.path(), &self.now).unwrap()
    }

    fn commit(&self, ban: &Ban) {
        self.open()
            .store
            .commit_at(&[Decision::Ban(ban.clone())], &[], &self.now)
            .unwrap();
    }

    fn count(&self, table: &str) -> i64 {
        let connection = Connection::open(self.dir.path().join(FILE_NAME)).unwrap();
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    fn ban(&self, net: &str, for_ms: i64) -> Ban {
        let evidence = |text: &str| Evidence {
            at: self.now.steady - Duration::from_secs(3),
            text: text.to_owned(),
        };
        Ban {
            net: net.parse().unwrap(),
            sort: Sort::Ban,
            origin: Origin::Rule(RuleName::new("dictionary").unwrap()),
            since: self.now.steady,
            end: End::At(self.now.steady + Duration::from_millis(for_ms.unsigned_abs())),
            offences: 10,
            cause: Some(Cause {
                kind: EventKind::UnknownRecipient,
                service: Service::Smtp,
            }),
            level: 1,
            reason: "10 unknown recipients in 1m".to_owned(),
            evidence: vec![evidence("first"), evidence("second \\x1b")],
        }
    }
}

fn offences(host: &str, hours_ago: u64, count: u32, state: &State) -> crate::tally::Tallied {
    crate::tally::Tallied {
        at: state.now.steady - Duration::from_hours(hours_ago),
        who: crate::tally::Tallier::Host(host.parse().unwrap()),
        kind: "unknown-recipient",
        count,
    }
}

#[test]
fn counts_add_up_over_restarts_and_within_the_time_asked_for() {
    let state = State::new();
    for _ in 0..2 {
        let rows = [
            offences("203.0.113.7/32", 1, 3, &state),
            offences("203.0.113.7/32", 30, 4, &state),
            offences("203.0.113.7/32", 50, 100, &state),
            offences("203.0.113.8/32", 47, 1, &state),
        ];
        state.open().store.add_tally_at(&rows, &state.now).unwrap();
    }
    let opened = state.open();
    let reader = opened.store.tally_reader_at(&state.now);
    let mut rows = reader.read(Duration::from_hours(48)).unwrap();
    rows.sort_by(|a, b| a.who.cmp(&b.who));
    let found: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| (row.who.as_str(), row.count))
        .collect();
    assert_eq!(found, [("203.0.113.7/32", 14), ("203.0.113.8/32", 2)]);
    assert_eq!(reader.read(Duration::from_hours(72)).unwrap().len(), 2);
}

#[test]
fn counts_are_bounded_in_age_and_number() {
    let state = State::new();
    let old = [offences("203.0.113.7/32", 32 * 24, 3, &state)];
    state.open().store.add_tally_at(&old, &state.now).unwrap();
    assert!(
        state
            .open()
            .store
            .tally_reader_at(&state.now)
            .read(Duration::from_hours(10_000))
            .unwrap()
            .is_empty()
    );

    let mut opened = state.open();
    let rows: Vec<_> = (0..200_u8)
        .map(|host| {
            offences(
                &format!("203.0.113.{host}/32"),
                u64::from(host % 2),
                u32::from(host) + 1,
                &state,
            )
        })
        .collect();
    opened.store.add_tally_at(&rows, &state.now).unwrap();
    let now_ms = opened.store.timeline.now_ms(&state.now);
    tally::prune(&opened.store.connection, now_ms, 50).unwrap();
    let rows = opened
        .store
        .tally_reader_at(&state.now)
        .read(Duration::from_hours(48))
        .unwrap();
    assert_eq!(rows.len(), 50);
    // The oldest hour went first, and of the newest those that count least.
    assert!(rows.iter().all(|row| row.count > 100), "{rows:?}");
}

/// "Blocks in 30 days" of SmarterMail's list: it goes up with each ban, over restarts too.
#[test]
fn bans_of_a_net_are_counted_over_restarts_with_when_it_was_seen() {
    let state = State::new();
    let banned = |net: &str, hours_ago: u64| crate::tally::Tallied {
        at: state.now.steady - Duration::from_hours(hours_ago),
        who: crate::tally::Tallier::Net(net.parse().unwrap()),
        kind: "ban",
        count: 1,
    };
    for hours_ago in [29 * 24, 48, 0] {
        let rows = [
            banned("203.0.113.7/32", hours_ago),
            offences("203.0.113.7/32", hours_ago, 3, &state),
            offences("203.0.113.9/32", hours_ago + 5, 1, &state),
        ];
        state.open().store.add_tally_at(&rows, &state.now).unwrap();
    }
    let older = [
        banned("203.0.113.7/32", 31 * 24 - 1),
        banned("203.0.113.0/24", 1),
        banned("2001:db8:1::/48", 1),
        offences("2001:db8:1:2::/64", 7, 1, &state),
    ];
    let mut opened = state.open();
    opened.store.add_tally_at(&older, &state.now).unwrap();
    let asked = [
        "203.0.113.7/32",
        "203.0.113.0/24",
        "2001:db8:1::/48",
        "192.0.2.1/32",
    ];
    let asked = asked.map(|net| net.parse().unwrap());
    let reader = opened.store.tally_reader_at(&state.now);
    let found = reader
        .read_nets(&asked.into(), Duration::from_hours(30 * 24))
        .unwrap();
    let shown = asked.map(|net| {
        let tally = found[&net];
        let hours = |ago: Duration| ago.as_secs() / 3600;
        let seen = tally.seen_ago;
        (
            tally.bans,
            seen.map(|(first, last)| (hours(first), hours(last))),
        )
    });
    assert_eq!(
        shown,
        [
            (3, Some((29 * 24, 0))),
            (1, Some((29 * 24 + 5, 0))),
            (1, Some((7, 7))),
            (0, None)
        ]
    );
    // What is counted for lists stands in no report.
    assert!(
        reader
            .read(Duration::from_hours(48))
            .unwrap()
            .iter()
            .all(|row| row.sort == crate::tally::TallySort::Host)
    );
}

#[test]
fn a_database_that_is_full_gives_up_the_oldest_counts_and_nothing_else() {
    const MAX: u64 = 2 << 20;
    let state = State::new();
    let mut opened = state.open();
    let ban = state.ban("203.0.113.7/32", 10 * HOUR);
    opened
        .store
        .commit_at(&[Decision::Ban(ban)], &[], &state.now)
        .unwrap();
    opened.store.bound(MAX).unwrap();
    for hour in (0..60).rev() {
        let rows: Vec<_> = (0..2000_u32)
            .map(|host| {
                let [_, _, third, fourth] = host.to_be_bytes();
                offences(&format!("198.51.{third}.{fourth}/32"), hour, 1, &state)
            })
            .collect();
        opened.store.add_tally_at(&rows, &state.now).unwrap();
        assert!(opened.store.size().unwrap() <= MAX, "hour {hour}");
    }
    let rows = |store: &Store| {
        let reader = store.tally_reader_at(&state.now);
        reader.read(Duration::from_hours(100)).unwrap()
    };
    let found = rows(&opened.store);
    let newest = found.iter().map(|row| row.last_ago).min().unwrap();
    let oldest = found.iter().map(|row| row.first_ago).max().unwrap();
    assert!(newest < Duration::from_hours(1), "{newest:?}");
    assert!(oldest < Duration::from_hours(50), "{oldest:?}");
    // Even where nothing fits, the newest hour and the bans stay.
    opened.store.bound(1).unwrap();
    let found = rows(&opened.store);
    assert!(
        found
            .iter()
            .all(|row| row.first_ago < Duration::from_hours(1))
    );
    assert!(!found.is_empty());
    drop(opened);
    let file = || {
        fs::metadata(state.dir.path().join(FILE_NAME))
            .unwrap()
            .len()
    };
    let before = file();
    let mut opened = state.open();
    assert_eq!(opened.bans.len(), 1);
    opened.store.bound(1 << 20).unwrap();
    opened.store.shrink().unwrap();
    drop(opened);
    assert!(file() < before / 2, "{} of {before}", file());
    assert_eq!(state.open().bans.len(), 1);
}

#[test]
fn a_check_that_lacked_memory_or_met_a_failing_disk_says_nothing_of_the_database() {
    let check = |code: i32| {
        format!(
            "*** in database main ***\nTree 5 page 539: unable to get the page. error code={code}"
        )
    };
    for code in [7, 10, 266, 13] {
        let failure = super::failure_in(&check(code));
        assert!(
            matches!(failure, Some(super::OpenError::Failed(_))),
            "{code}"
        );
    }
    assert!(
        super::failure_in(&check(11)).is_none(),
        "a page that is broken"
    );
    assert!(super::failure_in("Tree 5 page 539: btreeInitPage() returns 11").is_none());
}
