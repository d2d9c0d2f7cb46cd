//! Lists from files to the agent and back: what `import`, `export` and `ban replace` share.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader},
    net::IpAddr,
    path::Path,
    time::SystemTime,
};

use super::{
    console::{Console, Volume},
    exit::Exit,
    failure::Failure,
    number::{count, grouped},
};
use crate::{
    control::protocol::{Answer, BanFilter, BanSort, BansSet, Commit, Request, StagedBan},
    exchange::{Entry, Imported, Remarks},
};

/// Bans in one request: some tens of megabytes at most.
const CHUNK: usize = 50_000;
/// Remarks of a kind that are shown when nobody asked for more.
const SHOWN: usize = 20;

/// Reads a file, or stdin for `-`.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let is_directory = path.is_dir();
    match File::open(path) {
        Ok(_) if is_directory => Err(unreadable(path, &io::ErrorKind::IsADirectory.into())),
        Ok(file) => Ok(Box::new(BufReader::with_capacity(1 << 16, file))),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Why a file cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("cannot read {}: {error}", shown(path)),
    )
}

/// The name of a file for people.
pub fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Says what there is to say of a file: with -v all of it, else the first.
pub fn tell(console: &Console, path: &Path, remarks: &Remarks) {
    let most = match console.volume {
        Volume::Quiet | Volume::Normal => SHOWN,
        Volume::Verbose | Volume::Everything => usize::MAX,
    };
    let name = shown(path);
    let mut told = 0;
    for remark in remarks.iter().take(most) {
        console.warn(&format!("{name}:{remark}"));
        told += 1;
    }
    if told < remarks.count() {
        let more = grouped(remarks.count() - told);
        console.warn(&format!("{name}: {more} more like these"));
    }
}

/// Refuses what has mistakes.
///
/// # Errors
///
/// When there is one.
pub fn refuse_mistakes(paths: &str, imported: &Imported) -> Result<(), Failure> {
    let mistakes = usize::try_from(imported.mistakes.count()).unwrap_or(usize::MAX);
    if mistakes == 0 {
        return Ok(());
    }
    let error = format!(
        "{} in {paths}: nothing was changed",
        count(mistakes, "mistake", "mistakes")
    );
    Err(Failure::usage(error).hint("mend them, or --partial to leave out what is wrong"))
}

/// Sends bans to the agent, which does with them what `commit` says, whole or not at all. `rule` is who decided what does not
/// say so itself.
pub fn send(
    bans: &[Entry],
    rule: &str,
    commit: Commit,
    console: &Console,
) -> Result<BansSet, Failure> {
    let mut stage = None;
    // Also when there is none: that empties a list.
    let chunks: Vec<&[Entry]> = match bans {
        [] => vec![&[]],
        bans => bans.chunks(CHUNK).collect(),
    };
    for chunk in chunks {
        let bans = chunk.iter().map(|entry| staged(entry, rule)).collect();
        let request = Request::BanStage { stage, bans };
        let Answer::Staged(staged) = console.ask(&request)? else {
            return Err(Failure::other_answer());
        };
        stage = Some(staged.stage);
    }
    let request = Request::BanCommit(Commit {
        stage: stage.unwrap_or_default(),
        caller: caller(),
        ..commit
    });
    match console.ask(&request)? {
        Answer::BansSet(set) => Ok(set),
        _ => Err(Failure::other_answer()),
    }
}

fn staged(entry: &Entry, rule: &str) -> StagedBan {
    let time = |at: SystemTime| jiff::Timestamp::try_from(at).ok().map(|at| at.to_string());
    StagedBan {
        net: entry.net,
        rule: entry.origin.clone().unwrap_or_else(|| rule.to_owned()),
        since: entry.since.and_then(time),
        ends: entry.ends.and_then(time),
        offences: entry.offences,
        level: entry.level,
        reason: entry.reason.clone(),
    }
}

/// The bans of the agent, or those of one list, the oldest first.
pub fn fetch(list: Option<&str>, console: &Console) -> Result<Vec<Entry>, Failure> {
    let request = Request::BanList {
        sort: BanSort::Added,
        limit: 0,
        only: BanFilter {
            list: list.map(str::to_owned),
            ..BanFilter::default()
        },
        past: false,
    };
    let Answer::BanList(list) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    let time = |text: String| {
        let at = text.parse::<jiff::Timestamp>().ok()?;
        Some(SystemTime::from(at))
    };
    let entry = |ban: crate::control::protocol::BanView| Entry {
        origin: Some(ban.rule),
        since: time(ban.since),
        ends: ban.ends.and_then(time),
        offences: ban.offences,
        level: ban.level,
        reason: ban.reason,
        ..Entry::new(ban.net, "")
    };
    Ok(list.bans.into_iter().map(entry).collect())
}

/// Says which nets are not banned although they were on the list.
pub fn tell_skipped(set: &BansSet, console: &Console) {
    for skipped in &set.skipped {
        console.warn(&format!("{} is left out: {}", skipped.net, skipped.reason));
    }
    let more = set.skipped_total.saturating_sub(set.skipped.len());
    if more > 0 {
        console.warn(&format!("{} more are left out", grouped(more as u64)));
    }
}

/// What was done with the bans, in a sentence.
pub fn sentence(set: &BansSet) -> String {
    let (banned, kept) = match set.dry_run {
        true => ("would ban", "would stay"),
        false => ("banned", "stay"),
    };
    let mut said = vec![format!(
        "{banned} {}",
        count(set.added, "network", "networks")
    )];
    let parts = [
        (set.renewed, "renewed"),
        (set.kept, kept),
        (set.held, "are banned by others"),
        (set.removed, "left the list"),
        (set.over, "were over"),
        (set.skipped_total, "left out"),
        (set.allowed, "allowed"),
    ];
    for (number, what) in parts {
        if number > 0 {
            said.push(format!("{} {what}", grouped(number as u64)));
        }
    }
    said.join(", ")
}

/// The address that the caller's SSH session comes from, as sshd says it; sudo usually hides it, and the agent looks for
/// itself too.
pub fn caller() -> Option<IpAddr> {
    let variable = env::var("SSH_CONNECTION").or_else(|_| env::var("SSH_CLIENT"));
    let variable = variable.ok()?;
    let address = variable.split(' ').next()?;
    // A link-local peer has its interface behind it.
    let address = address.split('%').next()?;
    Some(address.parse::<IpAddr>().ok()?.to_canonical())
}
