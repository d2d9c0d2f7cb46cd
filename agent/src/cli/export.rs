//! `mailwall export`: our bans for other programs.

use clap::builder::PossibleValuesParser;

use super::{console::Console, exchange, exit::Exit, failure::Failure, import::list_name};
use crate::{
    ban::ListName,
    clock::Clock,
    exchange::{FORMATS, Format, Remarks},
};

const EXAMPLES: &str = "EXAMPLES
  mailwall export json > bans.json                           # all, for mailwall import json
  mailwall export nft --list spamhaus-drop > drop.nft        # one list, for nft -f
  mailwall export sendmail-access --permanent > access.bans  # without what ends by itself";

/// Write the bans in force as other programs keep them
///
/// Formats: sendmail-access, postscreen-cidr, exim-iplsearch, ipset, nft, csv, json. What ends by itself keeps its end where
/// the format has such a thing.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// What is to be written
    #[arg(value_name = "FORMAT", value_parser = PossibleValuesParser::new(FORMATS.iter().filter(|format| format.write.is_some()).map(|format| format.name)), hide_possible_values = true)]
    format: String,
    /// Only the bans of this list
    #[arg(long, value_name = "NAME", value_parser = list_name)]
    list: Option<ListName>,
    /// Only bans without an end
    #[arg(long)]
    permanent: bool,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let Some(write) = Format::named(&args.format).and_then(|format| format.write) else {
        return Err(Failure::usage("no such format"));
    };
    let mut bans = exchange::fetch(args.list.as_ref().map(ListName::as_str), console)?;
    if args.permanent {
        bans.retain(|ban| ban.ends.is_none());
    }
    let now = Clock::start().now();
    let mut notes = Remarks::default();
    write(console.out(), &bans, now, &mut notes)?;
    console.flush()?;
    exchange::tell(console, format!("export {}", args.format).as_ref(), &notes);
    Ok(Exit::Done)
}
