//! A log that is read by a thread of its own, which runs ahead of the judge by a few batches at most.

use std::{
    io,
    ops::Range,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use crate::{
    cli::parse::{
        InputError,
        input::{Input, next_line},
    },
    dialect::{Reader, Reading},
    event::Event,
};

/// Most batches of a log that wait for the judge.
const BATCHES_MAX: usize = 2;
/// A batch ends after so many lines, events or bytes of lines with events.
const BATCH_LINES: u64 = 4096;
const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: usize = 32 * 1024;

/// A log that is read.
pub(super) struct Stream {
    batches: Receiver<Result<Batch, InputError>>,
    /// Ends with what has read the log.
    thread: JoinHandle<Reader>,
    /// The log whose reader this is: its own, or the one before it of the same rotation.
    pub(super) origin: usize,
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

impl Stream {
    /// Has the log read by a thread.
    pub(super) fn start(
        path: &Path,
        input: Input,
        reader: Reader,
        origin: usize,
    ) -> Result<Self, InputError> {
        let (sender, batches) = sync_channel(BATCHES_MAX);
        let of_thread = path.to_owned();
        let thread = thread::Builder::new()
            .name("log reader".to_owned())
            .spawn(move || {
                let reader = read(input, reader, &of_thread, &sender);
                drop(sender);
                reader
            })
            .map_err(|cause| InputError::read(path, cause))?;
        Ok(Self {
            batches,
            thread,
            origin,
            batch: Batch::default(),
            taken: 0,
        })
    }

    /// The next event; its line stays in [`Stream::line`].
    pub(super) fn next(
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

    /// The line of the event that was taken last.
    pub(super) fn line(&self) -> &[u8] {
        let taken = self.taken.checked_sub(1);
        let event = taken.and_then(|last| self.batch.events.get(last));
        event.map_or(&[], |(_, line)| &self.batch.text[line.clone()])
    }

    /// Waits until it is read; gives what has read it, and whose that was.
    pub(super) fn end(self) -> Option<(Reader, usize)> {
        // A reader that panicked has said so.
        self.thread.join().ok().zip(Some(self.origin))
    }
}

/// Reads a log to its end, or until nobody wants more of it; what has read it.
fn read(
    mut input: Input,
    mut reader: Reader,
    path: &Path,
    sender: &SyncSender<Result<Batch, InputError>>,
) -> Reader {
    let mut line = Vec::new();
    loop {
        let mut batch = Batch::default();
        let more = batch.fill(&mut input, &mut reader, &mut line);
        let is_wanted = sender.send(Ok(batch)).is_ok();
        match more {
            Ok(true) if is_wanted => {}
            Ok(_) => return reader,
            Err(cause) => {
                // Nobody hears it when nobody listens any more.
                let _ = sender.send(Err(InputError::read(path, cause)));
                return reader;
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

impl Read {
    pub(super) fn add(&mut self, more: Self) {
        self.lines += more.lines;
        self.events += more.events;
        self.bytes += more.bytes;
    }
}
