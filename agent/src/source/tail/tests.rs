//! What is done to a log, and what must come out of it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{FileExt as _, MetadataExt as _},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    line::LINE_MAX,
    source::{
        BATCH_LINES_MAX,
        packing::{
            Packing,
            tests::{ALL, packed},
        },
    },
};

#[test]
fn a_file_that_is_there_is_followed_from_its_last_whole_line() {
    let log = Log::new("old\nunfin");
    let mut tail = log.tail();
    assert_eq!(log.read(&mut tail), "");
    log.append("ished\nnew\n");
    assert_eq!(log.read(&mut tail), "unfinished new");
}

#[test]
fn a_file_that_appears_is_followed_from_its_start() {
    let log = Log::new("");
    fs::remove_file(log.path()).unwrap();
    let mut tail = log.tail();
    assert!(matches!(tail.step().unwrap(), Step::Missing));
    log.append("a\nb\n");
    assert_eq!(log.read(&mut tail), "a b");
}

#[test]
fn a_file_without_any_line_end_is_followed_from_its_start() {
    let log = Log::new(&"x".repeat(CHUNK + 7));
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append("\nb\n");
    assert_eq!(log.read(&mut tail), format!("{} b", "x".repeat(LINE_MAX)));
}

#[test]
fn the_first_position_is_told_without_a_line() {
    let log = Log::new("old\n");
    let Step::Batch(batch) = log.tail().step().unwrap() else {
        panic!("no batch");
    };
    assert_eq!(
        (batch.lines.len(), batch.checkpoint.offset, batch.lag_bytes),
        (0, 4, 0)
    );
    // So that what is written while nobody reads is not lost.
    log.append("meanwhile\n");
    let mut tail = Tail::new(log.path(), Some(batch.checkpoint));
    assert_eq!(log.read(&mut tail), "meanwhile");
}

#[test]
fn batches_are_bounded_and_say_how_far_behind_they_are() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append(&"l\n".repeat(BATCH_LINES_MAX + 10));
    let Step::Batch(batch) = tail.step().unwrap() else {
        panic!("no batch");
    };
    assert_eq!((batch.lines.len(), batch.lag_bytes), (BATCH_LINES_MAX, 20));
}

#[test]
fn a_renamed_file_is_read_until_its_successor_has_a_line() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    let mut old = log.writer();
    fs::rename(log.path(), log.rotated()).unwrap();
    writeln!(old, "a").unwrap();
    assert_eq!(log.read(&mut tail), "a");
    let mut new = log.writer();
    writeln!(old, "b").unwrap();
    assert_eq!(log.read(&mut tail), "b");
    writeln!(old, "c").unwrap();
    writeln!(new, "d").unwrap();
    assert_eq!(log.read(&mut tail), "c d");
}

#[test]
fn empty_files_between_do_not_hide_what_is_written_late() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append("a\n");
    for turn in 0..3 * SUCCESSORS_MAX {
        assert_eq!(log.read(&mut tail), if turn == 0 { "a" } else { "" });
        fs::rename(log.path(), log.dir.path().join(format!("mail.log.{turn}"))).unwrap();
        log.append("");
    }
    let mut late = log.writer();
    log.read(&mut tail);
    fs::rename(log.path(), log.rotated()).unwrap();
    writeln!(late, "b").unwrap();
    log.append("c\n");
    assert_eq!(log.read(&mut tail), "b c");
    assert!(tail.successors.is_empty());
}

#[test]
fn a_line_that_a_rotated_file_ends_without_is_not_made_up() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append("cut in the midd");
    log.read(&mut tail);
    fs::rename(log.path(), log.rotated()).unwrap();
    log.append("new\n");
    let (lines, cut) = log.read_all(&mut tail);
    assert_eq!((lines.join(" "), cut), ("new".to_owned(), 1));
}

#[test]
fn a_copied_and_truncated_file_loses_nothing() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append("a\n");
    log.read(&mut tail);
    log.append("unread\n");
    fs::copy(log.path(), log.rotated()).unwrap();
    log.truncate();
    // As long again as what was read, so that the length tells nothing.
    log.append("b\nmore of it\n");
    assert_eq!(log.read(&mut tail), "unread b more of it");
}

#[test]
fn a_file_truncated_without_a_copy_is_read_from_its_start() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append("long ago\n");
    log.read(&mut tail);
    log.truncate();
    assert_eq!(log.read(&mut tail), "");
    log.append("b\n");
    assert_eq!(log.read(&mut tail), "b");
}

#[test]
fn the_hole_that_truncating_leaves_is_no_part_of_a_line() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    let before = "x".repeat(3 * CHUNK);
    // A writer that keeps its offset, as one without O_APPEND does.
    let writer = OpenOptions::new().write(true).open(log.path()).unwrap();
    writer
        .write_all_at(format!("{before}\n").as_bytes(), 0)
        .unwrap();
    log.read(&mut tail);
    log.truncate();
    writer
        .write_all_at(b"after\n", before.len() as u64 + 1)
        .unwrap();
    assert_eq!(log.read_all(&mut tail), (vec!["after".to_owned()], 0));
}

#[test]
fn an_inode_that_another_file_got_is_not_taken_for_the_log() {
    let log = Log::new("");
    let mut tail = log.tail();
    log.read(&mut tail);
    log.append("a line of the old one\n");
    let checkpoint = log.checkpoint(&mut tail);
    log.truncate();
    log.append("a line of the new one, longer\nb\n");
    let mut tail = Tail::new(log.path(), Some(checkpoint));
    assert_eq!(log.read(&mut tail), "a line of the new one, longer b");
}

#[test]
fn a_log_rotated_while_nobody_read_is_finished_first() {
    for copy in [false, true] {
        let log = Log::new("");
        let mut tail = log.tail();
        log.read(&mut tail);
        log.append("a\n");
        let checkpoint = log.checkpoint(&mut tail);
        log.append("b\n");
        if copy {
            fs::copy(log.path(), log.rotated()).unwrap();
            log.truncate();
        } else {
            fs::rename(log.path(), log.rotated()).unwrap();
        }
        log.append("c\n");
        // Others beside it are no concern of ours.
        fs::write(log.dir.path().join("mail.err"), "x\ny\n").unwrap();
        fs::create_dir(log.dir.path().join("mail.d")).unwrap();
        let mut tail = Tail::new(log.path(), Some(checkpoint));
        assert_eq!(log.read(&mut tail), "b c", "copied: {copy}");
    }
}

#[test]
fn a_log_compressed_while_nobody_read_is_finished_first() {
    for (packing, copy) in ALL
        .into_iter()
        .flat_map(|packing| [(packing, false), (packing, true)])
    {
        let log = Log::new("");
        let mut tail = log.tail();
        log.read(&mut tail);
        let long = "x".repeat(100);
        log.append(&format!("{long}\n").repeat(5000));
        let checkpoint = log.checkpoint(&mut tail);
        log.append(&"b\n".repeat(3 * BATCH_LINES_MAX));
        log.append("end of it\n");
        log.compress(packing, copy);
        log.append("c\n");
        // Others beside it are no concern of ours.
        fs::write(
            log.dir.path().join("mail.log.2.gz"),
            packed(Packing::Gzip, b"x\n"),
        )
        .unwrap();
        fs::write(log.dir.path().join("mail.log.3.gz"), b"\x1f\x8bbroken").unwrap();
        let mut tail = Tail::new(log.path(), Some(checkpoint.clone()));
        assert!(tail.may_take_long());
        // Stopped in the midst of it, it goes on there.
        let Step::Batch(batch) = tail.step().unwrap() else {
            panic!("no batch");
        };
        assert_eq!(
            batch.lines.len(),
            BATCH_LINES_MAX,
            "{packing:?}, copied: {copy}"
        );
        assert!(batch.lag_bytes > 0);
        assert_eq!(batch.checkpoint.inode, checkpoint.inode);
        let mut tail = Tail::new(log.path(), Some(batch.checkpoint));
        let (lines, cut) = log.read_all(&mut tail);
        assert_eq!(
            lines.len(),
            2 * BATCH_LINES_MAX + 2,
            "{packing:?}, copied: {copy}"
        );
        assert_eq!(lines[lines.len() - 2..], ["end of it", "c"]);
        assert_eq!(cut, 0);
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let log = Log::new("");
    fs::remove_file(log.path()).unwrap();
    nix::unistd::mkfifo(&log.path(), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    assert_eq!(
        log.tail().step().unwrap_err().to_string(),
        "not a regular file"
    );
}

#[derive(Clone, Debug)]
enum Action {
    /// Whole lines.
    Write(usize),
    /// A line without its end, which the next write brings.
    WritePart,
    /// Renamed; the writer goes on with the old file until it is told to open the new one.
    Rename,
    Reopen,
    CopyTruncate,
    /// Who rotates compresses the rotated file.
    Compress(Packing),
    DeleteCreate,
    /// The agent stops and starts again.
    Restart,
    /// The agent reads a little.
    Step,
    /// The agent reads all.
    Read,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        6 => (1usize..4).prop_map(Action::Write),
        1 => Just(Action::Write(2 * BATCH_LINES_MAX)),
        2 => Just(Action::WritePart),
        2 => Just(Action::Rename),
        2 => Just(Action::Reopen),
        2 => Just(Action::CopyTruncate),
        2 => proptest::sample::select(&ALL).prop_map(Action::Compress),
        1 => Just(Action::DeleteCreate),
        2 => Just(Action::Restart),
        3 => Just(Action::Step),
        4 => Just(Action::Read),
    ];
    proptest::collection::vec(action, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// No line is lost and none comes twice, except those that `source.rs` names; those may come or not.
    #[test]
    fn whatever_is_done_to_a_log_its_lines_come_once_and_in_order(actions in actions()) {
        let mut model = Model::new();
        for action in actions {
            model.act(&action);
            model.check();
        }
        model.finish();
        model.check();
        prop_assert_eq!(model.compared, (model.got.len(), model.written.len()));
    }
}

/// A log with its writer and its reader.
struct Model {
    log: Log,
    writer: File,
    tail: Tail,
    checkpoint: Option<FilePosition>,
    /// Every whole line, and whether it may be lost.
    written: Vec<(String, bool)>,
    part: Option<String>,
    got: Vec<String>,
    /// How far into `got` and `written` the comparison came.
    compared: (usize, usize),
    /// Lines before this one are not in the writer's file any more.
    file_start: usize,
    /// Whether the log was rotated since it was last read to its end.
    rotated: bool,
    /// Whether the path leads to no file.
    renamed: bool,
}

impl Model {
    fn new() -> Self {
        let log = Log::new("");
        let mut model = Self {
            writer: log.writer(),
            tail: log.tail(),
            log,
            checkpoint: None,
            written: Vec::new(),
            part: None,
            got: Vec::new(),
            compared: (0, 0),
            file_start: 0,
            rotated: false,
            renamed: false,
        };
        // From now on there is a checkpoint.
        model.read();
        model
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Write(lines) => {
                for _ in 0..*lines {
                    self.write_line();
                }
            }
            Action::WritePart => {
                if self.part.is_none() {
                    let part = format!("part {} ", self.written.len());
                    self.writer.write_all(part.as_bytes()).unwrap();
                    self.part = Some(part);
                }
            }
            Action::Rename => {
                if self.may_rotate() {
                    fs::rename(self.log.path(), self.log.rotated()).unwrap();
                    self.renamed = true;
                }
            }
            Action::Reopen => self.reopen(),
            Action::CopyTruncate => {
                if self.may_rotate() {
                    self.end_part();
                    // Without anything read of it, the copy cannot be told from another file.
                    if self.read_of_file() == 0 {
                        self.may_lose_unread();
                    }
                    fs::copy(self.log.path(), self.log.rotated()).unwrap();
                    self.log.truncate();
                    self.file_start = self.written.len();
                }
            }
            Action::Compress(packing) => self.compress(*packing),
            Action::DeleteCreate => {
                if self.may_rotate() {
                    self.end_part();
                    fs::remove_file(self.log.path()).unwrap();
                    // A reader that has it open still reads it; one that is started again cannot.
                    self.may_lose_unread();
                    self.renamed = true;
                    self.reopen();
                }
            }
            Action::Restart => {
                self.tail = Tail::new(self.log.path(), self.checkpoint.clone());
            }
            Action::Step => {
                self.step();
            }
            Action::Read => self.read(),
        }
    }

    /// Compresses the rotated file, once its writer has let go of it.
    fn compress(&mut self, packing: Packing) {
        let Ok(text) = fs::read(self.log.rotated()) else {
            return;
        };
        if self.renamed {
            return;
        }
        // Without anything read of it, what is in it cannot be told from another log.
        let checkpoint = self.checkpoint.as_ref().unwrap();
        if checkpoint.fingerprint.is_empty() {
            self.may_lose_unread();
        }
        self.log.write_packed(packing, &text);
        fs::remove_file(self.log.rotated()).unwrap();
    }

    /// All is read in the end.
    fn finish(&mut self) {
        self.reopen();
        self.write_line();
        self.read();
    }

    fn write_line(&mut self) {
        let part = self.part.take().unwrap_or_default();
        let line = format!("line {}", self.written.len());
        self.writer
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
        self.written.push((part + &line, false));
    }

    fn end_part(&mut self) {
        if self.part.is_some() {
            self.write_line();
        }
    }

    fn reopen(&mut self) {
        if self.renamed {
            self.end_part();
            self.writer = self.log.writer();
            self.file_start = self.written.len();
            self.renamed = false;
        }
    }

    /// A file that is rotated twice before it is read is lost by definition, so that is not done here.
    fn may_rotate(&mut self) -> bool {
        let checkpoint = self.checkpoint.as_ref().unwrap();
        let inode = self.writer.metadata().unwrap().ino();
        if self.renamed || self.rotated || checkpoint.inode != inode {
            return false;
        }
        // Of a file that was truncated nothing was read yet: with its copy compressed and itself renamed, nothing tells that it is there.
        if self.read_of_file() == 0 && !checkpoint.fingerprint.is_empty() {
            return false;
        }
        self.rotated = true;
        true
    }

    fn may_lose_unread(&mut self) {
        let unread = self.compared.1;
        for (_, may_be_lost) in &mut self.written[unread..] {
            *may_be_lost = true;
        }
    }

    /// Lines of the writer's file that were handed over.
    fn read_of_file(&self) -> usize {
        self.compared.1.saturating_sub(self.file_start)
    }

    fn step(&mut self) -> bool {
        match self.tail.step().unwrap() {
            Step::Batch(batch) => {
                for line in batch.lines.iter() {
                    self.got.push(String::from_utf8(line.into()).unwrap());
                }
                self.checkpoint = Some(batch.checkpoint);
                self.check();
                true
            }
            Step::More => true,
            Step::Idle | Step::Missing => false,
        }
    }

    fn read(&mut self) {
        while self.step() {}
        // With the log renamed and no line in its successor, the reader is not there yet.
        self.rotated = self.renamed;
    }

    /// Compares what came with what was written.
    fn check(&mut self) {
        let (mut got, mut written) = self.compared;
        while got < self.got.len() {
            let (line, may_be_lost) = &self.written[written];
            if self.got[got] == *line {
                got += 1;
            } else {
                assert!(may_be_lost, "got {:?} in place of {line:?}", self.got[got]);
            }
            written += 1;
        }
        self.compared = (got, written);
    }
}

/// A log in a directory of its own.
struct Log {
    dir: TempDir,
}

impl Log {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Self { dir };
        fs::write(log.path(), text).unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mail.log")
    }

    fn rotated(&self) -> PathBuf {
        self.dir.path().join("mail.log.1")
    }

    /// Rotates the log and compresses it.
    fn compress(&self, packing: Packing, copy: bool) {
        let text = fs::read(self.path()).unwrap();
        if copy {
            self.truncate();
        } else {
            fs::remove_file(self.path()).unwrap();
        }
        self.write_packed(packing, &text);
    }

    fn write_packed(&self, packing: Packing, text: &[u8]) {
        let extension = match packing {
            Packing::Gzip => "gz",
            Packing::Xz => "xz",
            Packing::Zstd => "zst",
        };
        let path = self.dir.path().join(format!("mail.log.1.{extension}"));
        fs::write(path, packed(packing, text)).unwrap();
    }

    fn writer(&self) -> File {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path())
            .unwrap()
    }

    fn append(&self, text: &str) {
        self.writer().write_all(text.as_bytes()).unwrap();
    }

    fn truncate(&self) {
        OpenOptions::new()
            .write(true)
            .open(self.path())
            .unwrap()
            .set_len(0)
            .unwrap();
    }

    fn tail(&self) -> Tail {
        Tail::new(self.path(), None)
    }

    /// All lines until there are no more, and how many were cut or lost.
    fn read_all(&self, tail: &mut Tail) -> (Vec<String>, u64) {
        let (mut lines, mut cut) = (Vec::new(), 0);
        loop {
            match tail.step().unwrap() {
                Step::Batch(batch) => {
                    lines.extend(
                        batch
                            .lines
                            .iter()
                            .map(|line| String::from_utf8_lossy(line).into_owned()),
                    );
                    cut += batch.cut;
                }
                Step::More => {}
                Step::Idle | Step::Missing => return (lines, cut),
            }
        }
    }

    fn read(&self, tail: &mut Tail) -> String {
        self.read_all(tail).0.join(" ")
    }

    /// Reads all, and says where that ends.
    fn checkpoint(&self, tail: &mut Tail) -> FilePosition {
        let mut checkpoint = None;
        loop {
            match tail.step().unwrap() {
                Step::Batch(batch) => checkpoint = Some(batch.checkpoint),
                Step::More => {}
                Step::Idle | Step::Missing => return checkpoint.unwrap(),
            }
        }
    }
}
