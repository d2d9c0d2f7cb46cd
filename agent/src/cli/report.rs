//! `mailwall report`: what happened of late, and who was worst.

use std::time::Duration;

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::limit,
};
use crate::{
    control::protocol::{Answer, Report, ReportBy, Request},
    duration, line, report,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall report --since 1d                               # yesterday and today
  mailwall report --format html > report.html              # a page, to send or to keep
  mailwall report --by network --limit 500 --plain         # one network a line, to ban them from";

/// Most characters of a comment.
const COMMENT_MAX: usize = 512;
/// Longest time of a report.
const SINCE_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// Forms of a report.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// For terminals and e-mail
    Text,
    /// One page, without scripts
    Html,
    /// For programs; the same as --json
    Json,
}

/// Show what was decided of late, and the worst offenders by network, address and account
///
/// Offences are what weighs against a client: bounces that are refused (from=<>), temporary errors and what is the server's own fault do
/// not. Counts are kept by the hour for 31 days, also over a restart.
///
/// --plain: one network a line (with --by account: one account), the worst first, with what it did as a comment behind #; without
/// --by: by network.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// How far back, up to 31d; to the hour
    #[arg(long, value_name = "TIME", default_value = "2d", value_parser = since)]
    since: Duration,
    /// At most this many offenders of each sort; 0 for all
    #[arg(long, value_name = "COUNT", value_parser = limit, default_value_t = 20)]
    limit: usize,
    /// Only offenders by address, network (IPv4 /24, IPv6 /48) or account [default: each]
    #[arg(long, value_name = "SORT", value_parser = by)]
    by: Option<ReportBy>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

fn since(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(since) if since <= SINCE_MAX && !since.is_zero() => Ok(since),
        Ok(_) => Err("counts are kept for 31d".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn by(text: &str) -> Result<ReportBy, String> {
    let found = ReportBy::ALL.iter().find(|by| by.as_str() == text);
    found
        .copied()
        .ok_or_else(|| "it is address, network or account".to_owned())
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let is_plain = console.format == Format::Plain;
    let by = match args.by {
        Some(by) => vec![by],
        None if is_plain => vec![ReportBy::Network],
        None => ReportBy::ALL.to_vec(),
    };
    let request = Request::Report {
        since_s: args.since.as_secs(),
        limit: args.limit,
        by,
    };
    let Answer::Report(report) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    match (console.format, args.format) {
        (Format::Json, _) | (_, Form::Json) => console.json(&report)?,
        (_, Form::Html) => console.line(report::html(&report).trim_end())?,
        (Format::Plain, Form::Text) => plain(&report, console)?,
        (Format::Human, Form::Text) => {
            for line in report::text(&report) {
                console.line(&line)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// One offender a line, such as `ban replace` reads them.
fn plain(report: &Report, console: &mut Console) -> Result<(), Failure> {
    for top in &report.top {
        for one in &top.offenders {
            let hosts = one
                .hosts
                .map_or_else(String::new, |hosts| format!(" of {hosts} hosts"));
            let comment = format!("{} offences{hosts}, last {}", one.offences, one.last);
            let who = line::escaped(one.who.as_bytes(), COMMENT_MAX);
            let comment = line::escaped(comment.as_bytes(), COMMENT_MAX);
            console.line(&format!("{who}\t# {comment}"))?;
        }
    }
    Ok(())
}
