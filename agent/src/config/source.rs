//! `[[source]]`: the logs.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use super::{
    document::{Field, Section},
    error::ConfigError,
};
use crate::source::{Listen, Origin, Pattern};

/// Most logs that are followed at once.
const SOURCES_MAX: usize = 64;
/// Most units of a journal.
const UNITS_MAX: usize = 32;
/// Longest path of a Unix socket (`sun_path`, with the NUL after it).
const SOCKET_PATH_MAX: usize = 107;
/// The log where nothing is said of any.
const DEFAULT_FILE: &str = "/var/log/mail.log";
/// The keys of which a log has one.
const KINDS: [&str; 4] = ["file", "journal", "syslog", "stdin"];

/// A log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceConfig {
    /// Where it is; none twice.
    pub log: Log,
    /// Zone of time stamps that name none.
    pub zone: TimeZone,
    /// The zone's IANA name as it was written; `None` where the zone is the host's.
    pub time_zone: Option<String>,
    /// Whether a UDP socket may be reached by other hosts.
    pub allow_remote: bool,
}

/// Where a log is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Log {
    /// In one place.
    One(Origin),
    /// In all files that fit, also those to come.
    Files(Pattern),
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(origin) => write!(f, "{origin}"),
            Self::Files(pattern) => write!(f, "{}", pattern.path().display()),
        }
    }
}

impl SourceConfig {
    /// A log of this host.
    fn new(log: Log) -> Self {
        Self {
            log,
            zone: TimeZone::system(),
            time_zone: None,
            allow_remote: false,
        }
    }

    /// Whether the file at `path` is of this log.
    pub fn is_of(&self, path: &Path) -> bool {
        match &self.log {
            Log::One(origin) => origin.path() == Some(path),
            Log::Files(pattern) => pattern.fits(path),
        }
    }

    /// Units whose records are believed because the operator named them.
    pub fn units(&self) -> &[String] {
        match &self.log {
            Log::One(Origin::Journal { units }) => units,
            Log::One(Origin::File(_) | Origin::Syslog(_) | Origin::Stdin) | Log::Files(_) => &[],
        }
    }
}

pub(super) fn read(top: &Section<'_>) -> Result<Vec<SourceConfig>, ConfigError> {
    let others = ["time_zone", "units", "group", "allow_remote"];
    let keys = [&KINDS[..], &others[..]].concat();
    let Some(sections) = top.tables("source", &keys)? else {
        let file = Origin::File(PathBuf::from(DEFAULT_FILE));
        return Ok(vec![SourceConfig::new(Log::One(file))]);
    };
    let mut sources: Vec<SourceConfig> = Vec::new();
    for section in &sections {
        let source = source(section)?;
        if sources.iter().any(|known| is_same(&known.log, &source.log)) {
            return Err(section.mistake(format!(
                "{:?} is there twice in [[source]]",
                source.log.to_string()
            )));
        }
        sources.push(source);
    }
    if sources.len() > SOURCES_MAX {
        return Err(sections[SOURCES_MAX].mistake(format!("at most {SOURCES_MAX} [[source]]")));
    }
    Ok(sources)
}

/// Whether two logs would bring the same lines.
fn is_same(one: &Log, other: &Log) -> bool {
    match (one, other) {
        (Log::One(Origin::Journal { .. }), Log::One(Origin::Journal { .. })) => true,
        _ => one.to_string() == other.to_string(),
    }
}

fn source(section: &Section<'_>) -> Result<SourceConfig, ConfigError> {
    let mut kinds = KINDS
        .iter()
        .filter_map(|kind| Some((*kind, section.field(kind)?)));
    let Some((kind, field)) = kinds.next() else {
        return Err(section.mistake("[[source]] lacks \"file\", the log to follow"));
    };
    if let Some((other, field)) = kinds.next() {
        return Err(field.mistake(format!(
            "a [[source]] is one log: {kind:?} or {other:?}; write a second [[source]]"
        )));
    }
    let log = match kind {
        "file" => file(&field)?,
        "journal" => {
            must_be_true(&field)?;
            let units = units(section)?;
            Log::One(Origin::Journal { units })
        }
        "syslog" => Log::One(Origin::Syslog(syslog(section, &field)?)),
        _ => {
            must_be_true(&field)?;
            Log::One(Origin::Stdin)
        }
    };
    only_for(section, "units", kind == "journal", "journal = true")?;
    let is_unix = matches!(log, Log::One(Origin::Syslog(Listen::Unix { .. })));
    only_for(section, "group", is_unix, "syslog = \"unix:...\"")?;
    let is_udp = matches!(log, Log::One(Origin::Syslog(Listen::Udp(_))));
    only_for(section, "allow_remote", is_udp, "syslog = \"udp:...\"")?;
    let mut source = SourceConfig::new(log);
    if let Some(field) = section.field("allow_remote") {
        source.allow_remote = field.truth()?;
    }
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

fn must_be_true(field: &Field<'_>) -> Result<(), ConfigError> {
    match field.truth()? {
        true => Ok(()),
        false => Err(field.mistake(format!(
            "{} can only be true; leave the [[source]] out",
            field.name()
        ))),
    }
}

fn only_for(section: &Section<'_>, key: &str, has_it: bool, kind: &str) -> Result<(), ConfigError> {
    match section.field(key) {
        Some(field) if !has_it => {
            Err(field.mistake(format!("{} goes with {kind} only", field.name())))
        }
        _ => Ok(()),
    }
}

fn file(field: &Field<'_>) -> Result<Log, ConfigError> {
    let file = field.text()?;
    if !Path::new(file).is_absolute() || file.ends_with('/') || file.contains('\0') {
        return Err(field.mistake(format!("{file:?} is not the absolute path of a file")));
    }
    if !Pattern::is_one(file) {
        return Ok(Log::One(Origin::File(PathBuf::from(file))));
    }
    Pattern::new(file).map(Log::Files).ok_or_else(|| {
        field.mistake(format!(
            "{file:?} is no pattern of file names: * and ? stand for what is between two slashes, 16 of them at most"
        ))
    })
}

fn units(section: &Section<'_>) -> Result<Vec<String>, ConfigError> {
    let Some(field) = section.field("units") else {
        return Ok(Vec::new());
    };
    let items = field.list()?;
    if items.len() > UNITS_MAX {
        return Err(field.mistake(format!("{} may name at most {UNITS_MAX}", field.name())));
    }
    let unit = |item: &Field<'_>| {
        let name = item.text()?;
        let is_unit_byte = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if name.is_empty() || name.len() > 255 || !name.bytes().all(is_unit_byte) {
            return Err(item.mistake(format!(
                "{name:?} is not the name of a unit, such as \"postfix@-.service\""
            )));
        }
        Ok(name.to_owned())
    };
    items.iter().map(unit).collect()
}

fn syslog(section: &Section<'_>, field: &Field<'_>) -> Result<Listen, ConfigError> {
    let text = field.text()?;
    let group = match section.field("group") {
        Some(group) => Some(group.text()?.to_owned()),
        None => None,
    };
    let unix = |path: &str, is_stream| {
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err(field.mistake(format!("{path:?} is not the absolute path of a socket")));
        }
        if path.len() > SOCKET_PATH_MAX {
            return Err(field.mistake(format!(
                "the path of a socket has at most {SOCKET_PATH_MAX} bytes"
            )));
        }
        let path = PathBuf::from(path);
        let group = group.clone();
        Ok(Listen::Unix {
            path,
            is_stream,
            group,
        })
    };
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path, false);
    }
    if let Some(path) = text.strip_prefix("unix-stream:") {
        return unix(path, true);
    }
    let address = text.strip_prefix("udp:");
    let Some(address) = address.and_then(|address| address.parse::<SocketAddr>().ok()) else {
        return Err(field.mistake(format!(
            "{text:?} is no socket; write \"unix:/run/mailwall/log.sock\", \"unix-stream:/path\" or \"udp:127.0.0.1:5514\""
        )));
    };
    let allow_remote = match section.field("allow_remote") {
        Some(field) => field.truth()?,
        None => false,
    };
    if !address.ip().is_loopback() && !allow_remote {
        return Err(field.mistake(format!(
            "{address} can be reached by other hosts, and anybody can forge a UDP packet; listen on a loopback address, or \
             write allow_remote = true where a firewall lets nobody else through"
        )));
    }
    Ok(Listen::Udp(address))
}
