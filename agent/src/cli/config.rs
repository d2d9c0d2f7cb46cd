//! `mailwall config`: the configuration, without the agent.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueHint;
use nix::unistd::Group;
use serde::Serialize;

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::count,
};
use crate::{
    config::{Config, ConfigError},
    control::protocol::SCHEMA,
    exchange::jails,
    host::{self, MailLog, MailLogPlace},
};

/// Group that a package makes, whose members may use the control socket.
const GROUP: &str = "mailwall";

const EXAMPLES: &str = "EXAMPLES
  mailwall config check                                      # is the configuration right?
  mailwall config show                                       # all settings in force after a reload
  mailwall config default > /etc/mailwall/mailwall.toml      # a start, every setting explained";

const CHECK_EXAMPLES: &str = "EXAMPLES
  mailwall config check                          # the file the agent reads
  mailwall config check ./mailwall.toml          # another one
  mailwall config check && mailwall reload       # only what is right";

const SHOW_EXAMPLES: &str = "EXAMPLES
  mailwall config show                             # every setting, also defaults
  mailwall config show --config ./mailwall.toml    # of another file
  mailwall config show --json                      # for programs";

const DEFAULT_EXAMPLES: &str = "EXAMPLES
  mailwall config default > /etc/mailwall/mailwall.toml         # to start from
  mailwall config default --for-this-host                       # with its logs, dropping nothing
  mailwall config default | diff - /etc/mailwall/mailwall.toml  # what is different here?";

const FROM_FAIL2BAN_EXAMPLES: &str = "EXAMPLES
  mailwall config from-fail2ban                                 # the jails of /etc/fail2ban
  mailwall config from-fail2ban ./fail2ban > ./mailwall.toml    # of a copy of that folder
  mailwall config from-fail2ban --json                          # for programs";

/// Check and show the configuration
///
/// The agent is not asked: this is about the file. mailwall reload puts it in force.
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    /// Check the configuration; exit code 2 where it is wrong
    ///
    /// Rules that contradict each other, or can never do anything, are told on stderr; the configuration is right all the same.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check {
        /// File to check instead of the one the agent reads
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Show every setting, given or default
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show,
    /// Print the default configuration, every setting explained
    #[command(after_long_help = DEFAULT_EXAMPLES)]
    Default {
        /// With the mail logs of this host, and observing: nothing is dropped
        ///
        /// What was found is said on stderr.
        #[arg(long)]
        for_this_host: bool,
    },
    /// Print a configuration made from fail2ban's jails
    ///
    /// Read are jail.conf, jail.local and jail.d. Jails for mail programs that are enabled become rules, beside those of the
    /// preset; logs, ports and ignoreip come with them. What cannot be carried over is named with its file and line on
    /// stderr, and at the top of what is printed. Bans are taken over by mailwall import fail2ban.
    #[command(name = "from-fail2ban", after_long_help = FROM_FAIL2BAN_EXAMPLES)]
    FromFail2ban {
        /// Folder of the jails
        #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath, default_value = jails::DEFAULT_FOLDER)]
        folder: PathBuf,
    },
}

/// What `config check --json` prints of a configuration that is right.
#[derive(Serialize)]
struct Checked<'a> {
    schema: u32,
    file: &'a str,
    valid: bool,
    /// Rules that contradict each other, or can never fire.
    warnings: &'a [String],
}

/// What `config show --json` and `config default --json` print.
#[derive(Serialize)]
struct Shown {
    schema: u32,
    config: serde_json::Value,
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        Command::Check { file: Some(file) } => check(&file, console),
        Command::Check { file: None } => check(&console.paths.config.clone(), console),
        Command::Show => show(console),
        Command::Default {
            for_this_host: false,
        } => text(Config::default_text(), console),
        Command::Default {
            for_this_host: true,
        } => for_this_host(console),
        Command::FromFail2ban { folder } => from_fail2ban(&folder, console),
    }
}

fn check(file: &Path, console: &mut Console) -> Result<Exit, Failure> {
    let config = Config::load(file).map_err(|error| rejected(&error))?;
    let name = file.display().to_string();
    // A file that is missing has no rules of its own.
    let text = fs::read_to_string(file).unwrap_or_default();
    let warnings: Vec<String> = config
        .contradictions(&text)
        .into_iter()
        .map(|found| match found.line {
            Some(line) => format!("{name}:{line}: rule \"{}\": {}", found.rule, found.what),
            None => format!("rule \"{}\" of the preset: {}", found.rule, found.what),
        })
        .collect();
    for warning in &warnings {
        console.warn(warning);
    }
    let answer = Checked {
        schema: SCHEMA,
        file: &name,
        valid: true,
        warnings: &warnings,
    };
    let rules = count(config.rules.rules.len(), "rule", "rules");
    let sources = count(config.sources.len(), "source", "sources");
    let found = if file.exists() {
        "is right"
    } else {
        "does not exist: the defaults hold"
    };
    let sentence = format!("{name} {found} ({sources}, {rules})");
    console.done(&answer, &[&name, "valid"], &sentence)?;
    Ok(Exit::Done)
}

fn rejected(error: &ConfigError) -> Failure {
    Failure::from_chain(Exit::Usage, error)
}

fn show(console: &mut Console) -> Result<Exit, Failure> {
    let config = Config::load(&console.paths.config).map_err(|error| rejected(&error))?;
    text(&config.to_toml(), console)
}

fn for_this_host(console: &mut Console) -> Result<Exit, Failure> {
    let logs = host::mail_logs(Path::new("/"));
    for MailLog { place, what } in &logs {
        match place {
            MailLogPlace::File(path) => {
                console.note(&format!("found {}: {what}", path.display()));
            }
            MailLogPlace::Journal => console.note(&format!("found {what}")),
        }
    }
    if logs.is_empty() {
        console.note("found no mail log; one at /var/log/mail.log is read when it comes");
    }
    let group = Group::from_name(GROUP).ok().flatten().map(|_| GROUP);
    text(&Config::text_for_host(&logs, group), console)
}

fn from_fail2ban(folder: &Path, console: &mut Console) -> Result<Exit, Failure> {
    let proposal = jails::propose(folder).map_err(|error| {
        Failure::usage(format!(
            "cannot read fail2ban's jails in {}: {error}",
            folder.display()
        ))
        .hint("name the folder with jail.conf and jail.local")
    })?;
    // A mistake here would be found only when the agent reads it.
    Config::parse(&proposal.toml, "the configuration made from the jails")
        .map_err(|error| rejected(&error))?;
    for remark in &proposal.remarks {
        console.note(remark);
    }
    let jails = count(proposal.jails, "jail became a rule", "jails became rules");
    let open = count(proposal.remarks.len(), "remark", "remarks");
    console.note(&format!("{jails}; {open}"));
    text(&proposal.toml, console)
}

/// A configuration as text, or its settings as JSON.
fn text(toml: &str, console: &mut Console) -> Result<Exit, Failure> {
    match console.format {
        Format::Human | Format::Plain => console.line(toml.trim_end())?,
        Format::Json => {
            let settings: serde_json::Value =
                toml::from_str(toml).map_err(|error| Failure::from_chain(Exit::Failed, &error))?;
            console.json(&Shown {
                schema: SCHEMA,
                config: settings,
            })?;
        }
    }
    Ok(Exit::Done)
}
