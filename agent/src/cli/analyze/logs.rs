//! Logs read side by side: their events in the order of time. Each log is read by a thread of its own, which runs ahead of the
//! judge by a few batches at most; in which order threads run changes nothing.
//!
//! Of a file only the time of its first event is looked up at first. It is opened when that time has come and closed at its end,
//! so that years of rotated logs take no more files and memory than those that overlap. Of files that one log was rotated to, the next
//! is opened where one ends, and what has read the one reads on in the next: a session may begin in one and end in the other.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    rotation::rotations,
    stream::{Read, Stream},
};
use crate::{
    cli::parse::{
        InputError,
        input::{Input, next_line},
    },
    dialect::{Reader, Reading},
    event::{Event, SessionId},
    judge::Echoes,
};

/// One log, and its next events.
pub(super) struct Log<'r> {
    path: PathBuf,
    /// Makes what reads it.
    reader: Box<dyn Fn() -> Reader + 'r>,
    /// Dates what names no year and comes from stdin.
    now: SystemTime,
    /// Whether it is compressed, so that nobody knows how much there is.
    is_unpacked: bool,
    /// When its last line was written.
    written: SystemTime,
    state: State,
}

/// How far a log is.
enum State {
    /// A file whose first event is of that time, as far as it tells by itself.
    Waiting(SystemTime),
    /// It is read.
    Open(Stream),
    /// There is no more of it; what is in it, if nobody was told yet.
    Over(Read),
}

/// What comes next in a log.
enum Next {
    Event(Event),
    /// Nothing; with what has read it, and whose that was.
    End(Option<(Reader, usize)>),
}

/// Several logs as one.
pub(super) struct Logs<'r> {
    logs: Vec<Log<'r>>,
    /// The next event of each log that has one, by time; of the same time that of the log which begins first, and of those
    /// that begin together the first by name: in which order they are named changes nothing.
    next: BinaryHeap<Reverse<(SystemTime, usize, usize)>>,
    /// The place of each log in that order, once it is known.
    ranks: Vec<usize>,
    /// The file that follows each of a log that was rotated.
    following: Vec<Option<usize>>,
    events: Vec<Option<Event>>,
    /// Logs whose next event has to be asked for.
    stale: Vec<usize>,
    read: Read,
    echoes: Echoes,
}

impl<'r> Log<'r> {
    /// Looks at the log, to be read by what `reader` makes; `now` dates what names no year and comes from stdin.
    pub(super) fn open(
        path: &Path,
        now: SystemTime,
        reader: impl Fn() -> Reader + 'r,
    ) -> Result<Self, InputError> {
        let input = Input::open(path, now)?;
        let (is_unpacked, written) = (input.is_unpacked, input.now);
        // What is no file, such as a pipe, can be read once only.
        let state = match fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            true => begin(input, reader()).map_err(|cause| InputError::read(path, cause))?,
            false => State::Open(Stream::start(path, input, reader(), 0)?),
        };
        Ok(Self {
            path: path.to_owned(),
            reader: Box::new(reader),
            now,
            is_unpacked,
            written,
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

    /// Opens a file that waits, to be read by what has read the one before it, or by a reader of its own.
    fn start(&mut self, index: usize, before: Option<(Reader, usize)>) -> Result<(), InputError> {
        if let State::Waiting(_) = self.state {
            let input = Input::open(&self.path, self.now)?;
            let (reader, origin) = before.unwrap_or_else(|| ((self.reader)(), index));
            self.state = State::Open(Stream::start(&self.path, input, reader, origin)?);
        }
        Ok(())
    }

    /// The next event; its line stays in [`Log::line`]. At the end, what has read it.
    fn next(&mut self, read: &mut Read, look: &mut impl FnMut(&Read)) -> Result<Next, InputError> {
        let event = match &mut self.state {
            State::Open(stream) => stream.next(read, look)?,
            State::Over(unread) => {
                read.add(std::mem::take(unread));
                look(read);
                None
            }
            State::Waiting(_) => None,
        };
        if let Some(event) = event {
            return Ok(Next::Event(event));
        }
        let ended = std::mem::replace(&mut self.state, State::Over(Read::default()));
        Ok(Next::End(match ended {
            State::Open(stream) => stream.end(),
            State::Waiting(_) | State::Over(_) => None,
        }))
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

impl<'r> Logs<'r> {
    pub(super) fn new(mut logs: Vec<Log<'r>>) -> Self {
        for (index, log) in logs.iter_mut().enumerate() {
            if let State::Open(stream) = &mut log.state {
                stream.origin = index;
            }
        }
        Self {
            next: BinaryHeap::with_capacity(logs.len()),
            ranks: Vec::new(),
            following: vec![None; logs.len()],
            events: logs.iter().map(|_| None).collect(),
            stale: Vec::new(),
            logs,
            read: Read::default(),
            echoes: Echoes::default(),
        }
    }

    /// The next event of all logs, with its line; one that several logs tell of once. `look` is shown now and then how far it has come.
    pub(super) fn next(
        &mut self,
        mut look: impl FnMut(&Read),
    ) -> Result<Option<(Event, &[u8])>, InputError> {
        if self.ranks.is_empty() {
            self.rank(&mut look)?;
        }
        let (index, event) = loop {
            while let Some(index) = self.stale.pop() {
                self.advance(index, &mut look)?;
            }
            let Some(Reverse((at, _, index))) = self.next.pop() else {
                return Ok(None);
            };
            match &self.events[index] {
                Some(event) if event.at == at => {
                    self.stale.push(index);
                    let origin = self.origin(index);
                    let event = self.events[index].take();
                    let is_new = |event: &Event| {
                        let text = self.logs[index].line();
                        self.logs.len() == 1
                            || !self.echoes.is_echo(origin, event.at, text, event.at)
                    };
                    if let Some(event) = event.filter(is_new) {
                        break (index, event);
                    }
                }
                // It was opened before its time, and has another event first.
                Some(_) => {}
                // Its time has come: it is opened, and may have become another since it was looked at.
                None => {
                    self.logs[index].start(index, None)?;
                    self.stale.push(index);
                }
            }
        };
        let event = Event {
            session: event.session.map(|id| self.session_of(index, id)),
            ..event
        };
        Ok(Some((event, self.logs[index].line())))
    }

    /// Goes on to the next event of a log; where it ends, to the file that follows.
    fn advance(&mut self, index: usize, look: &mut impl FnMut(&Read)) -> Result<(), InputError> {
        let mut index = index;
        loop {
            match self.logs[index].next(&mut self.read, look)? {
                Next::Event(event) => {
                    self.next
                        .push(Reverse((event.at, self.ranks[index], index)));
                    self.events[index] = Some(event);
                    return Ok(());
                }
                Next::End(reader) => {
                    self.events[index] = None;
                    let Some(following) = self.following[index].filter(|_| reader.is_some()) else {
                        return Ok(());
                    };
                    // One that has been opened for its time overlaps this one: they are side by side.
                    if !matches!(self.logs[following].state, State::Waiting(_)) {
                        return Ok(());
                    }
                    self.logs[following].start(following, reader)?;
                    index = following;
                }
            }
        }
    }

    /// Puts the logs in order, each by the time of its first event.
    fn rank(&mut self, look: &mut impl FnMut(&Read)) -> Result<(), InputError> {
        self.join_rotated();
        let mut first: Vec<Option<SystemTime>> = Vec::with_capacity(self.logs.len());
        for (log, event) in self.logs.iter_mut().zip(&mut self.events) {
            first.push(match log.state {
                State::Waiting(at) => Some(at),
                State::Open(_) | State::Over(_) => {
                    if let Next::Event(first) = log.next(&mut self.read, look)? {
                        *event = Some(first);
                    }
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

    /// Lets each file of a log that was rotated be followed by the next. One that says nothing by itself may do so after the one
    /// before it; where it stands among them, the time it was written last tells.
    fn join_rotated(&mut self) {
        let files = self.logs.iter().enumerate();
        let files = files.filter_map(|(index, log)| match log.state {
            State::Waiting(at) => Some((at, log.path.as_path(), index)),
            State::Over(_) => Some((log.written, log.path.as_path(), index)),
            State::Open(_) => None,
        });
        for rotated in rotations(files) {
            for pair in rotated.windows(2) {
                self.following[pair[0].1] = Some(pair[1].1);
            }
            for (at, index) in rotated {
                self.logs[index].state = State::Waiting(at);
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
        let origin = self.origin(index) as u64;
        SessionId(id.0.wrapping_mul(logs).wrapping_add(origin))
    }

    /// The first of the files that it goes on with.
    fn origin(&self, index: usize) -> usize {
        match &self.logs[index].state {
            State::Open(stream) => stream.origin,
            State::Waiting(_) | State::Over(_) => index,
        }
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
        event::{Event, EventKind},
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

    /// The events of logs in a folder that is like `/var/log`, in the order that they come.
    fn events(texts: &[(&str, &str)]) -> Vec<Event> {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
        let logs = texts.iter().map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Log::open(&path, now, || Reader::new(TimeZone::UTC)).unwrap()
        });
        let mut logs = Logs::new(logs.collect());
        let mut events = Vec::new();
        while let Some((event, _)) = logs.next(|_| {}).unwrap() {
            events.push(event);
        }
        events
    }

    /// A message whose client stands in one line, and whose recipients in another.
    const BEGUN: &str = "Feb 10 13:00:00 mx postfix/smtpd[9]: connect from unknown[203.0.113.9]\n\
        Feb 10 13:00:01 mx postfix/smtpd[7]: improper command pipelining after CONNECT from unknown[203.0.113.8]: x\n\
        Feb 10 13:00:02 mx postfix/smtpd[9]: 5531264430: client=unknown[203.0.113.9]\n";
    const ENDED: &str = "Feb 10 13:00:03 mx postfix/qmgr[5]: 5531264430: from=<a@example.net>, size=310, nrcpt=1 (queue active)\n";

    #[test]
    fn a_session_goes_on_in_the_next_file_of_a_rotation() {
        let kinds = |found: &[Event]| -> Vec<_> {
            let kinds = found.iter().map(|event| (event.kind, event.address));
            kinds.collect()
        };
        let whole = events(&[("mail.log", &format!("{BEGUN}{ENDED}"))]);
        assert_eq!(
            whole.last().map(|event| event.kind),
            Some(EventKind::MailAccepted)
        );
        // The second says nothing by itself; or something else later.
        let later = "Feb 10 13:00:09 mx postfix/smtpd[7]: improper command pipelining after CONNECT from unknown[203.0.113.8]: x\n";
        for rest in ["", later] {
            let ended = format!("{ENDED}{rest}");
            let found = events(&[("mail.log", &ended), ("mail.log.1", BEGUN)]);
            let (first, more) = found.split_at(whole.len());
            assert_eq!(kinds(first), kinds(&whole), "before {rest:?}");
            assert_eq!(first[0].session, first[whole.len() - 1].session);
            assert_eq!(more.len(), usize::from(!rest.is_empty()));
            // Other logs are other sessions.
            let found = events(&[("other.log", &ended), ("mail.log.1", BEGUN)]);
            assert!(
                found
                    .iter()
                    .all(|event| event.kind != EventKind::MailAccepted),
                "{found:?}"
            );
        }
    }

    #[test]
    fn files_of_a_rotation_that_overlap_are_read_side_by_side() {
        let line = |second: u32| {
            format!(
                "Feb 10 13:00:{second:02} mx postfix/smtpd[7]: improper command pipelining after CONNECT from unknown[203.0.113.8]: x\n"
            )
        };
        let even: String = (0..10).map(|number| line(2 * number)).collect();
        let odd: String = (0..10).map(|number| line(2 * number + 1)).collect();
        let found = events(&[("mail.log", &odd), ("mail.log.1", &even)]);
        let times: Vec<SystemTime> = found.iter().map(|event| event.at).collect();
        assert_eq!(times.len(), 20);
        assert!(times.is_sorted());
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
