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
