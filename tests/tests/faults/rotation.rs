//! Everything that is done to a log that is followed: renamed, also amid a line, copied and truncated, replaced, deleted.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::PathBuf,
};

use mailwall_tests::{Agent, Random, Testbed};

use crate::{
    Scene,
    scene::{client, line},
    so_many,
};

/// A logger, which writes lines in parts.
struct Logger<'a> {
    scene: &'a Scene<'a>,
    log: File,
    next: usize,
    random: Random,
}

impl Logger<'_> {
    fn path(&self, suffix: &str) -> PathBuf {
        let mut path = self.scene.log().as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }

    fn lines(&mut self) {
        for _ in 0..=self.random.below(20) {
            let (begin, end) = self.halves();
            self.log.write_all(begin.as_bytes()).unwrap();
            self.log.write_all(end.as_bytes()).unwrap();
        }
    }

    /// The next line, in two parts; it counts as written.
    fn halves(&mut self) -> (String, String) {
        let line = line(client(self.next));
        self.scene.note_offences(&[client(self.next)]);
        self.next += 1;
        let (begin, end) = line.split_at(1 + self.random.below(line.len() - 2));
        (begin.to_owned(), end.to_owned())
    }

    fn open_new(&mut self) {
        self.log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.scene.log())
            .unwrap();
    }

    fn until_read(&self, agent: &Agent<'_>) {
        let written: u64 = self.scene.ledger().lines().values().sum();
        agent
            .until("all lines read", &["source", "list"], |list| {
                (list["sources"][0]["understood"].as_u64()? >= written).then_some(())
            })
            .unwrap();
    }

    fn is_renamed(&mut self) {
        self.lines();
        fs::rename(self.scene.log(), self.path(".1")).unwrap();
        // It is not told of that at once.
        self.lines();
        self.open_new();
    }

    fn is_renamed_amid_a_line(&mut self) {
        let (begin, end) = self.halves();
        self.log.write_all(begin.as_bytes()).unwrap();
        fs::rename(self.scene.log(), self.path(".1")).unwrap();
        self.log.write_all(end.as_bytes()).unwrap();
        self.lines();
        self.open_new();
    }

    fn is_copied_and_truncated(&mut self) {
        self.lines();
        fs::copy(self.scene.log(), self.path(".1")).unwrap();
        self.log.set_len(0).unwrap();
    }

    fn is_deleted(&mut self, agent: &Agent<'_>) {
        self.lines();
        self.until_read(agent);
        fs::remove_file(self.scene.log()).unwrap();
        self.lines();
        self.until_read(agent);
        self.open_new();
    }

    fn is_replaced(&mut self, agent: &Agent<'_>) {
        self.lines();
        self.until_read(agent);
        let new = self.path(".new");
        let file = File::create(&new).unwrap();
        self.log = file;
        self.lines();
        fs::rename(new, self.scene.log()).unwrap();
        self.open_new();
    }

    /// What stood there of the line is lost, by the logger's own doing.
    fn is_truncated_amid_a_line(&mut self, agent: &Agent<'_>) {
        self.until_read(agent);
        self.log
            .write_all(&line(client(60_000)).as_bytes()[..40])
            .unwrap();
        self.log.set_len(0).unwrap();
    }
}

#[test]
fn whatever_is_done_to_a_log_each_line_counts_once() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    let mut logger = Logger {
        log: OpenOptions::new().append(true).open(scene.log()).unwrap(),
        scene: &scene,
        next: 0,
        random: Random::new(7),
    };
    for round in 0..so_many(18, 600) {
        logger.lines();
        if round % 6 == 0 {
            scene.ban_briefly(agent.setup());
        }
        // A log that is rotated again before it was read, or of which nothing was read, is documented to lose lines.
        logger.until_read(&agent);
        match round % 6 {
            0 => logger.is_renamed(),
            1 => logger.is_renamed_amid_a_line(),
            2 => logger.is_copied_and_truncated(),
            3 => logger.is_deleted(&agent),
            4 => logger.is_replaced(&agent),
            _ => logger.is_truncated_amid_a_line(&agent),
        }
        logger.lines();
        logger.until_read(&agent);
    }
    scene.ask(&agent);
    scene.ask(&agent.restart().unwrap());
}
