//! Files that were read and are gone: how far they were read is forgotten after a while, so that logs whose names tell the date do
//! not fill the database.

use std::{collections::HashSet, path::Path, time::Duration};

use tracing::{info, warn};

use super::{Daemon, patterns::Watched};
use crate::{
    source::{Folders, Pattern},
    store::LeftFile,
};

/// How far a file was read is remembered for so long after it, or what it was renamed to, was seen last.
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Files that are gone and remembered; beyond it those seen last are.
const GONE_MAX: usize = 1024;
/// How often they are looked for.
const BETWEEN_SORTINGS: Duration = Duration::from_secs(24 * 3600);

impl Daemon {
    /// Once a day: forgets how far files were read that are long gone.
    pub(in crate::daemon) fn forget_files(&mut self) {
        let now = self.clock.now();
        if now < self.intake.next_sorting {
            return;
        }
        self.intake.next_sorting = now + BETWEEN_SORTINGS;
        if let Err(error) = self.sort_out_files() {
            warn!("which logs are gone is not noted: {error}");
        }
    }

    fn sort_out_files(&mut self) -> Result<(), crate::store::StoreError> {
        let files = self.store.left_files(&self.clock)?;
        let followed: HashSet<&str> = self
            .intake
            .sources
            .iter()
            .filter(|source| source.is_followed())
            .map(|source| source.name.as_str())
            .collect();
        let mut folders = Folders::default();
        let (seen, gone): (Vec<&LeftFile>, Vec<&LeftFile>) = files.iter().partition(|file| {
            followed.contains(file.name.as_str())
                || folders.have(Path::new(&file.name), &file.position)
        });
        let patterns: Vec<&Pattern> = self.intake.patterns.iter().map(Watched::pattern).collect();
        let forgotten = forgettable(&gone, &patterns);
        // From an earlier version: the days are counted from now on.
        let undated = gone.iter().filter(|file| file.seen_ago.is_none());
        let names = seen.iter().chain(undated).map(|file| file.name.as_str());
        self.store
            .sort_out_files(names, forgotten.iter().copied(), &self.clock)?;
        for name in &forgotten {
            self.intake.checkpoints.remove(*name);
        }
        if !forgotten.is_empty() {
            info!(
                files = forgotten.len(),
                "forgot how far logs were read that are long gone"
            );
        }
        Ok(())
    }
}

/// Which of the files that are gone are to be forgotten. The one seen last of a pattern never is: by it is known that the pattern's
/// files were read before, and that a new one is to be read from its start.
fn forgettable<'a>(gone: &[&'a LeftFile], patterns: &[&Pattern]) -> Vec<&'a str> {
    let mut newest_first = gone.to_vec();
    newest_first.sort_by_key(|file| file.seen_ago);
    let last_of_patterns: HashSet<&str> = patterns
        .iter()
        .filter_map(|pattern| {
            let mut fitting = newest_first.iter();
            fitting.find(|file| pattern.fits(Path::new(&file.name)))
        })
        .map(|file| file.name.as_str())
        .collect();
    let is_over = |file: &LeftFile| file.seen_ago.is_some_and(|ago| ago > REMEMBERED_FOR);
    newest_first
        .iter()
        .enumerate()
        .filter(|(number, file)| *number >= GONE_MAX || is_over(file))
        .map(|(_, file)| file.name.as_str())
        .filter(|name| !last_of_patterns.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::FilePosition;

    fn file(name: &str, days_ago: Option<u64>) -> LeftFile {
        LeftFile {
            name: name.to_owned(),
            position: FilePosition {
                device: 1,
                inode: 2,
                offset: 0,
                fingerprint: Box::default(),
            },
            seen_ago: days_ago.map(|days| Duration::from_secs(days * 24 * 3600)),
        }
    }

    #[test]
    fn what_was_not_seen_for_thirty_days_is_forgotten_but_for_the_last_of_a_pattern() {
        let files = [
            file("/a/1.log", Some(40)),
            file("/a/2.log", Some(31)),
            file("/b/1.log", Some(29)),
            file("/b/2.log", Some(31)),
            file("/c/1.log", None),
        ];
        let files: Vec<&LeftFile> = files.iter().collect();
        let pattern = Pattern::new("/a/*.log").unwrap();
        assert_eq!(forgettable(&files, &[&pattern]), ["/b/2.log", "/a/1.log"]);
        assert_eq!(
            forgettable(&files, &[]),
            ["/a/2.log", "/b/2.log", "/a/1.log"]
        );
    }

    #[test]
    fn so_many_are_remembered_at_most_those_seen_last() {
        let files: Vec<LeftFile> = (0..GONE_MAX + 3)
            .map(|number| file(&format!("/{number}"), Some(number as u64 % 2)))
            .collect();
        let forgotten = forgettable(&files.iter().collect::<Vec<_>>(), &[]);
        assert_eq!(forgotten.len(), 3);
        for name in forgotten {
            let number: usize = name[1..].parse().unwrap();
            assert_eq!(number % 2, 1, "seen a day ago, not now");
        }
    }
}
