//! `[[pattern]]` and `[patterns]`: lines of programs that no dialect knows, in configurations and in files of their own.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use super::{
    CONFIG_MAX,
    document::{Document, Field, Section},
    error::ConfigError,
};
use crate::{
    dialect::{
        DIALECTS,
        pattern::{LinesOf, PATTERNS_MAX, PatternError, PatternSet, PatternSettings, Says},
    },
    event::{EventKind, Score, Service},
};

/// Most files of patterns.
const FILES_MAX: usize = 64;
/// Longest tag of a program.
const TAG_MAX: usize = 96;
/// The heaviest that a pattern may weigh, in tenths of the plain offence.
const SCORE_MAX: i16 = 100;

const KEYS: [&str; 8] = [
    "name",
    "program",
    "stamp",
    "match",
    "event",
    "service",
    "score",
    "sole_address",
];

/// Patterns that are shipped.
#[derive(Clone, Copy, Debug)]
pub struct ShippedPatterns {
    /// Name of the program.
    pub name: &'static str,
    /// Its patterns, `[[pattern]]` as in a configuration.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal)*) => {
        /// Every program whose patterns are shipped.
        pub const SHIPPED_PATTERNS: &[ShippedPatterns] = &[$(ShippedPatterns {
            name: $name,
            text: include_str!(concat!("../../patterns/", $name, ".toml")),
        },)*];
    };
}

shipped! {
    "groupoffice" "horde" "mailcow" "mailscanner" "mailu" "nginx-mail" "openwebmail" "roundcube" "smartermail" "sogo"
    "squirrelmail" "tine20"
}

/// The patterns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PatternsConfig {
    /// Those of the shipped ones that are used.
    pub shipped: Vec<String>,
    /// Files of patterns, and folders of such files.
    pub files: Vec<PathBuf>,
    /// The configuration's own.
    pub own: Vec<PatternSettings>,
    /// All of them: the configuration's own, those of the files, then the shipped ones.
    pub set: Arc<PatternSet>,
}

pub(super) fn read(top: &Section<'_>) -> Result<PatternsConfig, ConfigError> {
    let mut shipped: Vec<ShippedPatterns> = SHIPPED_PATTERNS.to_vec();
    let mut files = Vec::new();
    let section = top.table("patterns", &["use", "files"])?;
    if let Some(section) = &section {
        if let Some(field) = section.field("use") {
            shipped.clear();
            for item in field.items()? {
                let one = item.choice("patterns", SHIPPED_PATTERNS, |shipped| shipped.name)?;
                if shipped.iter().any(|known| known.name == one.name) {
                    return Err(item.mistake(format!("{:?} is there twice", one.name)));
                }
                shipped.push(one);
            }
        }
        if let Some(field) = section.field("files") {
            for item in field.items()? {
                let text = item.text()?;
                if !Path::new(text).is_absolute() || text.contains('\0') {
                    return Err(item.mistake(format!("{text:?} is not an absolute path")));
                }
                files.push((PathBuf::from(text), item));
            }
        }
    }
    let own = patterns(top)?;
    let mut all = own.clone();
    for (path, item) in &files {
        for file in files_of(path, item)? {
            all.extend(read_file(&file, item)?);
        }
    }
    // Each was tried where it stands.
    let mut set = PatternSet::new(&all).map_err(|(_, error)| top.mistake(error.to_string()))?;
    for shipped in &shipped {
        set.extend(shipped.set());
    }
    if set.settings().count() > PATTERNS_MAX {
        return Err(top.mistake(format!("more than {PATTERNS_MAX} patterns")));
    }
    Ok(PatternsConfig {
        shipped: shipped
            .iter()
            .map(|shipped| shipped.name.to_owned())
            .collect(),
        files: files.into_iter().map(|(path, _)| path).collect(),
        own,
        set: Arc::new(set),
    })
}

impl ShippedPatterns {
    /// Its patterns, compiled once.
    fn set(&self) -> &'static PatternSet {
        static SETS: LazyLock<Vec<PatternSet>> = LazyLock::new(|| {
            let set = |shipped: &ShippedPatterns| {
                let patterns = parse(shipped.name, shipped.text).expect("a test reads each");
                PatternSet::new(&patterns).expect("a test compiles each")
            };
            SHIPPED_PATTERNS.iter().map(set).collect()
        });
        let at = SHIPPED_PATTERNS
            .iter()
            .position(|shipped| shipped.name == self.name);
        &SETS[at.expect("there are no others")]
    }
}

fn parse(name: &str, text: &str) -> Result<Vec<PatternSettings>, ConfigError> {
    let document = Document::new(name, text);
    let root = document.parse()?;
    patterns(&Section::top(&document, &root, &["pattern"])?)
}

/// The file itself, or those of a folder that end with `.toml`, by name.
fn files_of(path: &Path, item: &Field<'_>) -> Result<Vec<PathBuf>, ConfigError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error| item.mistake(format!("cannot read {}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(file);
        }
        if files.len() > FILES_MAX {
            return Err(item.mistake(format!("{}: more than {FILES_MAX} files", path.display())));
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path, item: &Field<'_>) -> Result<Vec<PatternSettings>, ConfigError> {
    let mistake = |what: &dyn ToString| {
        item.mistake(format!(
            "cannot read {}: {}",
            path.display(),
            what.to_string()
        ))
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| mistake(&error))?;
    file.take(CONFIG_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| mistake(&error))?;
    if text.len() as u64 > CONFIG_MAX {
        return Err(mistake(&"it is too long"));
    }
    parse(&path.display().to_string(), &text)
}

/// All `[[pattern]]` of a document.
fn patterns(top: &Section<'_>) -> Result<Vec<PatternSettings>, ConfigError> {
    let sections = top.tables("pattern", &KEYS)?.unwrap_or_default();
    if let Some(section) = sections.get(PATTERNS_MAX) {
        return Err(section.mistake(format!("at most {PATTERNS_MAX} [[pattern]]")));
    }
    sections.iter().map(pattern).collect()
}

fn pattern(section: &Section<'_>) -> Result<PatternSettings, ConfigError> {
    let required = |key: &str| {
        section
            .field(key)
            .ok_or_else(|| section.mistake(format!("[[pattern]] lacks {key:?}")))
    };
    let says = says(&required("event")?)?;
    let service = match section.field("service") {
        Some(field) => field.choice("service", Service::ALL, Service::as_str)?,
        None if says == Says::Nothing => Service::Smtp,
        None => return Err(section.mistake("[[pattern]] lacks \"service\", such as \"imap\"")),
    };
    let score = match section.field("score") {
        Some(field) => Some(Score::tenths(field.tenths(SCORE_MAX)?)),
        None => None,
    };
    let sole_address = match section.field("sole_address") {
        Some(field) => field.boolean()?,
        None => false,
    };
    let (matches, of) = (required("match")?, lines_of(section)?);
    let settings = PatternSettings {
        name: name(&required("name")?)?,
        of,
        matches: matches.text()?.to_owned(),
        says,
        service,
        score,
        sole_address,
    };
    match settings.check() {
        Ok(()) => Ok(settings),
        Err(error) => {
            let field = match &error {
                PatternError::Stamp(_) => section.field("stamp").unwrap_or(matches),
                _ => matches,
            };
            Err(field.mistake(format!("{}: {error}", field.name())))
        }
    }
}

fn name(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.text()?;
    let is_name_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=32).contains(&text.len()) || !text.bytes().all(is_name_byte) {
        return Err(field.mistake(format!(
            "{text:?} cannot be the name of a pattern: 1 to 32 lower-case letters, digits and hyphens"
        )));
    }
    if DIALECTS.iter().any(|dialect| dialect.name == text) {
        return Err(field.mistake(format!(
            "{text:?} is built in; give the pattern another name"
        )));
    }
    Ok(text.to_owned())
}

fn lines_of(section: &Section<'_>) -> Result<LinesOf, ConfigError> {
    let program = match (section.field("program"), section.field("stamp")) {
        (Some(program), None) => program,
        (None, Some(stamp)) => return Ok(LinesOf::Stamp(stamp.text()?.to_owned())),
        _ => {
            return Err(section.mistake(
                "[[pattern]] needs either \"program\", for lines of syslog, or \"stamp\", for a log file without",
            ));
        }
    };
    let mut tags = Vec::new();
    for item in program.items()? {
        let tag = item.text()?;
        let is_tag_byte = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b']' | b':');
        if !(1..=TAG_MAX).contains(&tag.len()) || !tag.bytes().all(is_tag_byte) {
            return Err(item.mistake(format!(
                "{tag:?} is no program; write it as the log does before its \"[\" or \":\""
            )));
        }
        tags.push(tag.to_owned());
    }
    if tags.is_empty() {
        return Err(program.mistake("\"program\" is empty"));
    }
    Ok(LinesOf::Programs(tags))
}

/// A kind of event, `ignored`, or a table of words.
fn says(field: &Field<'_>) -> Result<Says, ConfigError> {
    if let Some(words) = field.words() {
        let words = words
            .into_iter()
            .map(|(word, field)| Ok((word, kind(&field)?)))
            .collect::<Result<Vec<_>, ConfigError>>()?;
        if words.is_empty() {
            return Err(field.mistake(format!("{} has no words", field.name())));
        }
        return Ok(Says::Words(words));
    }
    match field.text()? {
        "ignored" => Ok(Says::Nothing),
        _ => kind(field).map(Says::Event),
    }
}

fn kind(field: &Field<'_>) -> Result<EventKind, ConfigError> {
    field.choice("event", EventKind::ALL, EventKind::as_str)
}
