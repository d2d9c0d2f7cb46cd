//! `[[source]]`: the logs.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::{document::Section, error::ConfigError};

/// Most logs that are followed at once.
const SOURCES_MAX: usize = 64;
/// The log where nothing is said of any.
const DEFAULT_FILE: &str = "/var/log/mail.log";

/// A log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceConfig {
    /// The file; absolute, none twice.
    pub path: PathBuf,
    /// Zone of time stamps that name none.
    pub zone: TimeZone,
    /// The zone's IANA name as it was written; `None` where the zone is the host's.
    pub time_zone: Option<String>,
}

impl SourceConfig {
    /// A log of this host.
    fn new(path: &str) -> Self {
        Self {
            path: PathBuf::from(path),
            zone: TimeZone::system(),
            time_zone: None,
        }
    }
}

pub(super) fn read(top: &Section<'_>) -> Result<Vec<SourceConfig>, ConfigError> {
    let keys = ["file", "time_zone", "journal", "syslog", "stdin"];
    let Some(sections) = top.tables("source", &keys)? else {
        return Ok(vec![SourceConfig::new(DEFAULT_FILE)]);
    };
    let mut sources: Vec<SourceConfig> = Vec::new();
    for section in &sections {
        let source = source(section)?;
        if sources.iter().any(|known| known.path == source.path) {
            return Err(section.mistake(format!(
                "{:?} is there twice in [[source]]",
                source.path.display().to_string()
            )));
        }
        sources.push(source);
    }
    if sources.len() > SOURCES_MAX {
        return Err(sections[SOURCES_MAX].mistake(format!("at most {SOURCES_MAX} [[source]]")));
    }
    Ok(sources)
}

fn source(section: &Section<'_>) -> Result<SourceConfig, ConfigError> {
    for kind in ["journal", "syslog", "stdin"] {
        if let Some(field) = section.field(kind) {
            return Err(field.mistake(format!(
                "{} comes in a later version; use \"file\"",
                field.name()
            )));
        }
    }
    let Some(field) = section.field("file") else {
        return Err(section.mistake("[[source]] lacks \"file\", the log to follow"));
    };
    let file = field.text()?;
    if !Path::new(file).is_absolute() || file.ends_with('/') || file.contains('\0') {
        return Err(field.mistake(format!("{file:?} is not the absolute path of a file")));
    }
    if file.contains(['*', '?']) {
        return Err(field.mistake(format!(
            "{file:?} is a pattern; name each file in a [[source]] of its own"
        )));
    }
    let mut source = SourceConfig::new(file);
    if let Some(field) = section.field("time_zone") {
        let name = field.text()?;
        let Ok(zone) = TimeZone::get(name) else {
            return Err(field.mistake(format!(
                "unknown time zone {name:?}; write its IANA name, such as \"Europe/Berlin\" or \"UTC\""
            )));
        };
        source.zone = zone;
        source.time_zone = Some(name.to_owned());
    }
    Ok(source)
}
