//! fail2ban's files of jails: read in its order, each setting with the place where it was last written.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Most bytes of a file, and most files of a folder: beyond, it is no configuration.
const FILE_MAX: u64 = 1 << 20;
const FILES_MAX: usize = 256;
/// How deep files may include files, and settings name settings.
const DEPTH_MAX: usize = 10;
/// Most bytes of a value when all that it names stands in it.
const VALUE_MAX: usize = 64 << 10;
/// Names of other settings that are filled into one value.
const NAMES_MAX: usize = 1000;
/// What the distribution ships; an operator changes the other files.
const SHIPPED: [&str; 2] = ["jail.conf", "paths-"];
/// The section that all others inherit from.
pub(super) const DEFAULT: &str = "DEFAULT";

/// A setting as it is written.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Without what it names filled in.
    raw: String,
    /// Such as `jail.local:12`.
    pub place: String,
    /// Whether the operator wrote it.
    pub is_own: bool,
}

/// All settings of a folder, by section.
#[derive(Debug, Default)]
pub(super) struct Settings {
    sections: BTreeMap<String, BTreeMap<String, Setting>>,
    files: usize,
}

impl Settings {
    /// Reads `jail.conf`, `jail.d/*.conf`, `jail.local` and `jail.d/*.local`, in this order: later ones win.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut settings = Self::default();
        let more = folder.join("jail.d");
        for suffix in [".conf", ".local"] {
            settings.read_file(folder, &format!("jail{suffix}"), 0)?;
            let mut names: Vec<String> = match fs::read_dir(&more) {
                Ok(entries) => entries
                    .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                    .filter(|name| name.ends_with(suffix))
                    .collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            names.sort();
            for name in names {
                settings.read_file(folder, &format!("jail.d/{name}"), 0)?;
            }
        }
        if settings.files == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "it has neither jail.conf nor jail.local",
            ));
        }
        Ok(settings)
    }

    /// Names of the jails.
    pub fn jails(&self) -> impl Iterator<Item = &str> {
        let names = self.sections.keys().map(String::as_str);
        names.filter(|name| ![DEFAULT, "INCLUDES", "Definition"].contains(name))
    }

    /// The settings that stand in a section itself, by name.
    pub fn own(&self, section: &str) -> impl Iterator<Item = (&str, &Setting)> {
        let settings = self.sections.get(section).into_iter().flatten();
        settings.map(|(key, setting)| (key.as_str(), setting))
    }

    /// A setting of a jail, or the default one.
    pub fn setting(&self, section: &str, key: &str) -> Option<&Setting> {
        let of = |section| self.sections.get(section).and_then(|all| all.get(key));
        of(section).or_else(|| of(DEFAULT))
    }

    /// Its value with all that it names filled in; what is not known stays as it is written.
    pub fn value(&self, section: &str, key: &str) -> Option<String> {
        let setting = self.setting(section, key)?;
        let mut left = NAMES_MAX;
        let text = self.filled(section, &setting.raw, 0, &mut left);
        Some(text.trim().to_owned())
    }

    /// `left` is how many more names may be filled in.
    fn filled(&self, section: &str, raw: &str, depth: usize, left: &mut usize) -> String {
        let mut text = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once("%(") {
            text += before;
            let Some((name, behind)) = after.split_once(")s") else {
                rest = &rest[before.len()..];
                break;
            };
            let (of, key) = name.split_once('/').unwrap_or((section, name));
            match self.setting(of, &key.to_lowercase()) {
                _ if key == "__name__" => text += section,
                Some(setting) if depth < DEPTH_MAX && *left > 0 && text.len() < VALUE_MAX => {
                    *left -= 1;
                    text += &self.filled(section, &setting.raw, depth + 1, left);
                }
                _ => text += &format!("%({name})s"),
            }
            rest = behind;
        }
        text += rest;
        text
    }

    /// Reads one file, if it is there, between those that it includes.
    fn read_file(&mut self, folder: &Path, name: &str, depth: usize) -> io::Result<()> {
        let mut bytes = Vec::new();
        match File::open(folder.join(name)) {
            Ok(file) => file.take(FILE_MAX).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        };
        self.files += 1;
        if self.files > FILES_MAX || depth > DEPTH_MAX {
            return Err(io::Error::other(format!("{name}: too many files")));
        }
        let read = entries(&String::from_utf8_lossy(&bytes));
        let beside = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let included = |which: &str| -> Vec<String> {
            let of = read
                .iter()
                .filter(|entry| entry.section == "INCLUDES" && entry.key == which);
            let names = of.flat_map(|entry| entry.value.split_whitespace());
            // Nothing outside the folder is read.
            let inside = names.filter(|name| !name.starts_with('/') && !name.contains(".."));
            inside
                .map(|name| {
                    format!("{beside}/{name}")
                        .trim_start_matches('/')
                        .to_owned()
                })
                .collect()
        };
        for other in included("before") {
            self.read_file(folder, &other, depth + 1)?;
        }
        let is_own = !SHIPPED.iter().any(|shipped| name.starts_with(shipped));
        for entry in &read {
            if entry.section != "INCLUDES" {
                self.put(entry, format!("{name}:{}", entry.line), is_own);
            }
        }
        for other in included("after") {
            self.read_file(folder, &other, depth + 1)?;
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry, place: String, is_own: bool) {
        let before = self.setting(&entry.section, &entry.key);
        // What stood there so far.
        let known = before.map_or("", |setting| &setting.raw).to_owned();
        let raw = entry
            .value
            .replace(&format!("%(known/{})s", entry.key), &known);
        if raw.len() > VALUE_MAX {
            return;
        }
        let section = self.sections.entry(entry.section.clone()).or_default();
        section.insert(entry.key.clone(), Setting { raw, place, is_own });
    }
}

struct Entry {
    section: String,
    key: String,
    value: String,
    line: usize,
}

/// `key = value` lines with their sections; lines that begin with space go on.
fn entries(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut section = DEFAULT.to_owned();
    let mut goes_on = false;
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        // A remark behind a value.
        let trimmed = trimmed
            .split_once(" ;")
            .map_or(trimmed, |(value, _)| value.trim());
        if line.starts_with([' ', '\t'])
            && goes_on
            && let Some(last) = found.last_mut()
        {
            last.value.push('\n');
            last.value += trimmed;
        } else if let Some(name) = trimmed.strip_prefix('[') {
            section = name.trim_end_matches(']').trim().to_owned();
            goes_on = false;
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            found.push(Entry {
                section: section.clone(),
                key: key.trim().to_lowercase(),
                value: value.trim().to_owned(),
                line: number,
            });
            goes_on = true;
        }
    }
    found
}
