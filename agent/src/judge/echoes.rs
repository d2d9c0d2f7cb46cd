//! One line in several logs: rsyslog writes what is urgent into `mail.log` and `mail.warn`, Exim a rejection into its main log and its
//! reject log, and what is in a file is in the journal, too. What one process says at one time is the same line wherever it stands,
//! and of that the most that one of the logs has counts, and not the sum.
//!
//! What several programs tell of one failure is another matter: see [`super::Retold`].

use std::{
    hash::BuildHasher as _,
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;

use crate::{
    envelope,
    rule::{Moment, Tracked},
};

/// Most lines that are remembered; the one longest unheard is forgotten. Who reads one log far behind another hears what was
/// forgotten anew.
const LINES_MAX: usize = 1 << 15;
/// Most logs that one line stands in.
const TELLERS_MAX: usize = 4;
/// For so long a line is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Lines of late that told of something, and which logs they stood in.
#[derive(Debug)]
pub struct Echoes {
    lines: Tracked<u64, Tellers>,
    hasher: RandomState,
}

/// How often a line stood in each log.
#[derive(Clone, Copy, Debug, Default)]
struct Tellers([(u32, u32); TELLERS_MAX]);

impl Default for Echoes {
    fn default() -> Self {
        Self {
            lines: Tracked::new(LINES_MAX),
            hasher: RandomState::default(),
        }
    }
}

impl Echoes {
    /// Whether a line stood in another log than this one, by its number, before; `text` is the line, which gave an event of the time
    /// `at`, and `now` when it is heard.
    pub fn is_echo(&mut self, log: usize, at: SystemTime, text: &[u8], now: SystemTime) -> bool {
        let log = u32::try_from(log).unwrap_or(u32::MAX);
        // Stamps are more or less precise, and so are the names of hosts.
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let second = since.map_or(0, |since| since.as_secs());
        let said = match envelope::read(text) {
            Some((line, _)) => {
                let host = line.host.split(|byte| *byte == b'.').next();
                let said = (host, line.program, line.pid, line.message);
                self.hasher.hash_one((second, said))
            }
            None => self.hasher.hash_one((second, text)),
        };
        let (tellers, _) = self.lines.touch(said, Moment::from(now), Tellers::default);
        let is_echo = tellers.have_told_more_than(log);
        tellers.add(log);
        is_echo
    }

    /// Forgets what no log will tell any more.
    pub fn forget(&mut self, now: SystemTime) {
        let now = Moment::from(now);
        while self.lines.pop_idle(now, REMEMBERED).is_some() {}
    }
}

impl Tellers {
    /// Whether one of the others told it more often than `log`.
    fn have_told_more_than(&self, log: u32) -> bool {
        let (mut of_it, mut of_others) = (0, 0);
        for (teller, times) in self.0 {
            let most = if teller == log {
                &mut of_it
            } else {
                &mut of_others
            };
            *most = times.max(*most);
        }
        of_others > of_it
    }

    fn add(&mut self, log: u32) {
        let place = self
            .0
            .iter_mut()
            .find(|(teller, times)| *teller == log || *times == 0);
        if let Some(place) = place {
            *place = (log, place.1.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    /// A line of that process.
    fn line(pid: u32) -> String {
        format!(
            "Feb 10 13:26:34 mx1 postfix/smtpd[{pid}]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: x"
        )
    }

    /// In which log, at which second, of which process; how many count.
    #[track_caller]
    fn check(told: &[(usize, u64, u32)], expected: usize) {
        let mut echoes = Echoes::default();
        let counts = |&&(log, second, pid): &&(usize, u64, u32)| {
            !echoes.is_echo(log, at(second), line(pid).as_bytes(), at(500))
        };
        assert_eq!(told.iter().filter(counts).count(), expected, "{told:?}");
    }

    #[test]
    fn a_line_in_two_logs_counts_once() {
        check(&[(0, 1, 7), (1, 1, 7)], 1);
        check(&[(0, 1, 7), (1, 1, 7), (2, 1, 7)], 1);
        // Whichever is read first, and one far behind the other.
        check(
            &[
                (1, 1, 7),
                (1, 2, 8),
                (1, 9, 7),
                (0, 1, 7),
                (0, 2, 8),
                (0, 9, 7),
            ],
            3,
        );
    }

    #[test]
    fn of_several_the_most_that_one_log_has_counts() {
        check(&[(0, 1, 7), (0, 1, 7), (1, 1, 7), (1, 1, 7), (1, 1, 7)], 3);
        // At a steady pace, one a second.
        let steady: Vec<_> = (0..100)
            .flat_map(|second| [(0, second, 7), (1, second, 7)])
            .collect();
        check(&steady, 100);
    }

    #[test]
    fn what_differs_or_is_apart_in_time_counts() {
        check(&[(0, 1, 7), (1, 1, 8)], 2);
        check(&[(0, 1, 7), (1, 2, 7)], 2);
        check(&[(0, 1, 7), (0, 1, 7), (0, 1, 7)], 3);
    }

    #[test]
    fn one_line_has_many_envelopes() {
        let message = "warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: x";
        let lines = [
            format!("Feb 10 13:26:34 mx1 postfix/smtpd[7]: {message}"),
            format!("2026-02-10T13:26:34.123456+01:00 mx1.example.org postfix/smtpd[7]: {message}"),
            format!("<22>1 2026-02-10T13:26:34Z mx1 postfix/smtpd 7 - - {message}"),
        ];
        let mut echoes = Echoes::default();
        let heard = (0..).zip(&lines);
        let counted =
            heard.filter(|(log, line)| !echoes.is_echo(*log, at(1), line.as_bytes(), at(1)));
        assert_eq!(counted.count(), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let mut echoes = Echoes::default();
        for second in 0..100_000 {
            echoes.is_echo(0, at(second), line(7).as_bytes(), at(0));
        }
        assert_eq!(echoes.lines.len(), LINES_MAX);
        let again = echoes.is_echo(1, at(0), line(7).as_bytes(), at(0));
        assert!(!again, "forgotten");
        echoes.forget(at(0) + REMEMBERED);
        assert_eq!(echoes.lines.len(), 0);
    }
}
