//! `mailwall status`: what an operator reads at three in the morning. What is wrong comes first.

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::{count, grouped, rate},
    paint::Tone,
    source,
    table::{Cell, Table},
    time,
};
use crate::{
    control::protocol::{Answer, DatabaseView, Interface, PolicyView, Request, Status},
    line,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall                                    # the same
  mailwall status --json                      # for monitoring: .problems is [] when all is well
  mailwall status --plain | grep '^problem'   # for a shell script";

/// Lists of bans that are named.
const LISTS_SHOWN: usize = 5;
/// Most characters of a problem.
const PROBLEM_MAX: usize = 1024;

/// Show how it is going: problems, mode, interfaces, bans, logs
///
/// What is wrong comes first. The exit code is 0 whenever the agent answers, with or without problems; 3 when it is not
/// running.
///
/// --plain: one fact a line, its name first: version, pid, started, mode, ports, bans, allowed, dropped, drops_per_s, tracked,
/// over_rate, over_concurrent, database (bytes in use, and at most); then interface NAME MODE PROBLEM BUFFERS NOTE (BUFFERS is multi-buffer or empty), limit NETWORK
/// PER_MINUTE CONCURRENT COUNTS, source NAME STATE LAG_BYTES LAST_LINE PROBLEM, policy LISTEN STATE CONNECTIONS REQUESTS HELD
/// REFUSED LATE GARBAGE LAST_GARBAGE, policy_answer ACTION GIVEN OBSERVED, notifier NAME KIND TOLD WAITING LOST
/// FAILING_SINCE, and problem TEXT, one line for each.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {}

pub(super) fn run(_: Args, console: &mut Console) -> Result<Exit, Failure> {
    let Answer::Status(status) = console.ask(&Request::Status)? else {
        return Err(Failure::other_answer());
    };
    match console.format {
        Format::Json => console.json(&status)?,
        Format::Plain => plain(&status, console)?,
        Format::Human => human(&status, console)?,
    }
    Ok(Exit::Done)
}

fn human(status: &Status, console: &mut Console) -> Result<(), Failure> {
    verdict(status, console)?;
    console.line("")?;
    let policy = status
        .policy
        .iter()
        .map(|service| ("POLICY", policy(service)));
    for (name, value) in facts(status).into_iter().chain(policy) {
        let name = console
            .paint
            .dress(Tone::Strong, &format!("{name:<9}"))
            .into_owned();
        console.line(&format!(
            "{name}  {}",
            line::escaped(value.as_bytes(), PROBLEM_MAX)
        ))?;
    }
    console.line("")?;
    section(
        &interfaces(&status.interfaces),
        "no interface is guarded",
        console,
    )?;
    console.line("")?;
    section(
        &source::short(&status.sources),
        "no log is followed",
        console,
    )
}

/// What is wrong, or that nothing is.
fn verdict(status: &Status, console: &mut Console) -> Result<(), Failure> {
    let paint = console.paint;
    let guarded = status
        .interfaces
        .iter()
        .any(|interface| interface.mode.is_some());
    if status.problems.is_empty() && guarded {
        let (tone, verdict) = match status.mode.as_str() {
            "observe" => (
                Tone::Odd,
                "all is well, but nothing is dropped: it only observes",
            ),
            _ => (Tone::Good, "all is well"),
        };
        return console.line(&paint.dress(tone, verdict));
    }
    let unguarded = (!guarded).then_some("no interface is guarded: nothing is dropped");
    let problems: Vec<&str> = unguarded
        .into_iter()
        .chain(status.problems.iter().map(String::as_str))
        .collect();
    let title = count(problems.len(), "PROBLEM", "PROBLEMS");
    console.line(&paint.dress(Tone::Bad, &title))?;
    for problem in problems {
        let problem = line::escaped(problem.as_bytes(), PROBLEM_MAX);
        console.line(&format!("  {}", paint.dress(Tone::Bad, &problem)))?;
    }
    Ok(())
}

/// Bans of lists, the longest lists first.
fn lists(status: &Status) -> String {
    if status.lists.is_empty() {
        return String::new();
    }
    let mut lists: Vec<(&String, usize)> = status
        .lists
        .iter()
        .map(|(name, bans)| (name, *bans))
        .collect();
    lists.sort_by_key(|(name, bans)| (std::cmp::Reverse(*bans), *name));
    let more = lists.len().saturating_sub(LISTS_SHOWN);
    let mut shown: Vec<String> = lists
        .into_iter()
        .take(LISTS_SHOWN)
        .map(|(name, bans)| format!("{name} {}", grouped(bans as u64)))
        .collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    format!(", of lists: {}", shown.join(", "))
}

fn facts(status: &Status) -> [(&'static str, String); 8] {
    let ports: Vec<String> = status.ports.iter().map(ToString::to_string).collect();
    let ports = ports.join(", ");
    let observing = status.mode == "observe";
    let would = if observing { "would have been " } else { "" };
    [
        (
            "MODE",
            if observing {
                format!("observe: nothing is dropped on ports {ports}, only counted")
            } else {
                format!("{} on ports {ports}", status.mode)
            },
        ),
        (
            "BANS",
            format!(
                "{}{}; {} allowed",
                grouped(status.bans as u64),
                lists(status),
                count(status.allowed, "network", "networks")
            ),
        ),
        (
            "DROPPED",
            format!(
                "{} packets {would}dropped, {}/s of late",
                grouped(status.dropped),
                rate(status.drops_per_s)
            ),
        ),
        ("LIMITS", limits(status, would)),
        (
            "TRACKED",
            count(status.tracked, "host with offences", "hosts with offences"),
        ),
        ("DATABASE", database(status.database)),
        (
            "RUNNING",
            format!("for {}, pid {}", time::coarse(status.uptime_s), status.pid),
        ),
        ("VERSION", status.version.clone()),
    ]
}

fn database(database: Option<DatabaseView>) -> String {
    const MIB: u64 = 1 << 20;
    match database {
        Some(DatabaseView { bytes, max_bytes }) => format!(
            "{} MiB of at most {}",
            grouped(bytes.div_ceil(MIB)),
            grouped(max_bytes / MIB)
        ),
        None => "cannot be read".to_owned(),
    }
}

/// `BYTES MAX_BYTES`; empty where it cannot be read.
fn database_plain(database: Option<DatabaseView>) -> String {
    database.map_or_else(String::new, |of| format!("{} {}", of.bytes, of.max_bytes))
}

fn policy(service: &PolicyView) -> String {
    let mut text = vec![if service.listening {
        let connections = count(service.connections, "connection", "connections");
        format!("{}, {connections}", service.listen)
    } else {
        format!("{}: does not listen", service.listen)
    }];
    text.push(format!("{} requests", grouped(service.requests)));
    for answers in &service.answers {
        if answers.given > 0 {
            text.push(format!("{} {}", grouped(answers.given), answers.action));
        }
        if answers.observed > 0 {
            let observed = grouped(answers.observed);
            text.push(format!("{observed} would have been {}", answers.action));
        }
    }
    for (number, what) in [
        (service.held as u64, "held now"),
        (service.refused, "connections refused"),
        (service.late, "let through unjudged"),
        (service.garbage, "closed for garbage"),
    ] {
        if number > 0 {
            text.push(format!("{} {what}", grouped(number)));
        }
    }
    if let Some(garbage) = &service.last_garbage {
        text.push(format!("the last at {garbage}"));
    }
    text.join("; ")
}

/// Limits that are shown before it is only said how many there are more.
const LIMITS_SHOWN: usize = 3;

fn limits(status: &Status, would: &str) -> String {
    let limits = &status.limits;
    if limits.in_force.is_empty() {
        return "none on connections".to_owned();
    }
    let shown = limits.in_force.iter().take(LIMITS_SHOWN);
    let mut text: Vec<String> = shown.map(|limit| limit.description.clone()).collect();
    if let Some(more) = limits.in_force.len().checked_sub(LIMITS_SHOWN + 1) {
        text.push(format!("{} more", more + 1));
    }
    format!(
        "{}; {} SYNs {would}refused over the rate, {} over the open connections",
        text.join("; "),
        grouped(limits.over_rate),
        grouped(limits.over_concurrent)
    )
}

fn interfaces(interfaces: &[Interface]) -> Table {
    let mut table = Table::new(&["INTERFACE", "ATTACHED", "NOTE"]);
    for interface in interfaces {
        let attached = match interface.mode.as_deref() {
            None => Cell::both("no", "").tone(Tone::Bad),
            Some(mode @ ("generic" | "tc")) => Cell::text(mode).tone(Tone::Odd),
            Some(mode) if interface.multi_buffer => Cell::text(&format!("{mode}, multi-buffer")),
            Some(mode) => Cell::text(mode),
        };
        table.push(vec![
            Cell::text(&interface.name),
            attached,
            Cell::text(&remarks(interface).join("; ")),
        ]);
    }
    table
}

/// What is to be said of an interface, what is wrong first.
fn remarks(interface: &Interface) -> Vec<&str> {
    let remarks = [&interface.problem, &interface.note];
    remarks.into_iter().flatten().map(String::as_str).collect()
}

fn section(table: &Table, if_empty: &str, console: &mut Console) -> Result<(), Failure> {
    if table.is_empty() {
        let notice = console.paint.dress(Tone::Bad, if_empty).into_owned();
        return console.line(&notice);
    }
    let paint = console.paint;
    table.write_human(console.out(), paint)?;
    Ok(())
}

fn plain(status: &Status, console: &mut Console) -> Result<(), Failure> {
    let ports: Vec<String> = status.ports.iter().map(ToString::to_string).collect();
    let facts = [
        ("version", status.version.clone()),
        ("pid", status.pid.to_string()),
        ("started", status.started.clone()),
        ("mode", status.mode.clone()),
        ("ports", ports.join(",")),
        ("bans", status.bans.to_string()),
        ("allowed", status.allowed.to_string()),
        ("dropped", status.dropped.to_string()),
        ("drops_per_s", format!("{:.1}", status.drops_per_s)),
        ("tracked", status.tracked.to_string()),
        ("over_rate", status.limits.over_rate.to_string()),
        ("over_concurrent", status.limits.over_concurrent.to_string()),
        ("database", database_plain(status.database)),
    ];
    let text = |text: &str| line::escaped(text.as_bytes(), PROBLEM_MAX);
    let maybe = |value: &Option<String>| text(value.as_deref().unwrap_or_default());
    for (name, value) in facts {
        console.line(&format!("{name}\t{}", text(&value)))?;
    }
    for interface in &status.interfaces {
        let (name, mode) = (text(&interface.name), maybe(&interface.mode));
        let (problem, note) = (maybe(&interface.problem), maybe(&interface.note));
        let buffers = if interface.multi_buffer {
            "multi-buffer"
        } else {
            ""
        };
        console.line(&format!(
            "interface\t{name}\t{mode}\t{problem}\t{buffers}\t{note}"
        ))?;
    }
    for limit in &status.limits.in_force {
        let network = limit.network.map(|net| net.to_string());
        let (network, counts) = (maybe(&network), text(&limit.counts));
        let (rate, open) = (limit.per_minute, limit.concurrent);
        console.line(&format!("limit\t{network}\t{rate}\t{open}\t{counts}"))?;
    }
    for source in &status.sources {
        let lag = source.lag_bytes.map(|lag| lag.to_string());
        let (name, state, lag) = (text(&source.name), text(&source.state), maybe(&lag));
        let (last, problem) = (maybe(&source.last_line), maybe(&source.problem));
        console.line(&format!(
            "source\t{name}\t{state}\t{lag}\t{last}\t{problem}"
        ))?;
    }
    if let Some(service) = &status.policy {
        let (listen, garbage) = (text(&service.listen), maybe(&service.last_garbage));
        let state = if service.listening {
            "listening"
        } else {
            "failed"
        };
        console.line(&format!(
            "policy\t{listen}\t{state}\t{}\t{}\t{}\t{}\t{}\t{}\t{garbage}",
            service.connections,
            service.requests,
            service.held,
            service.refused,
            service.late,
            service.garbage
        ))?;
        for answers in &service.answers {
            let (action, given, observed) =
                (text(&answers.action), answers.given, answers.observed);
            console.line(&format!("policy_answer\t{action}\t{given}\t{observed}"))?;
        }
    }
    for notifier in &status.notifiers {
        let (name, kind) = (text(&notifier.name), text(&notifier.kind));
        let (told, waiting, lost) = (notifier.told, notifier.waiting, notifier.lost);
        let since = maybe(&notifier.failing_since);
        console.line(&format!(
            "notifier\t{name}\t{kind}\t{told}\t{waiting}\t{lost}\t{since}"
        ))?;
    }
    for problem in &status.problems {
        console.line(&format!("problem\t{}", text(problem)))?;
    }
    Ok(())
}
