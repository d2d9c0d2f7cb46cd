//! Files whose names fit a pattern, such as `/var/log/mail/*.log`.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use super::rotation::log_of;

/// Most files of one pattern.
pub const FILES_MAX: usize = 64;
/// Most entries of a directory that are looked at.
const ENTRIES_MAX: usize = 65_536;
/// Most wildcards in a pattern.
const WILDCARDS_MAX: usize = 16;

/// A path in which `*` stands for any characters of a name, `?` for one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Pattern(PathBuf);

impl Pattern {
    /// Whether there are wildcards in it.
    pub fn is_one(path: &str) -> bool {
        path.contains(['*', '?'])
    }

    /// Of an absolute path; `None` with more wildcards than make sense, or with `**`.
    pub fn new(path: &str) -> Option<Self> {
        let wildcards = path.matches(['*', '?']).count();
        (wildcards <= WILDCARDS_MAX && !path.contains("**")).then(|| Self(PathBuf::from(path)))
    }

    /// The pattern itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a path fits.
    pub fn fits(&self, path: &Path) -> bool {
        let mut names = path.components();
        let fits = self.0.components().all(|pattern| {
            names
                .next()
                .is_some_and(|name| component_fits(pattern, name))
        });
        fits && names.next().is_none()
    }

    /// The files that fit and are no rotated ones, in the order of their names; of more than `max` those that were written
    /// last, and that there are more.
    pub fn files(&self, max: usize) -> (Vec<PathBuf>, bool) {
        let mut found = vec![PathBuf::new()];
        for component in self.0.components() {
            let name = component.as_os_str();
            found = match Self::is_one(&name.to_string_lossy()) {
                false => found.into_iter().map(|path| path.join(name)).collect(),
                true => found
                    .iter()
                    .flat_map(|folder| entries(folder, name))
                    .collect(),
            };
        }
        let mut files: Vec<(SystemTime, PathBuf)> = found
            .into_iter()
            // Lines of a rotated file came when it had its own name.
            .filter(|path| path.file_name().and_then(log_of).is_none())
            .filter_map(|path| {
                let file = path.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((file.modified().ok()?, path))
            })
            .collect();
        let more = files.len() > max;
        if more {
            files.sort_by(|one, other| other.cmp(one));
            files.truncate(max);
        }
        let mut found: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
        found.sort();
        (found, more)
    }
}

fn entries(folder: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = entries.take(ENTRIES_MAX).flatten();
    let names = names.map(|entry| entry.file_name());
    let fitting = names.filter(|name| name_fits(pattern.as_bytes(), name.as_bytes()));
    fitting.map(|name| folder.join(name)).collect()
}

fn component_fits(pattern: Component<'_>, name: Component<'_>) -> bool {
    name_fits(pattern.as_os_str().as_bytes(), name.as_os_str().as_bytes())
}

/// Whether a name fits; a leading dot only by a dot. Each `*` is tried once from where the last one began.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, in_name));
            }
            Some(&byte) if byte == b'?' || byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                None => return false,
                Some((after, from)) => {
                    at = after;
                    in_name = from + 1;
                    star = Some((after, in_name));
                }
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell() {
        for (pattern, name, fits) in [
            ("*.log", "mail.log", true),
            ("*.log", ".log", false),
            (".*", ".log", true),
            ("*", "", true),
            ("ex??????.log", "ex261121.log", true),
            ("ex??????.log", "ex26112.log", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("mail", "mail.log", false),
        ] {
            assert_eq!(
                name_fits(pattern.as_bytes(), name.as_bytes()),
                fits,
                "{pattern} {name}"
            );
        }
        let pattern = Pattern::new("/var/*/mail*.log").unwrap();
        assert!(pattern.fits(Path::new("/var/log/mail-1.log")));
        assert!(!pattern.fits(Path::new("/var/log/more/mail-1.log")));
        assert!(!pattern.fits(Path::new("/var/log")));
        let name = vec![b'a'; 255];
        let pattern = b"*a".repeat(8);
        assert!(!name_fits(&[&pattern[..], b"b"].concat(), &name));
    }

    #[test]
    fn files_are_found_in_order_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "b/mail.log",
            "a/mail.log",
            "a/mail.log.1",
            "a/other",
            "c/mail.log/x",
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let pattern = dir.path().join("*/mail.log*");
        let pattern = Pattern::new(pattern.to_str().unwrap()).unwrap();
        let [a, b] = ["a/mail.log", "b/mail.log"].map(|name| dir.path().join(name));
        let old = fs::File::options().write(true).open(&a).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(pattern.files(9), (vec![a, b.clone()], false));
        assert_eq!(pattern.files(1), (vec![b], true));
        assert_eq!(Pattern::new("/a/**/b"), None);
    }
}
