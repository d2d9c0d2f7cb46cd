//! A configuration as text that is read back as the same.

use std::fmt::{self, Write as _};

use super::{ClemencyConfig, Config, Interfaces, Log, PolicyConfig, RuleOrigin, SourceConfig};
use crate::{
    dialect::pattern::{LinesOf, PatternSettings, Says},
    duration::format as span,
    metrics,
    notify::{Channel, MailServer, NotifierSettings},
    policy::Listen as PolicyListen,
    rule::{Length, RuleSettings, Then},
    source::{Listen, Origin},
};

pub(super) fn write(config: &Config) -> String {
    let mut text = String::new();
    try_write(config, &mut text).expect("writing to a string cannot fail");
    text
}

fn try_write(config: &Config, out: &mut String) -> fmt::Result {
    if config.sources.is_empty() {
        // A key of the whole document stands before any table.
        writeln!(out, "source = []\n")?;
    }
    let filter = &config.filter;
    let interfaces = match &filter.interfaces {
        Interfaces::Auto => list(["auto"].map(quoted)),
        Interfaces::Named(names) => list(names.iter().map(|name| quoted(name))),
    };
    writeln!(out, "[filter]")?;
    writeln!(out, "interfaces = {interfaces}")?;
    writeln!(
        out,
        "ports = {}",
        list(filter.ports.iter().map(u16::to_string))
    )?;
    writeln!(out, "attach = {}", quoted(filter.attach.as_str()))?;
    writeln!(out, "mode = {}", quoted(filter.mode.as_str()))?;
    writeln!(out, "ipv6_prefix = {}", filter.ipv6_prefix)?;

    let networks = list(config.allow.iter().map(|net| quoted(&net.to_string())));
    writeln!(out, "\n[allow]\nnetworks = {networks}")?;
    write_clemency(&config.clemency, out)?;

    for source in &config.sources {
        writeln!(out, "\n[[source]]")?;
        write_log(source, out)?;
        if let Some(zone) = &source.time_zone {
            writeln!(out, "time_zone = {}", quoted(zone))?;
        }
    }

    let patterns = &config.patterns;
    let paths = patterns
        .files
        .iter()
        .map(|path| quoted(&path.to_string_lossy()));
    writeln!(out, "\n[patterns]")?;
    writeln!(
        out,
        "use = {}",
        list(patterns.shipped.iter().map(|name| quoted(name)))
    )?;
    writeln!(out, "files = {}", list(paths))?;
    for pattern in &patterns.own {
        write_pattern(pattern, out)?;
    }

    for limit in &config.limits {
        writeln!(out, "\n[[limit]]")?;
        if let Some(network) = limit.network {
            writeln!(out, "network = {}", quoted(&network.to_string()))?;
        }
        writeln!(out, "per_minute = {}", limit.per_minute)?;
        writeln!(out, "concurrent = {}", limit.concurrent)?;
        writeln!(out, "counts = {}", quoted(limit.counts.as_str()))?;
    }

    for notifier in &config.notifiers {
        write_notifier(notifier, out)?;
    }
    if let Some(report) = &config.report {
        writeln!(out, "\n[report]")?;
        writeln!(out, "at = \"{:02}:{:02}\"", report.hour, report.minute)?;
        write_channel(&report.notifier.channel, out)?;
    }

    let ban = &config.ban;
    writeln!(out, "\n[ban]")?;
    writeln!(out, "first = {}", length(ban.first))?;
    writeln!(out, "factor = {}", ban.factor)?;
    writeln!(out, "at_most = {}", quoted(&span(ban.at_most)))?;
    writeln!(out, "forget_after = {}", quoted(&span(ban.forget_after)))?;

    writeln!(out, "\n[control]")?;
    if let Some(group) = &config.control.group {
        writeln!(out, "group = {}", quoted(group))?;
    }

    writeln!(out, "\n[store]\nmax_mb = {}", config.store.max_mb())?;
    write_policy(&config.policy, out)?;
    write_metrics(config, out)?;

    writeln!(out, "\n[rules]\npreset = {}", quoted(&config.rules.preset))?;
    for (rule, origin) in &config.rules.rules {
        let mut text = String::new();
        write_rule(rule, &mut text)?;
        match origin {
            RuleOrigin::Config => write!(out, "\n{text}")?,
            RuleOrigin::Preset => {
                writeln!(out, "\n# From the preset:")?;
                for line in text.lines() {
                    writeln!(out, "# {line}")?;
                }
            }
        }
    }
    Ok(())
}

fn write_pattern(pattern: &PatternSettings, out: &mut String) -> fmt::Result {
    writeln!(out, "\n[[pattern]]")?;
    writeln!(out, "name = {}", quoted(&pattern.name))?;
    match &pattern.of {
        LinesOf::Programs(tags) => {
            writeln!(
                out,
                "program = {}",
                list(tags.iter().map(|tag| quoted(tag)))
            )?;
        }
        LinesOf::Stamp(form) => writeln!(out, "stamp = {}", quoted(form))?,
    }
    writeln!(out, "match = {}", quoted(&pattern.matches))?;
    match &pattern.says {
        Says::Nothing => writeln!(out, "event = \"ignored\"")?,
        Says::Event(kind) => writeln!(out, "event = {}", quoted(kind.as_str()))?,
        Says::Words(words) => {
            let words = words
                .iter()
                .map(|(word, kind)| format!("{} = {}", quoted(word), quoted(kind.as_str())));
            writeln!(
                out,
                "event = {{ {} }}",
                words.collect::<Vec<_>>().join(", ")
            )?;
        }
    }
    writeln!(out, "service = {}", quoted(pattern.service.as_str()))?;
    if let Some(score) = pattern.score {
        let tenths = score.as_tenths();
        writeln!(out, "score = {}.{}", tenths / 10, tenths % 10)?;
    }
    if pattern.sole_address {
        writeln!(out, "sole_address = true")?;
    }
    Ok(())
}

fn write_policy(policy: &PolicyConfig, out: &mut String) -> fmt::Result {
    writeln!(out, "\n[policy]")?;
    if let Some(listen) = &policy.listen {
        writeln!(out, "listen = {}", quoted(&listen.to_string()))?;
    }
    if let Some(PolicyListen::Unix { group, mode, .. }) = &policy.listen {
        if let Some(group) = group {
            writeln!(out, "group = {}", quoted(group))?;
        }
        writeln!(out, "mode = \"{mode:04o}\"")?;
    }
    writeln!(out, "allow_remote = {}", policy.allow_remote)?;
    let settings = &policy.settings;
    for (key, response) in [
        ("banned", settings.banned),
        ("over_limit", settings.over_limit),
        ("held_account", settings.held_account),
        ("when_full", settings.when_full),
    ] {
        writeln!(out, "{key} = {}", quoted(response.as_str()))?;
    }
    writeln!(out, "sleepers = {}", settings.sleepers)?;
    writeln!(out, "bad_recipients = {}", settings.bad_recipients)?;
    let delay = quoted(&span(settings.bad_recipient_delay));
    writeln!(out, "bad_recipient_delay = {delay}")?;
    writeln!(out, "recipients = {}", settings.recipients)
}

fn write_notifier(notifier: &NotifierSettings, out: &mut String) -> fmt::Result {
    writeln!(out, "\n[[notify]]")?;
    writeln!(out, "name = {}", quoted(&notifier.name))?;
    write_channel(&notifier.channel, out)?;
    if !notifier.channel.is_public() {
        let topics = notifier.on.iter().map(|topic| quoted(topic.as_str()));
        writeln!(out, "on = {}", list(topics))?;
    }
    writeln!(out, "min_level = {}", notifier.min_level)?;
    if !notifier.rules.is_empty() {
        let rules = list(notifier.rules.iter().map(|rule| quoted(rule)));
        writeln!(out, "rules = {rules}")?;
    }
    if let Some(digest) = notifier.digest {
        writeln!(out, "digest = {}", quoted(&span(digest)))?;
    }
    writeln!(out, "limit = {}", notifier.limit)?;
    writeln!(out, "timeout = {}", quoted(&span(notifier.timeout)))
}

fn write_metrics(config: &Config, out: &mut String) -> fmt::Result {
    let metrics = &config.metrics;
    writeln!(out, "\n[metrics]")?;
    let Some(listen) = &metrics.listen else {
        return writeln!(out, "listen = \"\"");
    };
    writeln!(out, "listen = {}", quoted(&listen.to_string()))?;
    match listen {
        metrics::Listen::Unix {
            group: Some(group), ..
        } => writeln!(out, "group = {}", quoted(group)),
        metrics::Listen::Unix { group: None, .. } => Ok(()),
        metrics::Listen::Inet(_) => writeln!(out, "allow_remote = {}", metrics.allow_remote),
    }
}

fn write_channel(channel: &Channel, out: &mut String) -> fmt::Result {
    match channel {
        Channel::Email { to, from, server } | Channel::XArf { to, from, server } => {
            writeln!(out, "{} = {}", channel.as_str(), quoted(to))?;
            if let Some(from) = from {
                writeln!(out, "from = {}", quoted(from))?;
            }
            let server = match server {
                MailServer::Smtp(host, port) => format!("{host}:{port}"),
                MailServer::Sendmail(program) => program.to_string_lossy().into_owned(),
            };
            writeln!(out, "server = {}", quoted(&server))?;
        }
        Channel::Webhook { url, ca_file } => {
            writeln!(out, "webhook = {}", quoted(url))?;
            write_ca_file(ca_file.as_deref(), out)?;
        }
        Channel::Command { words } => {
            let words = list(words.iter().map(|word| quoted(word)));
            writeln!(out, "command = {words}")?;
        }
        Channel::AbuseIpdb {
            url,
            key_file,
            ca_file,
        } => {
            writeln!(out, "abuseipdb = {}", quoted(url))?;
            writeln!(out, "key_file = {}", quoted(&key_file.to_string_lossy()))?;
            write_ca_file(ca_file.as_deref(), out)?;
        }
        Channel::Journal { .. } => writeln!(out, "journal = true")?,
    }
    Ok(())
}

fn write_log(source: &SourceConfig, out: &mut String) -> fmt::Result {
    match &source.log {
        Log::One(Origin::File(path)) => {
            writeln!(out, "file = {}", quoted(&path.to_string_lossy()))
        }
        Log::Files(pattern) => {
            writeln!(out, "file = {}", quoted(&pattern.path().to_string_lossy()))
        }
        Log::One(Origin::Journal { units }) => {
            writeln!(out, "journal = true")?;
            if units.is_empty() {
                return Ok(());
            }
            writeln!(
                out,
                "units = {}",
                list(units.iter().map(|unit| quoted(unit)))
            )
        }
        Log::One(Origin::Syslog(listen)) => {
            writeln!(out, "syslog = {}", quoted(&listen.to_string()))?;
            match listen {
                Listen::Unix {
                    group: Some(group), ..
                } => writeln!(out, "group = {}", quoted(group)),
                Listen::Unix { group: None, .. } => Ok(()),
                Listen::Udp(_) => writeln!(out, "allow_remote = {}", source.allow_remote),
            }
        }
        Log::One(Origin::Stdin) => writeln!(out, "stdin = true"),
    }
}

fn write_rule(rule: &RuleSettings, out: &mut String) -> fmt::Result {
    writeln!(out, "[[rule]]")?;
    writeln!(out, "name = {}", quoted(rule.name.as_str()))?;
    let count = list(rule.count.iter().map(|kind| quoted(kind.as_str())));
    writeln!(out, "count = {count}")?;
    writeln!(out, "per = {}", quoted(rule.per.as_str()))?;
    if let Some(distinct) = rule.distinct {
        writeln!(out, "distinct = {}", quoted(distinct.as_str()))?;
    }
    writeln!(out, "measure = {}", quoted(rule.measure.as_str()))?;
    writeln!(out, "limit = {}", rule.limit)?;
    writeln!(out, "window = {}", quoted(&span(rule.window)))?;
    if !rule.service.is_empty() {
        let service = list(rule.service.iter().map(|service| quoted(service.as_str())));
        writeln!(out, "service = {service}")?;
    }
    writeln!(out, "bad_share = {}", rule.bad_share)?;
    writeln!(out, "mode = {}", quoted(rule.mode.as_str()))?;
    writeln!(out, "permanent = {}", rule.permanent)?;
    writeln!(out, "then = {{ {} }}", then(&rule.then).join(", "))
}

/// The settings of `then`.
fn then(then: &Then) -> Vec<String> {
    let mut settings = Vec::new();
    if let Some(penalty) = then.ban {
        settings.push(format!("ban = {}", length(penalty.first)));
        settings.push(format!("factor = {}", penalty.factor));
        settings.push(format!("at_most = {}", quoted(&span(penalty.at_most))));
        let forget_after = quoted(&span(penalty.forget_after));
        settings.push(format!("forget_after = {forget_after}"));
    }
    if let Some(delay) = then.delay {
        settings.push(format!("delay = {}", quoted(&span(delay.step))));
        settings.push(format!("at_most = {}", quoted(&span(delay.at_most))));
        settings.push(format!("by = {}", quoted(delay.by.as_str())));
    }
    if let Some(hold) = then.hold {
        settings.push(format!("hold = {}", length(hold)));
    }
    for (key, is_set) in [("kick", then.kick), ("notify", then.notify)] {
        if is_set {
            settings.push(format!("{key} = true"));
        }
    }
    settings
}

fn length(length: Length) -> String {
    match length {
        Length::For(duration) => quoted(&span(duration)),
        Length::UntilRemoved => quoted("permanent"),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn write_ca_file(path: Option<&std::path::Path>, out: &mut String) -> fmt::Result {
    match path {
        Some(path) => writeln!(out, "ca_file = {}", quoted(&path.to_string_lossy())),
        None => Ok(()),
    }
}

/// The rest of `[allow]`, and the sections about regulars, the breaker and baits.
fn write_clemency(config: &ClemencyConfig, out: &mut String) -> fmt::Result {
    writeln!(out, "providers = {}", config.providers)?;
    if let Some(path) = &config.provider_file {
        writeln!(out, "provider_file = {}", quoted(&path.to_string_lossy()))?;
    }
    let spare = &config.spare;
    writeln!(out, "\n[spare]\ndays = {}", spare.days)?;
    writeln!(out, "patience = {}", spare.patience)?;
    let nets = config.early_talkers.iter().map(ToString::to_string);
    writeln!(
        out,
        "early_talkers = {}",
        list(nets.map(|net| quoted(&net)))
    )?;
    let breaker = &config.breaker;
    writeln!(out, "\n[breaker]\nenabled = {}", breaker.enabled)?;
    writeln!(out, "hosts = {}", breaker.hosts)?;
    writeln!(out, "share = {}", breaker.share)?;
    writeln!(out, "bans = {}", breaker.bans)?;
    writeln!(out, "within = {}", quoted(&span(breaker.within)))?;
    writeln!(out, "pause = {}", quoted(&span(breaker.pause)))?;
    let baits = &config.baits;
    writeln!(out, "\n[honeypot]")?;
    for (key, names) in [
        ("accounts", &baits.accounts),
        ("recipients", &baits.recipients),
        ("helo", &baits.helo),
    ] {
        writeln!(
            out,
            "{key} = {}",
            list(names.iter().map(|name| quoted(name)))
        )?;
    }
    Ok(())
}
