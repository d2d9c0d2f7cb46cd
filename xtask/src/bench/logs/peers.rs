//! Other tools over the same log, on the same CPU, as far as they are installed. They do less: ripgrep only counts lines, and
//! none of them keeps what a session said.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    effort::{Effort, cpu_time_of_children},
    mix::{self, Hosts, Program},
};
use crate::{
    bench::report::{Cell, Report, Table},
    command::is_installed,
    repository,
};

/// Alternatives that name most bad lines of the mix.
const ALTERNATIVES: &str =
    "NOQUEUE: reject|authentication failed|lost connection after|too many errors";

/// A tool, and what it is shown.
struct Peer {
    name: &'static str,
    program: &'static str,
    /// Its share of the lines: the slow ones get fewer.
    share: u64,
    command: fn(&Path, &Path) -> Command,
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "mailwall analyze",
        program: "",
        share: 1,
        command: |log, folder| {
            let mut command = Command::new(repository::target().join("release/mailwall"));
            command.args(["analyze", "--json", "--config"]);
            command.arg(folder.join("empty.toml")).arg(log);
            command
        },
    },
    Peer {
        name: "rg -c, 4 alternatives",
        program: "rg",
        share: 1,
        command: |log, _| {
            let mut command = Command::new("rg");
            command.args(["--no-config", "-c", ALTERNATIVES]).arg(log);
            command
        },
    },
    Peer {
        name: "fail2ban-regex, postfix[mode=aggressive]",
        program: "fail2ban-regex",
        share: 20,
        command: |log, _| {
            let mut command = Command::new("fail2ban-regex");
            command.arg(log).arg("postfix[mode=aggressive]");
            command
        },
    },
    Peer {
        name: "sshguard's parser",
        program: "sshg-parser",
        share: 5,
        command: |log, _| {
            let mut command = Command::new("sh");
            command
                .args(["-c", "exec sshg-parser < \"$1\"", "sh"])
                .arg(log);
            command
        },
    },
    Peer {
        name: "CrowdSec replay",
        program: "crowdsec",
        share: 20,
        command: |log, _| {
            let mut command = Command::new("crowdsec");
            command.args(["-no-api", "-type", "syslog", "-dsn"]);
            command.arg(format!("file://{}", log.display()));
            command
        },
    },
];

/// Measures.
///
/// # Errors
/// When the log cannot be written, or a tool that is installed does not start.
pub fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    File::create(folder.path().join("empty.toml"))?;
    let mut table = Table::new(
        "peers",
        "Whole programs over the same log, one core (CPU time, start included)",
        &[
            ("program", "PROGRAM"),
            ("lines", "LINES"),
            ("cpu_s", "CPU S"),
            ("lines_per_s", "LINES/S"),
            ("ratio", "OF MAILWALL"),
        ],
    );
    let mut own = None;
    for peer in PEERS {
        if !peer.program.is_empty() && !is_installed(peer.program) {
            report.skip(peer.name, format!("{} is not installed", peer.program));
            continue;
        }
        let log = mix::log(Program::Postfix, Hosts::Few, effort.lines / peer.share);
        let path = folder.path().join("mail.log");
        File::create(&path)?.write_all(log.text())?;
        let mut best = Duration::MAX;
        for _ in 0..effort.rounds {
            let before = cpu_time_of_children()?;
            // Some tools end with an error when they found something.
            (peer.command)(&path, folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .with_context(|| format!("start {}", peer.name))?;
            best = best.min(cpu_time_of_children()?.saturating_sub(before));
        }
        let lines = log.lines().len() as f64;
        let per_second = lines / best.as_secs_f64().max(1e-6);
        let own = *own.get_or_insert(per_second);
        table.row(vec![
            Cell::text_of(peer.name),
            Cell::Number(lines, 0),
            Cell::Number(best.as_secs_f64(), 3),
            Cell::Number(per_second, 0),
            Cell::Number(per_second / own, 2),
        ]);
    }
    report.table(table);
    Ok(())
}
