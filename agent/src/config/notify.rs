//! `[[notify]]`: who is told of decisions, and how.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    document::{Field, Section},
    error::ConfigError,
};
use crate::{
    ban::RuleName,
    notify::{
        Channel, JOURNAL_SOCKET, MailServer, NOTIFIERS_MAX, NotifierSettings, PLACEHOLDERS, Topic,
        UrlError, check_url, is_address, is_placeholder,
    },
};

/// The keys of which a notifier has one.
const KINDS: [&str; 6] = [
    "email",
    "webhook",
    "command",
    "journal",
    "xarf",
    "abuseipdb",
];
/// Deliveries an hour where nothing is said.
const LIMIT: u32 = 20;
/// Deliveries an hour to the journal, where nothing is said: it has limits of its own.
const JOURNAL_LIMIT: u32 = 10_000;
/// Most reports an hour to AbuseIPDB, which takes 1000 a day for nothing.
const ABUSEIPDB_LIMIT: u32 = 41;
/// The ban of the same host that is the first to be reported to strangers, where nothing is said.
const PUBLIC_MIN_LEVEL: u8 = 2;
/// Most deliveries an hour.
const LIMIT_MAX: u32 = 100_000;
/// How long a digest collects, at most.
const DIGEST_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long a delivery may take where nothing is said, and at most: `notify test` shows how it went, and waits no longer.
const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_secs(50);
/// Most words of a command.
const WORDS_MAX: usize = 64;
/// Where `sendmail` is on every system that has it.
const SENDMAIL: &str = "/usr/sbin/sendmail";

/// All `[[notify]]` of a document.
pub(super) fn read(top: &Section<'_>) -> Result<Vec<NotifierSettings>, ConfigError> {
    let others = [
        "name",
        "from",
        "server",
        "key_file",
        "ca_file",
        "on",
        "rules",
        "min_level",
        "digest",
        "limit",
        "timeout",
    ];
    let keys = [&KINDS[..], &others[..]].concat();
    let sections = top.tables("notify", &keys)?.unwrap_or_default();
    if let Some(section) = sections.get(NOTIFIERS_MAX) {
        return Err(section.mistake(format!("at most {NOTIFIERS_MAX} [[notify]]")));
    }
    let mut notifiers: Vec<NotifierSettings> = Vec::new();
    for section in &sections {
        let notifier = notifier(section, &notifiers)?;
        notifiers.push(notifier);
    }
    Ok(notifiers)
}

fn notifier(
    section: &Section<'_>,
    others: &[NotifierSettings],
) -> Result<NotifierSettings, ConfigError> {
    let channel = channel(section)?;
    let is_taken = |name: &str| name == "report" || others.iter().any(|other| other.name == name);
    let name = match section.field("name") {
        Some(field) => {
            let name = field.text()?;
            if RuleName::new(name).is_none() {
                return Err(field.mistake(format!(
                    "{name:?} is not a name: lower-case letters, digits and hyphens, 32 at most"
                )));
            }
            if is_taken(name) {
                return Err(field.mistake(format!("a second notifier with the name {name:?}")));
            }
            name.to_owned()
        }
        None => (1..)
            .map(|number| match number {
                1 => channel.as_str().to_owned(),
                _ => format!("{}-{number}", channel.as_str()),
            })
            .find(|name| !is_taken(name))
            .unwrap_or_default(),
    };
    let digest = match section.field("digest") {
        Some(field) if !channel.takes_digests() => {
            return Err(field.mistake(format!(
                "{} goes with email and webhook only; {} gets each message by itself",
                field.name(),
                channel.as_str()
            )));
        }
        Some(field) => Some(at_most(&field, DIGEST_MAX)?),
        None => None,
    };
    let timeout = match section.field("timeout") {
        Some(field) => at_most(&field, TIMEOUT_MAX)?,
        None => TIMEOUT,
    };
    let limit = match (section.field("limit"), &channel) {
        (Some(field), Channel::AbuseIpdb { .. }) => field.number(1..=ABUSEIPDB_LIMIT)?,
        (Some(field), _) => field.number(1..=LIMIT_MAX)?,
        (None, Channel::Journal { .. }) => JOURNAL_LIMIT,
        (None, _) => LIMIT,
    };
    let min_level = match section.field("min_level") {
        Some(field) => field.number(1..=u8::MAX)?,
        None if channel.is_public() => PUBLIC_MIN_LEVEL,
        None => 1,
    };
    let on = match section.field("on") {
        Some(field) if channel.is_public() => {
            return Err(field.mistake(format!("{} gets bans, and nothing else", channel.as_str())));
        }
        None if channel.is_public() => vec![Topic::Ban],
        _ => topics(section)?,
    };
    Ok(NotifierSettings {
        name,
        on,
        min_level,
        rules: rules(section)?,
        digest,
        limit,
        timeout,
        channel,
    })
}

fn channel(section: &Section<'_>) -> Result<Channel, ConfigError> {
    let mut kinds = KINDS
        .iter()
        .filter_map(|kind| Some((*kind, section.field(kind)?)));
    let Some((kind, field)) = kinds.next() else {
        return Err(section.mistake(
            "[[notify]] lacks a receiver: one of \"email\", \"webhook\", \"command\", \"journal\", \"xarf\", \"abuseipdb\"",
        ));
    };
    if let Some((other, field)) = kinds.next() {
        return Err(field.mistake(format!(
            "a [[notify]] has one receiver: {kind:?} or {other:?}; write a second [[notify]]"
        )));
    }
    for key in ["from", "server"] {
        if let Some(field) = section
            .field(key)
            .filter(|_| !matches!(kind, "email" | "xarf"))
        {
            return Err(field.mistake(format!("{} goes with email and xarf only", field.name())));
        }
    }
    if let Some(field) = section.field("key_file").filter(|_| kind != "abuseipdb") {
        return Err(field.mistake(format!("{} goes with abuseipdb only", field.name())));
    }
    if let Some(field) = section
        .field("ca_file")
        .filter(|_| !matches!(kind, "webhook" | "abuseipdb"))
    {
        return Err(field.mistake(format!(
            "{} goes with webhook and abuseipdb only",
            field.name()
        )));
    }
    let (from, server) = sender(section)?;
    match kind {
        "email" => Ok(Channel::Email {
            to: address(&field)?,
            from,
            server,
        }),
        "xarf" => Ok(Channel::XArf {
            to: address(&field)?,
            from,
            server,
        }),
        "webhook" => Ok(Channel::Webhook {
            url: url(&field)?,
            ca_file: ca_file(section)?,
        }),
        "abuseipdb" => abuseipdb(section, &field),
        "command" => command(&field),
        _ if field.truth()? => Ok(Channel::Journal {
            socket: PathBuf::from(JOURNAL_SOCKET),
        }),
        _ => Err(field.mistake(format!(
            "{} can only be true; leave the [[notify]] out",
            field.name()
        ))),
    }
}

/// From whom mail is, and by which server.
pub(super) fn sender(section: &Section<'_>) -> Result<(Option<String>, MailServer), ConfigError> {
    let from = match section.field("from") {
        Some(field) => Some(address(&field)?),
        None => None,
    };
    let server = match section.field("server") {
        Some(field) => server(&field)?,
        None => MailServer::Smtp("localhost".to_owned(), 25),
    };
    Ok((from, server))
}

pub(super) fn address(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.text()?;
    if is_address(text) {
        return Ok(text.to_owned());
    }
    Err(field.mistake(format!(
        "{text:?} is not an address such as \"postmaster@example.org\""
    )))
}

fn server(field: &Field<'_>) -> Result<MailServer, ConfigError> {
    let text = field.text()?;
    if text == "sendmail" {
        return Ok(MailServer::Sendmail(PathBuf::from(SENDMAIL)));
    }
    if Path::new(text).is_absolute() && !text.contains('\0') {
        return Ok(MailServer::Sendmail(PathBuf::from(text)));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "25"));
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
    match port.parse() {
        Ok(port) if is_host && port != 0 => Ok(MailServer::Smtp(host.to_owned(), port)),
        _ => Err(field.mistake(format!(
            "{text:?} is no mail server; write \"localhost:25\", \"sendmail\" or the absolute path of such a program"
        ))),
    }
}

fn abuseipdb(section: &Section<'_>, field: &Field<'_>) -> Result<Channel, ConfigError> {
    let url = url(field)?;
    let Some(file) = section.field("key_file") else {
        return Err(
            section.mistake("abuseipdb needs \"key_file\", the path of a file with the key")
        );
    };
    Ok(Channel::AbuseIpdb {
        url,
        key_file: file_path(&file)?,
        ca_file: ca_file(section)?,
    })
}

/// The certificates that a receiver's must be signed by.
fn ca_file(section: &Section<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let field = section.field("ca_file");
    field.map(|field| file_path(&field)).transpose()
}

fn file_path(field: &Field<'_>) -> Result<PathBuf, ConfigError> {
    let path = field.text()?;
    if !Path::new(path).is_absolute() || path.contains('\0') {
        return Err(field.mistake(format!("{path:?} is not the absolute path of a file")));
    }
    Ok(PathBuf::from(path))
}

fn url(field: &Field<'_>) -> Result<String, ConfigError> {
    let url = field.text()?;
    match check_url(url) {
        Ok(()) => Ok(url.to_owned()),
        Err(UrlError::NotPrivate) => Err(field.mistake(
            "a webhook of another host needs https: what is told must not be read on the way",
        )),
        Err(UrlError::NotHttp) => Err(field.mistake(format!(
            "{url:?} is not a URL such as \"https://example.org/hook\""
        ))),
    }
}

fn command(field: &Field<'_>) -> Result<Channel, ConfigError> {
    let items = field.list()?;
    if items.is_empty() || items.len() > WORDS_MAX {
        return Err(field.mistake(format!(
            "{} is a program and its arguments, {WORDS_MAX} words at most",
            field.name()
        )));
    }
    let mut words = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let word = item.text()?;
        if word.contains('\0') {
            return Err(item.mistake("a word of a command cannot hold a NUL"));
        }
        if place == 0 && !Path::new(word).is_absolute() {
            return Err(item.mistake(format!(
                "{word:?} is not the absolute path of a program; there is no shell that would look for it"
            )));
        }
        if is_placeholder(word) && !PLACEHOLDERS.contains(&word) {
            return Err(match word {
                "{account}" => item.mistake(
                    "attackers choose the names of accounts, so one is no argument; read it from MAILWALL_ACCOUNT or the JSON on stdin",
                ),
                _ => item.unknown("placeholder", word, PLACEHOLDERS.iter().copied()),
            });
        }
        words.push(word.to_owned());
    }
    Ok(Channel::Command { words })
}

fn topics(section: &Section<'_>) -> Result<Vec<Topic>, ConfigError> {
    let Some(field) = section.field("on") else {
        return Ok(Topic::DEFAULT.to_vec());
    };
    let items = field.items()?;
    let mut topics = Vec::new();
    for item in &items {
        let topic = item.choice("topic", Topic::ALL, Topic::as_str)?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    if topics.is_empty() {
        return Err(field.mistake(format!(
            "{} is empty: it would tell of nothing",
            field.name()
        )));
    }
    Ok(topics)
}

fn rules(section: &Section<'_>) -> Result<Vec<String>, ConfigError> {
    let Some(field) = section.field("rules") else {
        return Ok(Vec::new());
    };
    let items = field.items()?;
    let rule = |item: &Field<'_>| {
        let name = item.text()?;
        match RuleName::new(name) {
            Some(name) => Ok(name.to_string()),
            None => Err(item.mistake(format!("{name:?} is not the name of a rule"))),
        }
    };
    items.iter().map(rule).collect()
}

fn at_most(field: &Field<'_>, most: Duration) -> Result<Duration, ConfigError> {
    let duration = field.duration()?;
    if duration > most {
        return Err(field.mistake(format!(
            "{} is at most {}",
            field.name(),
            crate::duration::format(most)
        )));
    }
    Ok(duration)
}
