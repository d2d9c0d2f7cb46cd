//! Logs read side by side: their events in the order of time. Each log is read by a thread of its own, which runs ahead of the
//! judge by a few batches at most; in which order threads run changes nothing.
//!
//! Of a file only the time of its first event is looked up at first. It is opened when that time has come and closed at its end,
//! so that years of rotated logs take no more files and memory than those that overlap.

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
pub(super) struct Log<'r> {
    path: PathBuf,
    /// Makes what reads it.
    reader: Box<dyn Fn() -> Reader + 'r>,
    /// Dates what names no year and comes from stdin.
    now: SystemTime,
    /// Whether it is compressed, so that nobody knows how much there is.
    is_unpacked: bool,
    state: State,
}

/// How far a log is.
enum State {
    /// A file whose first event is of that time.
    Waiting(SystemTime),
    /// It is read.
    Open(Stream),
    /// There is no more of it; what is in it, if nobody was told yet.
    Over(Read),
}

/// A log that is read.
struct Stream {
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
pub(super) struct Logs<'r> {
    logs: Vec<Log<'r>>,
    /// The next event of each log that has one, by time; of the same time that of the log which begins first, and of those
    /// that begin together the first by name: in which order they are named changes nothing.
    next: BinaryHeap<Reverse<(SystemTime, usize, usize)>>,
    /// The place of each log in that order, once it is known.
    ranks: Vec<usize>,
    events: Vec<Option<Event>>,
    /// Logs whose next event has to be asked for.
    stale: Vec<usize>,
    read: Read,
}

impl<'r> Log<'r> {
    /// Looks at the log, to be read by what `reader` makes; `now` dates what names no year and comes from stdin.
    pub(super) fn open(
        path: &Path,
        now: SystemTime,
        reader: impl Fn() -> Reader + 'r,
    ) -> Result<Self, InputError> {
        let input = Input::open(path, now)?;
        let is_unpacked = input.is_unpacked;
        // What is no file, such as a pipe, can be read once only.
        let state = match fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            true => begin(input, reader()).map_err(|cause| InputError::read(path, cause))?,
            false => State::Open(Stream::start(path, input, reader())?),
        };
        Ok(Self {
            path: path.to_owned(),
            reader: Box::new(reader),
            now,
            is_unpacked,
            state,
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
        if let State::Waiting(_) = self.state {
            let input = Input::open(&self.path, self.now)?;
            self.state = State::Open(Stream::start(&self.path, input, (self.reader)())?);
        }
        let event = match &mut self.state {
            State::Open(stream) => stream.next(read, look)?,
            State::Over(unread) => {
                read.add(std::mem::take(unread));
                look(read);
                None
            }
            State::Waiting(_) => None,
        };
        if event.is_none() {
            self.state = State::Over(Read::default());
        }
        Ok(event)
    }

    /// The line of the event that was taken last.
    fn line(&self) -> &[u8] {
        match &self.state {
            State::Open(stream) => stream.line(),
            State::Waiting(_) | State::Over(_) => &[],
        }
    }
}

/// Reads to the first event of a log, or all of it where there is none.
fn begin(mut input: Input, mut reader: Reader) -> io::Result<State> {
    let mut line = Vec::new();
    let mut read = Read::default();
    while next_line(&mut input.lines, &mut line)? {
        if let Reading::Event(event) = reader.read(&line, input.now) {
            return Ok(State::Waiting(event.at));
        }
        read.lines += 1;
        read.bytes += line.len() as u64 + 1;
    }
    Ok(State::Over(read))
}

impl Stream {
    /// Has the log read by a thread.
    fn start(path: &Path, input: Input, reader: Reader) -> Result<Self, InputError> {
        let (sender, batches) = sync_channel(BATCHES_MAX);
        let of_thread = path.to_owned();
        thread::Builder::new()
            .name("log reader".to_owned())
            .spawn(move || read(input, reader, &of_thread, &sender))
            .map_err(|cause| InputError::read(path, cause))?;
        Ok(Self {
            batches,
            batch: Batch::default(),
            taken: 0,
        })
    }

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
            read.add(Read {
                lines: self.batch.lines,
                events: 0,
                bytes: self.batch.bytes,
            });
            look(read);
        }
        let (event, _) = &self.batch.events[self.taken];
        self.taken += 1;
        read.events += 1;
        Ok(Some(event.clone()))
    }

    fn line(&self) -> &[u8] {
        let taken = self.taken.checked_sub(1);
        let event = taken.and_then(|last| self.batch.events.get(last));
        event.map_or(&[], |(_, line)| &self.batch.text[line.clone()])
    }
}

impl Read {
    fn add(&mut self, more: Self) {
        self.lines += more.lines;
        self.events += more.events;
        self.bytes += more.bytes;
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

impl<'r> Logs<'r> {
    pub(super) fn new(logs: Vec<Log<'r>>) -> Self {
        Self {
            next: BinaryHeap::with_capacity(logs.len()),
            ranks: Vec::new(),
            events: logs.iter().map(|_| None).collect(),
            stale: Vec::new(),
            logs,
            read: Read::default(),
        }
    }

    /// The next event of all logs, with its line. `look` is shown now and then how far it has come.
    pub(super) fn next(
        &mut self,
        mut look: impl FnMut(&Read),
    ) -> Result<Option<(Event, &[u8])>, InputError> {
        if self.ranks.is_empty() {
            self.rank(&mut look)?;
        }
        let index = loop {
            while let Some(index) = self.stale.pop() {
                let event = self.logs[index].next(&mut self.read, &mut look)?;
                if let Some(event) = &event {
                    self.next
                        .push(Reverse((event.at, self.ranks[index], index)));
                }
                self.events[index] = event;
            }
            let Some(Reverse((_, _, index))) = self.next.pop() else {
                return Ok(None);
            };
            if self.events[index].is_some() {
                break index;
            }
            // Its time has come: it is opened, and may have become another since it was looked at.
            self.stale.push(index);
        };
        self.stale.push(index);
        let event = self.events[index].take().map(|event| Event {
            session: event.session.map(|id| self.session_of(index, id)),
            ..event
        });
        Ok(event.map(|event| (event, self.logs[index].line())))
    }

    /// Puts the logs in order, each by the time of its first event.
    fn rank(&mut self, look: &mut impl FnMut(&Read)) -> Result<(), InputError> {
        let mut first: Vec<Option<SystemTime>> = Vec::with_capacity(self.logs.len());
        for (log, event) in self.logs.iter_mut().zip(&mut self.events) {
            first.push(match log.state {
                State::Waiting(at) => Some(at),
                State::Open(_) | State::Over(_) => {
                    *event = log.next(&mut self.read, look)?;
                    event.as_ref().map(|event| event.at)
                }
            });
        }
        let mut order: Vec<usize> = (0..self.logs.len()).collect();
        order.sort_by(|a, b| {
            let key = |index: usize| (first[index], &self.logs[index].path);
            key(*a).cmp(&key(*b))
        });
        self.ranks = vec![0; order.len()];
        for (rank, index) in order.into_iter().enumerate() {
            self.ranks[index] = rank;
            if let Some(at) = first[index] {
                self.next.push(Reverse((at, rank, index)));
            }
        }
        Ok(())
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
            .map(|path| Log::open(path, now, || Reader::new(TimeZone::UTC)).unwrap());
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
