//! `mailwall import`: bans of other programs.

mod limits;

use std::{fs, path::PathBuf};

use clap::{ValueHint, builder::PossibleValuesParser};
use serde::Serialize;

use super::{
    console::{Console, Format as Output, Volume},
    exchange,
    exit::Exit,
    failure::Failure,
    number::{count, grouped},
};
use crate::{
    ban::{LIST_PREFIX, ListName},
    clock::Clock,
    control::protocol::{BansSet, Commit, SCHEMA},
    exchange::{FORMATS, Format, Imported, Options, Read, fail2ban},
};

const EXAMPLES: &str = "EXAMPLES
  mailwall import sendmail-access /etc/mail/access --dry-run   # what would be done, and what not
  mailwall import spamhaus-drop drop_v4.json drop_v6.json --replace --yes
  ipset save | mailwall import ipset --set f2b-postfix         # with what is left of each entry";

/// Take over bans that other programs keep
///
/// Formats: sendmail-access, postscreen-cidr, fail2ban (its database), crowdsec, ipset, nft, spamhaus-drop, csv, json. The bans make a
/// list of the name of the format, or of --list; csv and json say themselves who decided each. Ends are kept as they are.
///
/// It is all or nothing: when something in the file is wrong, it is named with its line and nothing is banned, unless --partial
/// leaves out what is wrong. Networks on the allowlist are named and left out. What is banned by hand or by another list stays
/// as it is.
///
/// Of an access map, REJECT, DISCARD and permanent errors by address become bans, less what more special entries let through;
/// --allow puts these on the allowlist. ClientRate: and ClientConn: become limit sections, GreetPause: 0 becomes early_talkers of
/// the section spare; both are shown, or written to the file of --limits-to: they belong into the configuration. The rest is
/// the mail server's.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// What the file is
    #[arg(value_name = "FORMAT", value_parser = PossibleValuesParser::new(FORMATS.iter().filter(|format| format.is_read()).map(|format| format.name)), hide_possible_values = true)]
    format: String,
    /// Files to read; - or none for stdin, and fail2ban's usual database where that is wanted
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Make the bans a list of this name
    #[arg(long, value_name = "NAME", value_parser = list_name)]
    list: Option<ListName>,
    /// The files are all of the list: what else is in it leaves it
    #[arg(long)]
    replace: bool,
    /// Only this set (ipset, nft) or jail (fail2ban); may be given several times
    #[arg(long = "set", visible_alias = "jail", value_name = "NAME")]
    only: Vec<String>,
    /// Also jails of fail2ban that are not about mail
    #[arg(long)]
    all: bool,
    /// Put on the allowlist whom the file lets through (OK, RELAY, permit)
    #[arg(long)]
    allow: bool,
    /// Write limits on connections here in place of showing them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    limits_to: Option<PathBuf>,
    /// Leave out what is wrong, and take the rest
    #[arg(long)]
    partial: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Networks wider than /16 (IPv6: /32) are meant
    #[arg(long, visible_alias = "force")]
    yes: bool,
}

/// A name of a list as an argument.
pub(super) fn list_name(text: &str) -> Result<ListName, String> {
    ListName::new(text)
        .ok_or_else(|| "a list has 1 to 32 lower-case letters, digits and hyphens".to_owned())
}

/// What came of it, as JSON.
#[derive(Serialize)]
struct Outcome<'a> {
    schema: u32,
    format: &'a str,
    list: Option<&'a str>,
    lines: u64,
    read: usize,
    left_alone: u64,
    over: u64,
    notes: Vec<String>,
    mistakes: Vec<String>,
    /// As the configuration has them.
    limits: String,
    exempt: Vec<String>,
    /// Whom the file lets through.
    let_through: Vec<String>,
    /// What the agent did; `null` where it was not asked.
    agent: Option<BansSet>,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let Some(format) = Format::named(&args.format) else {
        return Err(Failure::usage("no such format"));
    };
    let list = match &args.list {
        Some(name) => Some(name.as_str()),
        None if format.has_origins => None,
        None => Some(format.name),
    };
    if args.replace && list.is_none() {
        let error = format!(
            "--replace needs --list: {} says of each ban where it comes from",
            format.name
        );
        return Err(Failure::usage(error));
    }
    let mut imported = read(args, format, console)?;
    if args.list.is_some() {
        imported.bans.iter_mut().for_each(|ban| ban.origin = None);
    }
    let limits = limits::toml(&imported);
    let files: Vec<String> = files(args, format)
        .iter()
        .map(|path| exchange::shown(path))
        .collect();
    if !args.partial {
        exchange::refuse_mistakes(&files.join(", "), &imported)?;
    }
    let mut allow: Vec<_> = match args.allow {
        true => imported.allowed.iter().map(|allowed| allowed.net).collect(),
        false => Vec::new(),
    };
    allow.sort();
    allow.dedup();
    let is_nothing = imported.bans.is_empty() && allow.is_empty() && limits.is_empty();
    if is_nothing && imported.over == 0 && (args.replace || imported.left_alone == 0) {
        return Err(Failure::usage(format!(
            "nothing to import in {}",
            files.join(", ")
        )));
    }
    let set = match imported.bans.is_empty() && allow.is_empty() {
        true => None,
        false => ask(args, list, allow, &imported, console)?,
    };
    if let Some(path) = &args.limits_to
        && !limits.is_empty()
        && !args.dry_run
    {
        fs::write(path, &limits).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write {}: {error}", path.display()),
            )
            .hint("the bans are in force; the limits are not written")
        })?;
    }
    tell(args, format, list, &imported, set, &limits, console)?;
    Ok(Exit::Done)
}

/// The files to read.
fn files(args: &Args, format: &Format) -> Vec<PathBuf> {
    match (args.files.is_empty(), format.read) {
        (false, _) => args.files.clone(),
        (true, Read::Database(_)) => vec![fail2ban::DEFAULT_PATH.into()],
        (true, Read::Text(_) | Read::No) => vec!["-".into()],
    }
}

/// Reads all files, and says what there is to say of each.
fn read(args: &Args, format: &Format, console: &Console) -> Result<Imported, Failure> {
    let options = Options {
        now: Clock::start().now(),
        only: args.only.clone(),
        all: args.all,
    };
    let mut all = Imported::default();
    for path in files(args, format) {
        let mut imported = Imported::default();
        let read = match format.read {
            Read::Text(read) => read(&mut *exchange::open(&path)?, &options, &mut imported),
            Read::Database(read) => read(&path, &options, &mut imported),
            Read::No => Ok(()),
        };
        read.map_err(|error| exchange::unreadable(&path, &error))?;
        exchange::tell(console, &path, &imported.mistakes);
        exchange::tell(console, &path, &imported.notes);
        all.join(imported);
    }
    Ok(all)
}

/// Has the agent do it, or say what it would do; `None` where it only would, and does not run.
fn ask(
    args: &Args,
    list: Option<&str>,
    allow: Vec<ipnet::IpNet>,
    imported: &Imported,
    console: &Console,
) -> Result<Option<BansSet>, Failure> {
    let rule = list.map_or_else(
        || "manual".to_owned(),
        |list| format!("{LIST_PREFIX}{list}"),
    );
    let commit = Commit {
        replace: list.filter(|_| args.replace).map(str::to_owned),
        allow,
        allow_reason: format!("import {}", args.format),
        wide: args.yes,
        partial: args.partial,
        dry_run: args.dry_run,
        ..Commit::default()
    };
    match exchange::send(&imported.bans, &rule, commit, console) {
        Ok(set) => {
            exchange::tell_skipped(&set, console);
            Ok(Some(set))
        }
        Err(Failure::Said {
            exit: Exit::NotRunning,
            ..
        }) if args.dry_run => {
            console.warn("mailwall is not running: what it would refuse is not known");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn tell(
    args: &Args,
    format: &Format,
    list: Option<&str>,
    imported: &Imported,
    set: Option<BansSet>,
    limits: &str,
    console: &mut Console,
) -> Result<(), Failure> {
    match console.format {
        Output::Json => console.json(&Outcome {
            schema: SCHEMA,
            format: format.name,
            list,
            lines: imported.lines,
            read: imported.bans.len(),
            left_alone: imported.left_alone,
            over: imported.over,
            notes: imported
                .notes
                .iter()
                .map(|note| note.to_string().trim().to_owned())
                .collect(),
            mistakes: imported
                .mistakes
                .iter()
                .map(|note| note.to_string().trim().to_owned())
                .collect(),
            limits: limits.to_owned(),
            exempt: imported.exempt.iter().map(ToString::to_string).collect(),
            let_through: imported
                .allowed
                .iter()
                .map(|allowed| allowed.net.to_string())
                .collect(),
            agent: set,
        }),
        Output::Plain => {
            let set = set.unwrap_or_default();
            let numbers = [
                set.added,
                set.renewed,
                set.kept,
                set.held,
                set.removed,
                set.skipped_total,
            ];
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            console.line(&numbers.join("\t"))
        }
        Output::Human if console.volume == Volume::Quiet => Ok(()),
        Output::Human => {
            let over = match imported.over {
                0 => String::new(),
                over => format!(", {} that are over", grouped(over)),
            };
            let alone = match imported.left_alone {
                0 => String::new(),
                alone => format!(", {} left alone", grouped(alone)),
            };
            console.line(&format!(
                "read {}{over}{alone}",
                count(imported.bans.len(), "ban", "bans")
            ))?;
            match set {
                Some(set) => console.line(&exchange::sentence(&set))?,
                None if args.dry_run => console.line("nothing was changed")?,
                None => {}
            }
            let through = imported.allowed.len();
            if through > 0 && !args.allow {
                let whom = count(through, "network is", "networks are");
                console.line(&format!(
                    "{whom} let through by the file; --allow puts them on the allowlist"
                ))?;
            }
            match &args.limits_to {
                _ if limits.is_empty() => Ok(()),
                Some(path) if !args.dry_run => console.line(&format!(
                    "limits are in {}: add them to the configuration, and mailwall reload",
                    path.display()
                )),
                _ => console.line(&format!(
                    "\nTo be added to the configuration, then mailwall reload:\n\n{}",
                    limits.trim_end()
                )),
            }
        }
    }
}
