//! `[policy]`: the policy service for Postfix.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    document::{Field, Section},
    error::ConfigError,
};
use crate::{
    duration,
    policy::{BAD_RECIPIENTS_MAX, HELD_MAX, Listen, PolicySettings, Response, SLEEP_MAX},
};

/// Longest path of a Unix socket (`sun_path`, with the NUL after it).
const SOCKET_PATH_MAX: usize = 107;
/// Mode of the socket where none is named: its owner and its group.
const DEFAULT_MODE: u16 = 0o660;

/// `[policy]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyConfig {
    /// Where it listens; `None` for no service.
    pub listen: Option<Listen>,
    /// Whether other hosts may reach it.
    pub allow_remote: bool,
    /// What it does.
    pub settings: PolicySettings,
}

const KEYS: [&str; 12] = [
    "listen",
    "group",
    "mode",
    "allow_remote",
    "banned",
    "over_limit",
    "held_account",
    "sleepers",
    "when_full",
    "bad_recipients",
    "bad_recipient_delay",
    "recipients",
];

pub(super) fn read(top: &Section<'_>) -> Result<PolicyConfig, ConfigError> {
    let mut policy = PolicyConfig::default();
    let Some(section) = top.table("policy", &KEYS)? else {
        return Ok(policy);
    };
    if let Some(field) = section.field("allow_remote") {
        policy.allow_remote = field.truth()?;
    }
    if let Some(field) = section.field("listen") {
        policy.listen = Some(listen(&section, &field, policy.allow_remote)?);
    }
    let is_unix = matches!(policy.listen, Some(Listen::Unix { .. }));
    for key in ["group", "mode"] {
        if let Some(field) = section.field(key)
            && !is_unix
        {
            let name = field.name();
            return Err(field.mistake(format!("{name} goes with listen = \"unix:...\" only")));
        }
    }
    if let Some(field) = section.field("allow_remote")
        && policy.allow_remote
        && !matches!(policy.listen, Some(Listen::Inet(_)))
    {
        let name = field.name();
        return Err(field.mistake(format!("{name} goes with listen = \"inet:...\" only")));
    }
    let settings = &mut policy.settings;
    let choose = |key: &str, set: &mut Response, among: &[Response]| {
        if let Some(field) = section.field(key) {
            *set = field.choice("answer", among, Response::as_str)?;
        }
        Ok::<(), ConfigError>(())
    };
    use Response::{Close, Defer, Dunno, Reject};
    choose(
        "banned",
        &mut settings.banned,
        &[Close, Defer, Reject, Dunno],
    )?;
    choose(
        "over_limit",
        &mut settings.over_limit,
        &[Close, Defer, Dunno],
    )?;
    choose("held_account", &mut settings.held_account, Response::ALL)?;
    choose("when_full", &mut settings.when_full, &[Dunno, Close, Defer])?;
    if let Some(field) = section.field("sleepers") {
        settings.sleepers = field.number(0..=HELD_MAX)?;
    }
    if let Some(field) = section.field("bad_recipients") {
        settings.bad_recipients = field.number(0..=BAD_RECIPIENTS_MAX)?;
    }
    if let Some(field) = section.field("bad_recipient_delay") {
        settings.bad_recipient_delay = field.duration()?;
        if settings.bad_recipient_delay > SLEEP_MAX {
            return Err(field.mistake(format!(
                "{} is at most {}: Postfix waits in it",
                field.name(),
                duration::format(SLEEP_MAX)
            )));
        }
    }
    if let Some(field) = section.field("recipients") {
        settings.recipients = field.number(0..=u16::MAX)?;
    }
    Ok(policy)
}

fn listen(
    section: &Section<'_>,
    field: &Field<'_>,
    allow_remote: bool,
) -> Result<Listen, ConfigError> {
    let text = field.text()?;
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(section, field, path);
    }
    let address = text.strip_prefix("inet:");
    let Some(address) = address.and_then(|address| address.parse::<SocketAddr>().ok()) else {
        return Err(field.mistake(format!(
            "{text:?} is no socket; write \"unix:/run/mailwall/policy.sock\" or \"inet:127.0.0.1:10040\""
        )));
    };
    if !address.ip().is_loopback() && !allow_remote {
        return Err(field.mistake(format!(
            "{address} can be reached by other hosts, who could ask who is banned; listen on a loopback address, or write \
             allow_remote = true where a firewall lets only your mail servers through"
        )));
    }
    Ok(Listen::Inet(address))
}

fn unix(section: &Section<'_>, field: &Field<'_>, path: &str) -> Result<Listen, ConfigError> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(field.mistake(format!("{path:?} is not the absolute path of a socket")));
    }
    if path.len() > SOCKET_PATH_MAX {
        return Err(field.mistake(format!(
            "the path of a socket has at most {SOCKET_PATH_MAX} bytes"
        )));
    }
    let group = match section.field("group") {
        Some(group) => Some(group.text()?.to_owned()),
        None => None,
    };
    let mode = match section.field("mode") {
        Some(mode) => octal(&mode)?,
        None => DEFAULT_MODE,
    };
    Ok(Listen::Unix {
        path: PathBuf::from(path),
        group,
        mode,
    })
}

fn octal(field: &Field<'_>) -> Result<u16, ConfigError> {
    let text = field.text()?;
    let mode = u16::from_str_radix(text, 8).ok();
    mode.filter(|mode| *mode <= 0o777 && (3..=4).contains(&text.len()))
        .ok_or_else(|| {
            field.mistake(format!(
                "{} must be a mode in octal such as \"0660\"",
                field.name()
            ))
        })
}
