//! fail2ban's jails as a configuration to start from. What they say of mail becomes rules, sources and allowed networks; what
//! cannot be carried over is named with its file and line. Nothing of it is executed, and nothing outside the folder is read.

mod filters;
mod ini;
mod times;

use std::{collections::BTreeSet, fmt::Write as _, io, net::IpAddr, path::Path, time::Duration};

use ipnet::IpNet;

use self::{
    filters::counted,
    ini::{DEFAULT, Settings},
    times::{Time, time},
};
use super::fail2ban;
use crate::{
    ban::RuleName,
    duration,
    line::escaped,
    rule::{LIMIT_MAX, WINDOW_MAX},
};

/// Where fail2ban keeps them.
pub const DEFAULT_FOLDER: &str = "/etc/fail2ban";
/// Most characters of a value in a remark.
const SHOWN_MAX: usize = 80;
/// Most remarks; more are counted.
const REMARKS_MAX: usize = 1000;
/// Most rules that a configuration takes, and most sources.
const JAILS_MAX: usize = 64;
/// Ports by the names that jails use.
const PORTS: [(&str, u16); 11] = [
    ("smtp", 25),
    ("ssmtp", 465),
    ("smtps", 465),
    ("submissions", 465),
    ("submission", 587),
    ("imap", 143),
    ("imap2", 143),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("sieve", 4190),
];
/// Settings of a jail that are carried over, or mean nothing here.
const CARRIED: [&str; 16] = [
    "enabled",
    "filter",
    "mode",
    "port",
    "logpath",
    "backend",
    "maxretry",
    "findtime",
    "bantime",
    "bantime.increment",
    "bantime.maxtime",
    "bantime.multipliers",
    "ignoreip",
    "ignoreself",
    "journalmatch",
    "usedns",
];
/// What stands in the place of others.
const ELSEWHERE: [(&str, &str); 13] = [
    (
        "action",
        "the filter in the kernel is the only action; [[notify]] tells others",
    ),
    ("banaction", "the filter in the kernel is the only action"),
    ("destemail", "write it as email = ... in a [[notify]]"),
    ("sender", "write it as from = ... in a [[notify]]"),
    ("mta", "write it as server = ... in a [[notify]]"),
    (
        "ignorecommand",
        "no command is asked: name networks in [allow] networks",
    ),
    (
        "failregex",
        "lines of unknown programs are read by a [[pattern]]",
    ),
    (
        "ignoreregex",
        "lines of unknown programs are read by a [[pattern]]",
    ),
    (
        "datepattern",
        "times are read as the programs write them; others by the stamp of a [[pattern]]",
    ),
    (
        "logtimezone",
        "write it as time_zone = ... in the [[source]]",
    ),
    (
        "bantime.overalljails",
        "bans by any rule make the next one longer, always",
    ),
    (
        "bantime.rndtime",
        "bans end when they are over, not by chance",
    ),
    (
        "bantime.formula",
        "each further ban is `factor` times longer: see [ban]",
    ),
];
const NO_PLACE: &str = "nothing here is like it";

/// A configuration to start from.
#[derive(Debug, Default)]
pub struct Proposal {
    /// The configuration, which observes.
    pub toml: String,
    /// What was not carried over, or not as it was: one line each, without control characters.
    pub remarks: Vec<String>,
    /// Jails that became rules.
    pub jails: usize,
}

/// Reads the jails of a folder such as [`DEFAULT_FOLDER`].
///
/// # Errors
/// When there are none, or they cannot be read.
pub fn propose(folder: &Path) -> io::Result<Proposal> {
    let settings = Settings::read(folder)?;
    let mut draft = Draft::default();
    draft.networks(&settings, DEFAULT);
    let names: Vec<&str> = settings.jails().collect();
    for name in names {
        let is_enabled = settings.value(name, "enabled");
        if is_enabled.is_some_and(|value| is_true(&value)) {
            draft.jail(&settings, name);
        }
    }
    draft.uncarried(&settings, DEFAULT);
    Ok(draft.finished())
}

/// What was found so far.
#[derive(Default)]
struct Draft {
    networks: BTreeSet<IpNet>,
    ports: BTreeSet<u16>,
    logs: BTreeSet<String>,
    journal: bool,
    rules: String,
    jails: usize,
    remarks: Vec<String>,
    untold: usize,
}

impl Draft {
    fn jail(&mut self, settings: &Settings, name: &str) {
        let place = settings
            .setting(name, "enabled")
            .map_or_else(String::new, |enabled| enabled.place.clone());
        let about = format!("{place}: jail {}", shown(name));
        if name == "recidive" {
            return self.remark(format!(
                "{about}: [ban] factor makes each further ban longer"
            ));
        }
        let value = |key: &str| settings.value(name, key);
        let filter = value("filter").unwrap_or_else(|| name.to_owned());
        let filter = filter.replace("%(__name__)s", name);
        let (filter, mode) = filters::parts(&filter, value("mode").as_deref());
        let Some(counted) = counted(&filter, &mode) else {
            let why = if fail2ban::is_about_mail(name) || fail2ban::is_about_mail(&filter) {
                format!(
                    "its filter {} is not known: write a [[pattern]]",
                    shown(&filter)
                )
            } else {
                "not about mail, leave it to fail2ban".to_owned()
            };
            return self.remark(format!("{about}: {why}"));
        };
        if self.jails == JAILS_MAX {
            return self.remark(format!("{about}: more than {JAILS_MAX} jails"));
        }
        let Some(rule) = rule_name(name) else {
            return self.remark(format!("{about}: cannot be the name of a rule"));
        };
        let limit = value("maxretry").map_or(Some(5), |text| text.parse().ok());
        let Some(limit) = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit)) else {
            return self.remark(format!(
                "{about}: its maxretry is no number from 1 to {LIMIT_MAX}"
            ));
        };
        let window = match time(&value("findtime").unwrap_or_else(|| "10m".to_owned())) {
            Some(Time::For(window)) if window > WINDOW_MAX => {
                let most = duration::format(WINDOW_MAX);
                self.remark(format!("{about}: its findtime is cut to {most}"));
                WINDOW_MAX
            }
            Some(Time::For(window)) => window,
            Some(Time::Ever) | None => {
                return self.remark(format!("{about}: its findtime is no length of time"));
            }
        };
        let Some(ban) = time(&value("bantime").unwrap_or_else(|| "10m".to_owned())) else {
            return self.remark(format!("{about}: its bantime is no length of time"));
        };
        let then = self.then(settings, name, ban, &about);
        self.jails += 1;
        let _ = write!(
            self.rules,
            "\n# Jail {}, filter {}.\n[[rule]]\nname = \"{rule}\"\ncount = [{}]\nper = \"address\"\nlimit = {limit}\nwindow = \"{}\"\nthen = {then}\n",
            shown(name),
            shown(&filter),
            quoted(counted),
            duration::format(window),
        );
        self.ports(&value("port").unwrap_or_default(), &about);
        self.logs(settings, name, &about);
        if settings.own(name).any(|(key, _)| key == "ignoreip") {
            self.networks(settings, name);
            self.remark(format!("{about}: its ignoreip holds for all rules here"));
        }
        self.uncarried(settings, name);
    }

    /// What follows, as a table of TOML.
    fn then(&mut self, settings: &Settings, name: &str, ban: Time, about: &str) -> String {
        let Time::For(first) = ban else {
            return "{ ban = \"permanent\" }".to_owned();
        };
        let value = |key: &str| settings.value(name, key);
        let first_text = duration::format(first);
        if !value("bantime.increment").is_some_and(|value| is_true(&value)) {
            return format!("{{ ban = \"{first_text}\", factor = 1 }}");
        }
        if value("bantime.multipliers").is_some() {
            self.remark(format!(
                "{about}: bans grow by a factor of 2, not by its multipliers"
            ));
        }
        let most = value("bantime.maxtime").as_deref().and_then(time);
        let most = match most {
            Some(Time::For(most)) => most.max(first),
            Some(Time::Ever) | None => {
                // Debian's formula stops at 2^20 times the first ban.
                let year = Duration::from_secs(365 * 86_400);
                self.remark(format!("{about}: no ban is longer than a year here"));
                year.max(first)
            }
        };
        format!(
            "{{ ban = \"{first_text}\", factor = 2, at_most = \"{}\" }}",
            duration::format(most)
        )
    }

    fn ports(&mut self, text: &str, about: &str) {
        for word in text.split([',', ' ', '\n']).filter(|word| !word.is_empty()) {
            let known = PORTS.iter().find(|(name, _)| *name == word);
            match known.map(|(_, port)| *port).or_else(|| word.parse().ok()) {
                Some(port) if port > 0 => {
                    self.ports.insert(port);
                }
                _ => self.remark(format!(
                    "{about}: port {} is not guarded: name ports in [filter] ports",
                    shown(word)
                )),
            }
        }
    }

    fn logs(&mut self, settings: &Settings, name: &str, about: &str) {
        let backend = settings.value(name, "backend").unwrap_or_default();
        if backend.starts_with("systemd") {
            self.journal = true;
            return;
        }
        let paths = settings.value(name, "logpath").unwrap_or_default();
        for line in paths.lines() {
            // Behind the path may stand "head" or "tail".
            let Some(path) = line.split_whitespace().next() else {
                continue;
            };
            let is_path = path.starts_with('/')
                && !path.contains(|c: char| c.is_control() || "[]{}%\"\\".contains(c));
            if is_path && self.logs.len() < JAILS_MAX {
                self.logs.insert(path.to_owned());
            } else {
                let path = shown(path);
                self.remark(format!(
                    "{about}: logpath {path} cannot be followed: write a [[source]]"
                ));
            }
        }
    }

    /// `ignoreip` of a section.
    fn networks(&mut self, settings: &Settings, section: &str) {
        let Some(setting) = settings.setting(section, "ignoreip") else {
            return;
        };
        let place = setting.place.clone();
        let value = settings.value(section, "ignoreip").unwrap_or_default();
        for word in value
            .split([',', ' ', '\t', '\n'])
            .filter(|word| !word.is_empty())
        {
            let net = word
                .parse::<IpNet>()
                .map(|net| net.trunc())
                .or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
            match net {
                // The built-in part of the allowlist.
                Ok(net) if net.addr().is_loopback() => {}
                Ok(net) => {
                    self.networks.insert(net);
                }
                Err(_) => self.remark(format!(
                    "{place}: ignoreip {}: no address or network; names are never looked up",
                    shown(word)
                )),
            }
        }
    }

    /// Names what the operator wrote in a section and has no place here.
    fn uncarried(&mut self, settings: &Settings, section: &str) {
        let own: Vec<_> = settings
            .own(section)
            .filter(|(key, setting)| setting.is_own && !CARRIED.contains(key))
            .map(|(key, setting)| (key.to_owned(), setting.place.clone()))
            .collect();
        for (key, place) in own {
            let known = ELSEWHERE.iter().find(|(name, _)| *name == key);
            let family = ELSEWHERE
                .iter()
                .find(|(name, _)| key.starts_with(&format!("{name}_")));
            let why = known.or(family).map_or(NO_PLACE, |(_, why)| why);
            self.remark(format!("{place}: {}: {why}", shown(&key)));
        }
    }

    fn remark(&mut self, text: String) {
        if self.remarks.len() < REMARKS_MAX {
            self.remarks.push(text);
        } else {
            self.untold += 1;
        }
    }

    fn finished(mut self) -> Proposal {
        if self.untold > 0 {
            let more = format!("{} more", self.untold);
            self.remarks.push(more);
        }
        let mut toml = String::from(
            "# Made from fail2ban's jails. Nothing is dropped before [filter] says mode = \"enforce\".\n",
        );
        if !self.remarks.is_empty() {
            toml += "#\n# Not carried over, or not as it was:\n";
        }
        for remark in &self.remarks {
            let _ = writeln!(toml, "#   {remark}");
        }
        toml += "\n[filter]\nmode = \"observe\"\n";
        if !self.ports.is_empty() {
            let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
            let _ = writeln!(toml, "ports = [{}]", ports.join(", "));
        }
        if !self.networks.is_empty() {
            let networks = self.networks.iter().map(ToString::to_string);
            let networks: Vec<String> = networks.collect();
            let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
            let _ = writeln!(toml, "\n[allow]\nnetworks = [{}]", quoted(&networks));
        }
        for log in &self.logs {
            let _ = writeln!(toml, "\n[[source]]\nfile = \"{log}\"");
        }
        if self.journal {
            toml += "\n[[source]]\njournal = true\n";
        }
        toml += "\n# The preset's rules hold beside those of the jails.\n[rules]\npreset = \"balanced\"\n";
        toml += &self.rules;
        Proposal {
            toml,
            remarks: self.remarks,
            jails: self.jails,
        }
    }
}

fn is_true(text: &str) -> bool {
    ["true", "yes", "on", "1"].contains(&text.to_lowercase().as_str())
}

/// A jail's name as a rule may have it.
fn rule_name(jail: &str) -> Option<RuleName> {
    let lower = jail.to_lowercase();
    let fitting = lower.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    RuleName::new(fitting.trim_matches('-'))
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn shown(text: &str) -> String {
    escaped(text.as_bytes(), SHOWN_MAX)
}

#[cfg(test)]
mod tests;
