//! `mailwall ban replace`.

use std::path::{Path, PathBuf};

use clap::ValueHint;

use crate::{
    ban::{LIST_PREFIX, ListName},
    cli::{console::Console, exchange, exit::Exit, failure::Failure, import::list_name, net},
    control::protocol::Commit,
    exchange::{Imported, list},
};

const EXAMPLES: &str = "EXAMPLES
  mailwall ban replace daily top500.txt                          # the list is what the file says
  mailwall ban replace daily top500.txt --dry-run                # what would change
  cut -f1 access | mailwall ban replace partners - --reason old  # from another program";

/// Put a list of networks in force in place of what the list was before
///
/// A network a line, # starts a comment. It is one step, and all or nothing: who is new is shut out, who is gone is let in, and
/// who stays keeps its beginning and its count of drops. The same list again changes nothing. Bans by hand, by rules and by
/// other lists stay as they are.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Name of the list
    #[arg(value_name = "NAME", value_parser = list_name)]
    name: ListName,
    /// File with the networks; - or none for stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, default_value = "-", hide_default_value = true)]
    file: PathBuf,
    /// Why; shown in lists
    #[arg(long, value_name = "TEXT", value_parser = net::parse_reason, default_value = "listed")]
    reason: String,
    /// The file may be empty: the list ends
    #[arg(long)]
    empty: bool,
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

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let path: &Path = &args.file;
    let mut imported = Imported::default();
    list::read(&mut *exchange::open(path)?, &args.reason, &mut imported)
        .map_err(|error| exchange::unreadable(path, &error))?;
    exchange::tell(console, path, &imported.mistakes);
    if !args.partial {
        exchange::refuse_mistakes(&exchange::shown(path), &imported)?;
    }
    if imported.bans.is_empty() && !args.empty {
        let error = format!("no networks in {}", exchange::shown(path));
        return Err(Failure::usage(error).hint("--empty, if the list is to end"));
    }
    let commit = Commit {
        replace: Some(args.name.to_string()),
        wide: args.yes,
        partial: args.partial,
        dry_run: args.dry_run,
        ..Commit::default()
    };
    let rule = format!("{LIST_PREFIX}{}", args.name);
    let set = exchange::send(&imported.bans, &rule, commit, console)?;
    exchange::tell_skipped(&set, console);
    let numbers = [
        set.added,
        set.renewed,
        set.kept,
        set.held,
        set.removed,
        set.skipped_total,
    ];
    let numbers = numbers.map(|number| number.to_string());
    let plain: Vec<&str> = numbers.iter().map(String::as_str).collect();
    console.done(&set, &plain, &exchange::sentence(&set))?;
    Ok(Exit::Done)
}
