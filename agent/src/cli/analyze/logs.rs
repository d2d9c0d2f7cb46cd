//! Logs read side by side: their events in the order of time. Each log is read by a thread of its own, which runs ahead of the
//! judge by a few batches at most; in which order threads run changes nothing.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::SystemTime,
};

use crate::{
    cli::parse::{
        InputError,
        input::{Input, next_line},
    },
    dialect::{Reader, Reading},
    event::{Event, SessionId},
};

/// Most batches of a log that wait for the judge.
const BATCHES_MAX: usize = 2;
/// A batch ends after so many lines, events or bytes of lines with events.
const BATCH_LINES: u64 = 4096;
const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: usize = 32 * 1024;

/// One log, and its next events.
pub(super) struct Log {
    path: PathBuf,
    /// Whether it is compressed, so that nobody knows how much there is.
    is_unpacked: bool,
    batches: Receiver<Result<Batch, InputError>>,
    /// The batch whose events are taken.
    batch: Batch,
    taken: usize,
}

/// What some lines of a log said.
#[derive(Default)]
struct Batch {
    /// The lines with events.
    text: Vec<u8>,
    /// Events, and where their lines are.
    events: Vec<(Event, Range<usize>)>,
    lines: u64,
    bytes: u64,
}

/// What was read so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) lines: u64,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// Several logs as one.
pub(super) struct Logs {
    logs: Vec<Log>,
    /// The next event of each log that has one, by time; of the same time that of the log which begins first, and of those
    /// that begin together the first by name: in which order they are named changes nothing.
    next: BinaryHeap<Reverse<(SystemTime, usize, usize)>>,
    /// The place of each log in that order, once it is known.
    ranks: Vec<usize>,
    events: Vec<Option<Event>>,
    /// Logs whose next event is not known.
    stale: Vec<usize>,
    read: Read,
}

impl Log {
    /// Opens the log, to be read by `reader`; `now` dates what names no year and comes from stdin.
    pub(super) fn open(path: &Path, reader: Reader, now: SystemTime) -> Result<Self, InputError> {
        let input = Input::open(path, now)?;
        let is_unpacked = input.is_unpacked;
        let (sender, batches) = sync_channel(BATCHES_MAX);
        let read = {
            let path = path.to_owned();
            move || read(input, reader, &path, &sender)
        };
        let name = "log reader".to_owned();
        thread::Builder::new()
            .name(name)
            .spawn(read)
            .map_err(|cause| InputError::read(path, cause))?;
        Ok(Self {
            path: path.to_owned(),
            is_unpacked,
            batches,
            batch: Batch::default(),
            taken: 0,
        })
    }

    /// Bytes of it; `None` where that is not known.
    pub(super) fn size(&self) -> Option<u64> {
        let metadata = fs::metadata(&self.path).ok();
        metadata
            .filter(|_| !self.is_unpacked)
            .map(|metadata| metadata.len())
    }

    /// The next event; its line stays in [`Log::line`].
    fn next(
        &mut self,
        read: &mut Read,
        look: &mut impl FnMut(&Read),
    ) -> Result<Option<Event>, InputError> {
        while self.taken >= self.batch.events.len() {
            // The reader has hung up: that was all.
            let Ok(batch) = self.batches.recv() else {
                return Ok(None);
            };
            self.batch = batch?;
            self.taken = 0;
            read.lines += self.batch.lines;
            read.bytes += self.batch.bytes;
            look(read);
        }
        let (event, _) = &self.batch.events[self.taken];
        self.taken += 1;
        read.events += 1;
        Ok(Some(event.clone()))
    }

    /// The line of the event that was taken last.
    fn line(&self) -> &[u8] {
        let taken = self.taken.checked_sub(1);
        let event = taken.and_then(|last| self.batch.events.get(last));
        event.map_or(&[], |(_, line)| &self.batch.text[line.clone()])
    }
}

/// Reads a log to its end, or until nobody wants more of it.
fn read(
    mut input: Input,
    mut reader: Reader,
    path: &Path,
    sender: &SyncSender<Result<Batch, InputError>>,
) {
    let mut line = Vec::new();
    loop {
        let mut batch = Batch::default();
        let more = batch.fill(&mut input, &mut reader, &mut line);
        let is_wanted = sender.send(Ok(batch)).is_ok();
        match more {
            Ok(true) if is_wanted => {}
            Ok(_) => return,
            Err(cause) => {
                // Nobody hears it when nobody listens any more.
                let _ = sender.send(Err(InputError::read(path, cause)));
                return;
            }
        }
    }
}

impl Batch {
    /// Reads lines; whether there may be more.
    fn fill(
        &mut self,
        input: &mut Input,
        reader: &mut Reader,
        line: &mut Vec<u8>,
    ) -> io::Result<bool> {
        while self.lines < BATCH_LINES
            && self.events.len() < BATCH_EVENTS
            && self.text.len() < BATCH_BYTES
        {
            if !next_line(&mut input.lines, line)? {
                return Ok(false);
            }
            self.lines += 1;
            self.bytes += line.len() as u64 + 1;
            if let Reading::Event(event) = reader.read(line, input.now) {
                let start = self.text.len();
                // As people are shown it.
                self.text.extend_from_slice(reader.text(line));
                self.events.push((event, start..self.text.len()));
            }
        }
        Ok(true)
    }
}

impl Logs {
    pub(super) fn new(logs: Vec<Log>) -> Self {
        Self {
            next: BinaryHeap::with_capacity(logs.len()),
            ranks: Vec::new(),
            events: logs.iter().map(|_| None).collect(),
            stale: (0..logs.len()).collect(),
            logs,
            read: Read::default(),
        }
    }

    /// The next event of all logs, with its line. `look` is shown now and then how far it has come.
    pub(super) fn next(
        &mut self,
        mut look: impl FnMut(&Read),
    ) -> Result<Option<(Event, &[u8])>, InputError> {
        let is_first = self.ranks.is_empty();
        while let Some(index) = self.stale.pop() {
            let event = self.logs[index].next(&mut self.read, &mut look)?;
            if let Some(event) = event.as_ref().filter(|_| !is_first) {
                self.next
                    .push(Reverse((event.at, self.ranks[index], index)));
            }
            self.events[index] = event;
        }
        if is_first {
            self.rank();
        }
        let Some(Reverse((_, _, index))) = self.next.pop() else {
            return Ok(None);
        };
        self.stale.push(index);
        let event = self.events[index].take().map(|event| Event {
            session: event.session.map(|id| self.session_of(index, id)),
            ..event
        });
        Ok(event.map(|event| (event, self.logs[index].line())))
    }

    /// Puts the logs in order, whose first events are there.
    fn rank(&mut self) {
        let mut order: Vec<usize> = (0..self.logs.len()).collect();
        let first = |index: usize| self.events[index].as_ref().map(|event| event.at);
        order.sort_by(|a, b| {
            let key = |index: usize| (first(index), &self.logs[index].path);
            key(*a).cmp(&key(*b))
        });
        self.ranks = vec![0; order.len()];
        for (rank, index) in order.into_iter().enumerate() {
            self.ranks[index] = rank;
            if let Some(event) = &self.events[index] {
                self.next.push(Reverse((event.at, rank, index)));
            }
        }
    }

    /// What was read so far.
    pub(super) fn read(&self) -> Read {
        self.read
    }

    /// Readers number their sessions each for itself; the judge sees those of all logs.
    fn session_of(&self, index: usize, id: SessionId) -> SessionId {
        let logs = self.logs.len() as u64;
        SessionId(id.0.wrapping_mul(logs).wrapping_add(index as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, SystemTime},
    };

    use jiff::tz::TimeZone;

    use super::{Log, Logs};
    use crate::{
        dialect::{Reader, Reading},
        event::Event,
    };

    /// Lines of three logs, so many that each is several batches; every third says nothing.
    fn log(which: usize, lines: usize) -> String {
        let line = |number: usize| {
            let (minute, second) = (number / 60 % 60, number % 60);
            let message = match number % 3 {
                0 => "statistics: max connection count 1",
                _ => "improper command pipelining after CONNECT from unknown[203.0.113.7]: x",
            };
            format!(
                "Feb 10 13:{minute:02}:{second:02} mx{which} postfix/smtpd[{number}]: {message}\n"
            )
        };
        (0..lines)
            .map(|number| line(number * (which + 1) / 2))
            .collect()
    }

    #[test]
    fn threads_change_nothing_of_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
        let texts: Vec<String> = (0..3).map(|which| log(which, 1500)).collect();
        let paths: Vec<_> = (0..3)
            .map(|which| folder.path().join(which.to_string()))
            .collect();
        for (path, text) in paths.iter().zip(&texts) {
            fs::write(path, text).unwrap();
        }
        // One after another, then merged: of the same time the log named first comes first.
        let mut expected: Vec<(SystemTime, usize, Event, String)> = Vec::new();
        for (which, text) in texts.iter().enumerate() {
            let mut reader = Reader::new(TimeZone::UTC);
            for line in text.lines() {
                if let Reading::Event(event) = reader.read(line.as_bytes(), now) {
                    expected.push((
                        event.at,
                        which,
                        Event {
                            session: None,
                            ..event
                        },
                        line.to_owned(),
                    ));
                }
            }
        }
        expected.sort_by_key(|(at, which, ..)| (*at, *which));
        let logs = paths
            .iter()
            .map(|path| Log::open(path, Reader::new(TimeZone::UTC), now).unwrap());
        let mut logs = Logs::new(logs.collect());
        let mut count = 0;
        while let Some((event, line)) = logs.next(|_| {}).unwrap() {
            let (_, _, as_expected, text) = &expected[count];
            assert_eq!(
                Event {
                    session: None,
                    ..event
                },
                *as_expected
            );
            assert_eq!(line, text.as_bytes());
            count += 1;
        }
        assert_eq!((count, logs.read().lines), (expected.len(), 4500));
    }
}
