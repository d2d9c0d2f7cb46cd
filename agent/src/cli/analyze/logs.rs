//! Logs read side by side: their events in the order of time.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs,
    path::{Path, PathBuf},
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

/// Lines between two looks at the progress.
const LINES_PER_LOOK: u64 = 1 << 14;

/// One log, and its next event.
pub(super) struct Log {
    path: PathBuf,
    input: Input,
    reader: Reader,
    line: Vec<u8>,
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
    /// The next event of each log that has one, by time; of the same time the log named first comes first.
    next: BinaryHeap<Reverse<(SystemTime, usize)>>,
    events: Vec<Option<Event>>,
    /// Logs whose next event is not known.
    stale: Vec<usize>,
    read: Read,
}

impl Log {
    /// Opens the log, to be read by `reader`; `now` dates what names no year and comes from stdin.
    pub(super) fn open(path: &Path, reader: Reader, now: SystemTime) -> Result<Self, InputError> {
        Ok(Self {
            path: path.to_owned(),
            input: Input::open(path, now)?,
            reader,
            line: Vec::new(),
        })
    }

    /// Bytes of it; `None` where that is not known.
    pub(super) fn size(&self) -> Option<u64> {
        let metadata = fs::metadata(&self.path).ok();
        metadata
            .filter(|_| !self.input.is_unpacked)
            .map(|metadata| metadata.len())
    }

    /// The line that was read last, as people are shown it.
    fn text(&self) -> &[u8] {
        self.reader.text(&self.line)
    }

    /// Reads up to the next event; its line stays in `self.line`.
    fn next(
        &mut self,
        read: &mut Read,
        look: &mut impl FnMut(&Read),
    ) -> Result<Option<Event>, InputError> {
        while next_line(&mut self.input.lines, &mut self.line)
            .map_err(|cause| InputError::read(&self.path, cause))?
        {
            read.lines += 1;
            read.bytes += self.line.len() as u64 + 1;
            if read.lines.is_multiple_of(LINES_PER_LOOK) {
                look(read);
            }
            match self.reader.read(&self.line, self.input.now) {
                Reading::Event(event) => {
                    read.events += 1;
                    return Ok(Some(event));
                }
                Reading::Ignored | Reading::Unknown | Reading::Refused => {}
            }
        }
        Ok(None)
    }
}

impl Logs {
    pub(super) fn new(logs: Vec<Log>) -> Self {
        Self {
            next: BinaryHeap::with_capacity(logs.len()),
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
        while let Some(index) = self.stale.pop() {
            let event = self.logs[index].next(&mut self.read, &mut look)?;
            if let Some(event) = &event {
                self.next.push(Reverse((event.at, index)));
            }
            self.events[index] = event;
        }
        let Some(Reverse((_, index))) = self.next.pop() else {
            return Ok(None);
        };
        self.stale.push(index);
        let event = self.events[index].take().map(|event| Event {
            session: event.session.map(|id| self.session_of(index, id)),
            ..event
        });
        Ok(event.map(|event| (event, self.logs[index].text())))
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
