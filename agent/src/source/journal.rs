//! The journal of systemd, read by its own `journalctl`: a record a line, as JSON, from where the cursor says. Whether a record
//! is believed is found out by who reads the lines.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{
    BATCH_LINES_MAX, Checkpoint, LineList, SourceState, Start,
    command::Program,
    lines::LineAssembly,
    outlet::{Gone, Lines, Outlet},
};
use crate::clock::Clock;

/// The program.
const JOURNALCTL: &str = "journalctl";
/// What is asked for of a record; `__CURSOR` and the time always come with it.
const FIELDS: &str = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,_COMM,_SYSTEMD_UNIT,_TRANSPORT,_HOSTNAME";
/// Bytes read at once.
const CHUNK: usize = 32 * 1024;
/// Longest cursor: those of journald are below 200 bytes.
const CURSOR_MAX: usize = 512;
/// A program that runs so long without a word has no mistake to report.
const SETTLED: Duration = Duration::from_secs(1);
/// How soon a program that ended is started again: at first, and at most.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Follows the journal until nobody listens any more. Without a checkpoint, from its end.
pub(super) async fn follow(units: &[String], start: Start, outlet: Outlet) {
    let cursor = match start {
        Start::Checkpoint(Checkpoint::Journal(cursor)) => Some(cursor),
        Start::Checkpoint(Checkpoint::File(_)) | Start::End | Start::Beginning => None,
    };
    let mut follower = Follower {
        units,
        outlet,
        start: Clock::start().now(),
        cursor,
        resumed: false,
    };
    let mut wait = AGAIN_AFTER.0;
    loop {
        let started = Instant::now();
        let failure = match follower.run().await {
            Ok(failure) => failure,
            Err(Gone) => return,
        };
        if started.elapsed() > AGAIN_AFTER.1 {
            wait = AGAIN_AFTER.0;
        }
        if follower
            .outlet
            .tell(SourceState::Failed(failure))
            .await
            .is_err()
        {
            return;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = follower.outlet.closed() => return,
        }
        wait = (wait * 2).min(AGAIN_AFTER.1);
    }
}

struct Follower<'u> {
    units: &'u [String],
    outlet: Outlet,
    /// When following began: without a cursor, records before it are none of ours.
    start: SystemTime,
    /// Of the last record that was handed over.
    cursor: Option<Box<str>>,
    /// Whether the first record after the cursor has come.
    resumed: bool,
}

/// What is read of a record here.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "__CURSOR", borrow)]
    cursor: &'a str,
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow)]
    time_us: &'a str,
}

impl Follower<'_> {
    /// Runs the program once, and tells why it ended.
    async fn run(&mut self) -> Result<String, Gone> {
        let mut program = match Program::start(JOURNALCTL, self.arguments()) {
            Ok(program) => program,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(
                    "journalctl is not installed: on a host without systemd, name the log with \"file\" in this [[source]]"
                        .to_owned(),
                );
            }
            Err(error) => return Ok(format!("journalctl cannot be started: {error}")),
        };
        self.resumed = false;
        let mut assembly = LineAssembly::default();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = tokio::select! {
                read = program.read(&mut chunk) => read,
                // It has nothing to complain about, and nothing new.
                () = sleep(SETTLED), if self.outlet.told() != Some(&SourceState::Following) => {
                    self.outlet.tell(SourceState::Following).await?;
                    continue;
                }
                () = self.outlet.closed() => return Err(Gone),
            };
            let mut rest = match read {
                Ok(0) => break,
                Ok(read) => &chunk[..read],
                Err(error) => return Ok(format!("journalctl cannot be read: {error}")),
            };
            self.outlet.tell(SourceState::Following).await?;
            while !rest.is_empty() {
                let taken = assembly.take(rest);
                rest = &rest[taken.bytes..];
                self.hand_over(taken.lines, taken.cut).await?;
            }
        }
        let (status, complaint) = match program.end().await {
            Ok(ended) => ended,
            Err(error) => return Ok(format!("journalctl ended: {error}")),
        };
        if !self.resumed && complaint.contains("seek to cursor") {
            // Of another journal, or broken: it would never be found.
            warn!("the journal does not know where it was left; follows from its end");
            self.cursor = None;
            self.start = Clock::start().now();
        }
        Ok(match complaint.as_str() {
            "" => format!("journalctl ended ({status}); it is started again"),
            complaint => format!("journalctl ended ({status}): {complaint}; it is started again"),
        })
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--follow",
            "--output=json",
            "--all",
            "--quiet",
            "--no-pager",
            FIELDS,
        ]
        .map(str::to_owned)
        .into();
        match &self.cursor {
            Some(cursor) => {
                arguments.push("--no-tail".to_owned());
                arguments.push(format!("--after-cursor={cursor}"));
            }
            // The last record tells where the journal ends now.
            None => arguments.push("--lines=1".to_owned()),
        }
        let units = self.units.iter().map(|unit| format!("--unit={unit}"));
        arguments.extend(units);
        arguments
    }

    async fn hand_over(&mut self, mut lines: LineList, cut: u64) -> Result<(), Gone> {
        debug_assert!(lines.len() <= BATCH_LINES_MAX);
        let newest = lines.iter().rev().find_map(head);
        let Some(cursor) = newest.map(|head| Box::<str>::from(head.cursor)) else {
            // Cut ones, or what is no record.
            if lines.is_empty() {
                return Ok(());
            }
            let lines = Lines {
                lines,
                cut,
                ..Lines::default()
            };
            return self.outlet.hand_over(lines).await;
        };
        let mut lost = 0;
        if !self.resumed {
            self.resumed = true;
            let first = lines.iter().next().and_then(head);
            match (&self.cursor, first) {
                (Some(known), Some(first)) if self.units.is_empty() => {
                    lost = records_between(known, first.cursor);
                    if lost > 0 {
                        warn!(lost, "the journal lacks records that were not read yet");
                    }
                }
                (None, Some(first)) if is_before(&first, self.start) => {
                    info!("follows the journal from its end");
                    lines.remove_first();
                }
                _ => {}
            }
        }
        self.cursor = Some(cursor.clone());
        self.outlet
            .hand_over(Lines {
                lines,
                cut,
                lost,
                position: number_of(&cursor).map_or(0, |(_, number)| number),
                checkpoint: Some(Checkpoint::Journal(cursor)),
                lag_bytes: None,
            })
            .await
    }
}

fn head(record: &[u8]) -> Option<Head<'_>> {
    let head: Head<'_> = serde_json::from_slice(record).ok()?;
    let is_plain = |c: char| c.is_ascii_graphic();
    (head.cursor.len() <= CURSOR_MAX && head.cursor.chars().all(is_plain)).then_some(head)
}

fn is_before(head: &Head<'_>, start: SystemTime) -> bool {
    let at = head.time_us.parse().ok().map(Duration::from_micros);
    let at = at.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    at.is_some_and(|at| at < start)
}

/// Records that were between two cursors of an unfiltered journal; 0 where they count differently.
fn records_between(before: &str, after: &str) -> u64 {
    match (number_of(before), number_of(after)) {
        (Some((series, before)), Some((same, after))) if series == same => {
            after.saturating_sub(before).saturating_sub(1)
        }
        _ => 0,
    }
}

/// The series and the number of a record, from its cursor: `s=SERIES;i=NUMBER;...`.
fn number_of(cursor: &str) -> Option<(&str, u64)> {
    let mut parts = cursor.split(';');
    let series = parts.next()?.strip_prefix("s=")?;
    let number = parts.next()?.strip_prefix("i=")?;
    Some((series, u64::from_str_radix(number, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_seen_in_the_numbers_of_records() {
        for (before, after, lost) in [
            ("s=a;i=10;b=x", "s=a;i=11;b=x", 0),
            ("s=a;i=ff;b=x", "s=a;i=10a;b=y", 10),
            ("s=a;i=10", "s=b;i=20", 0),
            ("s=a;i=10", "s=a;i=1", 0),
            ("", "s=a;i=1", 0),
        ] {
            assert_eq!(records_between(before, after), lost, "{before} {after}");
        }
    }

    #[test]
    fn a_cursor_that_could_be_something_else_is_not_kept() {
        let record = |cursor: &str| {
            serde_json::json!({"__CURSOR": cursor, "__REALTIME_TIMESTAMP": "1"}).to_string()
        };
        assert!(head(record("s=a;i=1").as_bytes()).is_some());
        for cursor in ["s=a b", "s=\n", &"x".repeat(CURSOR_MAX + 1)] {
            assert!(head(record(cursor).as_bytes()).is_none(), "{cursor}");
        }
    }
}
