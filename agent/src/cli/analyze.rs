//! `mailwall analyze`: what would have been banned, when and why, without the agent.

mod against;
mod apply;
mod by_rule;
mod closing;
mod logs;
mod near;
mod progress;
mod report;
mod rotation;
mod stream;

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::{ValueHint, builder::PossibleValuesParser};
use jiff::tz::TimeZone;

use self::{
    against::Against,
    by_rule::ByRule,
    closing::{Closing, SparedRecord},
    logs::{Log, Logs},
    near::Near,
    progress::Progress,
    report::Report,
};
use super::{
    console::Console,
    exit::Exit,
    failure::Failure,
    parse::{InputError, time_zone},
};
use crate::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    ban::Sort,
    clock::Clock,
    config::{Config, ConfigError, PRESETS, read_providers},
    decision::Decision,
    dialect::Reader,
    judge::{Judge, JudgeSettings},
};

const EXAMPLES: &str = "EXAMPLES
  mailwall analyze /var/log/mail.log /var/log/mail.log.1    # with the rules in force
  mailwall analyze --against new.toml -v /var/log/mail.log  # what other rules would have done
  mailwall analyze --json mail.log.*.gz | jq                # compressed, for programs";

/// Show what would have been banned, when and why
///
/// Replays logs through the rules of the configuration. Time is the log's own: windows and bans follow it. Several logs
/// are read side by side in the order of their times, so it does not matter in which order they are named; what begins in a file of
/// a rotated log may end in the next. Allowlisted is what is built in and what the configuration says; with --apply, what the agent
/// has on its list, too.
///
/// At the end it says what each rule did and when, who came to 80 % of a limit and was never banned, and who misbehaved but was
/// spared, since it is on the allowlist. Nothing is banned without --apply.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Logs to read, also compressed ones (.gz, .xz, .zst); - for stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Judge by this preset in place of the configuration's
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name)))]
    preset: Option<String>,
    /// Zone of time stamps that name none [default: what the configuration says of the log, else this host's]
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    time_zone: Option<TimeZone>,
    /// Say what this configuration would have done otherwise
    #[arg(long, value_name = "CONFIG", value_hint = ValueHint::FilePath)]
    against: Option<PathBuf>,
    /// Hand the bans that would still be in force to the agent, for what is left of them
    #[arg(long)]
    apply: bool,
}

/// What was read and decided.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Totals {
    lines: u64,
    events: u64,
}

/// What the events are shown to.
struct Court {
    judge: Judge,
    rules: ByRule,
    near: Near,
    against: Option<Against>,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let now = Clock::start().now();
    let config = config(args, &console.paths.config)
        .map_err(|error| Failure::from_chain(Exit::Usage, &error))?;
    let logs = args
        .files
        .iter()
        .map(|path| {
            let zone = args.time_zone.clone();
            let zone = zone.unwrap_or_else(|| zone_of(&config, path));
            let patterns = &config.patterns.set;
            Log::open(path, now, move || {
                Reader::new(zone.clone()).with_patterns(patterns.clone())
            })
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    let agent = match args.apply {
        true => Some(apply::Agent::ask(console)?),
        false => None,
    };
    let mut court = court(args, &config, agent.as_ref())?;
    let mut report = Report::begin(console)?;
    let totals = replay(logs, &mut court, &mut report, console)?;
    let applied = match agent {
        Some(agent) => Some(agent.apply(court.judge.bans(), now, console)?),
        None => None,
    };
    let bans = court.judge.bans().iter();
    let still = bans.filter(|ban| !ban.end.is_over_at(now)).count();
    let (near, near_lost) = court.near.misses();
    let closing = Closing {
        rules: court.rules,
        near,
        near_lost,
        spared: court
            .judge
            .spared()
            .into_iter()
            .map(SparedRecord::of)
            .collect(),
        against: court.against.map(|against| against.differences()),
    };
    report.end(&totals, still, &closing, applied.as_ref(), console)?;
    Ok(match applied {
        Some(applied) if applied.refused > 0 => Exit::Failed,
        _ => Exit::Done,
    })
}

/// Plays the logs to the judge and reports its bans as they come.
fn replay(
    logs: Vec<Log<'_>>,
    court: &mut Court,
    report: &mut Report,
    console: &mut Console,
) -> Result<Totals, Failure> {
    let mut progress = Progress::new(
        console,
        logs.iter().map(Log::size).sum::<Option<u64>>().unwrap_or(0),
    );
    let mut logs = Logs::new(logs);
    let mut totals = Totals::default();
    loop {
        let next = logs.next(|read| progress.show(read));
        let next = next.inspect_err(|_| progress.clear());
        let Some((event, line)) = next.map_err(unreadable)? else {
            break;
        };
        if court
            .judge
            .poll_timeout()
            .is_some_and(|due| due <= event.at)
        {
            court.judge.handle_timeout(event.at);
        }
        court.judge.handle_event(&event, line);
        court.near.handle(&event, line);
        while let Some(decision) = court.judge.next_decision() {
            court.rules.add(&decision);
            match decision {
                Decision::Ban(ban) if ban.sort == Sort::Ban => {
                    progress.clear();
                    report.ban(&ban, console)?;
                    court.near.banned(ban.net);
                    if let Some(against) = &mut court.against {
                        against.note_here(&ban);
                    }
                }
                Decision::WouldBan(ban) => court.near.banned(ban.net),
                _ => {}
            }
        }
        if let Some(against) = &mut court.against {
            against.handle(&event, line);
        }
    }
    progress.clear();
    let read = logs.read();
    totals.lines = read.lines;
    totals.events = read.events;
    Ok(totals)
}

fn unreadable(error: InputError) -> Failure {
    let failure = Failure::from_chain(Exit::Failed, &error);
    match error {
        InputError::Compressed(path) => failure.hint(format!(
            "unpack it for mailwall, such as bzcat {} | mailwall analyze -",
            path.display()
        )),
        InputError::Read { .. } | InputError::Directory(_) => failure,
    }
}

fn config(args: &Args, path: &Path) -> Result<Config, ConfigError> {
    let config = Config::load(path)?;
    let preset = args.preset.as_deref();
    match PRESETS.iter().find(|known| Some(known.name) == preset) {
        Some(preset) => config.with_preset(preset),
        None => Ok(config),
    }
}

/// The zone of stamps that name none: a log that the configuration follows has the one it says there.
fn zone_of(config: &Config, path: &Path) -> TimeZone {
    let source = config.sources.iter().find(|source| source.is_of(path));
    source.map_or_else(TimeZone::system, |source| source.zone.clone())
}

fn court(args: &Args, config: &Config, agent: Option<&apply::Agent>) -> Result<Court, Failure> {
    let allowed = || agent.into_iter().flat_map(apply::Agent::allowed);
    let against = match &args.against {
        None => None,
        Some(path) => {
            let other =
                Config::load(path).map_err(|error| Failure::from_chain(Exit::Usage, &error))?;
            Some(Against::new(path, judge(&other, allowed()), names(&other)))
        }
    };
    let judge = judge(config, allowed());
    Ok(Court {
        near: Near::new(config, &settings(config), judge.allowlist().clone()),
        judge,
        rules: ByRule::new(names(config)),
        against,
    })
}

/// The names of the rules.
fn names(config: &Config) -> impl Iterator<Item = String> {
    config
        .rules
        .rules
        .iter()
        .map(|(rule, _)| rule.name.to_string())
}

fn settings(config: &Config) -> JudgeSettings {
    let rules = config.rules.rules.iter().map(|(rule, _)| rule.clone());
    JudgeSettings {
        rules: rules.collect(),
        ipv6_prefix: config.filter.ipv6_prefix,
    }
}

fn judge(config: &Config, allowed: impl Iterator<Item = AllowEntry>) -> Judge {
    let configured = config.allow.iter().map(|net| AllowEntry {
        net: *net,
        origin: AllowOrigin::Config,
        reason: String::new(),
    });
    let mut judge = Judge::new(settings(config), Allowlist::new(configured.chain(allowed)));
    config.clemency.put_in_force(&mut judge);
    let listed = config.clemency.provider_file.as_deref();
    // One that cannot be read leaves the shipped list in force, as it does in the agent.
    if let Some(Ok(providers)) = listed
        .filter(|_| config.clemency.providers)
        .map(read_providers)
    {
        judge.set_providers(providers);
    }
    judge
}

/// How a time is written in JSON and plain output.
fn rfc3339(at: SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(at).ok()?;
    Some(at.to_string())
}
