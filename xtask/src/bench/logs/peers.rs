//! Other tools over the same log, on the same CPU, as far as they are installed. They do less: ripgrep only counts lines, and
//! none of them keeps what a session said.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::Namespace;

use super::{
    effort::{Effort, cpu_time_of_children},
    mix::{self, Hosts, Program},
};
use crate::{
    bench::report::{Cell, Report, Table},
    command::{self, is_installed},
    peers, repository,
};

/// Alternatives that name most bad lines of the mix.
const ALTERNATIVES: &str =
    "NOQUEUE: reject|authentication failed|lost connection after|too many errors";

/// A tool, and what it is shown.
struct Peer {
    name: &'static str,
    /// Its share of the lines: the slow ones get fewer.
    share: u64,
    /// How it reads a log; the second folder is for its files.
    command: fn(&Path, &Path) -> Result<Command>,
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "mailwall analyze",
        share: 1,
        command: |log, folder| {
            let config = folder.join("empty.toml");
            File::create(&config)?;
            let mut command = Command::new(repository::target().join("release/mailwall"));
            command.args(["analyze", "--json", "--config"]);
            command.arg(config).arg(log);
            Ok(command)
        },
    },
    Peer {
        name: "rg -c, 4 alternatives",
        share: 1,
        command: |log, _| {
            ensure!(is_installed("rg"), "rg is not installed");
            let mut command = Command::new("rg");
            command.args(["--no-config", "-c", ALTERNATIVES]).arg(log);
            Ok(command)
        },
    },
    Peer {
        name: "fail2ban-regex, postfix[mode=aggressive]",
        share: 20,
        command: |log, _| {
            let root = peers::FAIL2BAN.root()?;
            let mut command = peers::fail2ban(&root, "fail2ban-regex")?;
            command.arg("--config").arg(root.join("etc/fail2ban"));
            command.arg(log).arg("postfix[mode=aggressive]");
            Ok(command)
        },
    },
    Peer {
        name: "sshguard's parser",
        share: 5,
        command: |log, _| {
            let parser = peers::SSHGUARD
                .root()?
                .join("usr/libexec/sshguard/sshg-parser");
            let mut command = Command::new("sh");
            command
                .args(["-c", "exec \"$2\" < \"$1\"", "sh"])
                .arg(log)
                .arg(parser);
            Ok(command)
        },
    },
    Peer {
        name: "CrowdSec replay",
        share: 20,
        command: crowdsec,
    },
];

/// CrowdSec with the parsers and the scenario for Postfix of its hub, and a service for its decisions.
fn crowdsec(log: &Path, folder: &Path) -> Result<Command> {
    const FROM_HUB: [(&str, &str); 4] = [
        (
            "parsers/s00-raw/crowdsecurity/syslog-logs.yaml",
            "parsers/s00-raw",
        ),
        (
            "parsers/s01-parse/crowdsecurity/postfix-logs.yaml",
            "parsers/s01-parse",
        ),
        (
            "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml",
            "parsers/s02-enrich",
        ),
        ("scenarios/crowdsecurity/postfix-spam.yaml", "scenarios"),
    ];
    let root = peers::CROWDSEC.root()?;
    let folder = folder.join("crowdsec");
    let config = folder.join("config.yaml");
    if !config.is_file() {
        let shipped = root.join("etc/crowdsec");
        fs::create_dir_all(folder.join("data"))?;
        command::run_quietly(
            Command::new("cp")
                .arg("-a")
                .arg(shipped)
                .arg(folder.join("conf")),
        )?;
        let hub = root.join("usr/share/crowdsec/hub");
        command::run_quietly(
            Command::new("cp")
                .arg("-a")
                .arg(&hub)
                .arg(folder.join("hub")),
        )?;
        for (file, into) in FROM_HUB {
            let into = folder.join("conf").join(into);
            fs::create_dir_all(&into)?;
            let name = Path::new(file).file_name().context("a file has a name")?;
            fs::copy(hub.join(file), into.join(name))?;
        }
        fs::write(&config, crowdsec_config(&folder))?;
        command::run_quietly(
            Command::new(root.join("usr/bin/cscli"))
                .arg("-c")
                .arg(&config)
                .args(["machines", "add", "bench", "--password", "bench"])
                .args(["--url", "http://127.0.0.1:8080", "--file"])
                .arg(folder.join("conf/credentials.yaml")),
        )?;
    }
    let mut command = Command::new(root.join("usr/bin/crowdsec"));
    command
        .arg("-c")
        .arg(config)
        .args(["-type", "syslog", "-dsn"]);
    command.arg(format!("file://{}", log.display()));
    Ok(command)
}

fn crowdsec_config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "common: {{daemonize: false, log_media: stdout, log_level: error, working_dir: {folder}}}\n\
         config_paths: {{config_dir: {folder}/conf/, data_dir: {folder}/data/, hub_dir: {folder}/hub/, \
         index_path: {folder}/hub/.index.json, simulation_path: {folder}/conf/simulation.yaml}}\n\
         crowdsec_service: {{parser_routines: 1}}\n\
         db_config: {{type: sqlite, db_path: {folder}/data/crowdsec.db, log_level: error}}\n\
         api:\n  client: {{credentials_path: {folder}/conf/credentials.yaml}}\n  \
         server: {{listen_uri: '127.0.0.1:8080', profiles_path: {folder}/conf/profiles.yaml, log_level: error}}\n\
         prometheus: {{enabled: false}}\n"
    )
}

/// Measures.
///
/// # Errors
/// When the log cannot be written, or a tool that is there does not start.
pub fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    // One of them serves a port.
    let namespace = match Namespace::new().and_then(|new| new.ip("link set lo up").map(|()| new)) {
        Ok(namespace) => namespace,
        Err(why) => {
            report.skip("other tools", format!("{why:#}"));
            return Ok(());
        }
    };
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
        let log = mix::log(Program::Postfix, Hosts::Few, effort.lines / peer.share);
        let path = folder.path().join("mail.log");
        File::create(&path)?.write_all(log.text())?;
        let mut command = match (peer.command)(&path, folder.path()) {
            Ok(command) => command,
            Err(why) => {
                report.skip(peer.name, format!("{why:#}"));
                continue;
            }
        };
        let mut best = Duration::MAX;
        for _ in 0..effort.rounds {
            let before = cpu_time_of_children()?;
            // Some tools end with an error when they found something.
            namespace
                .spawn(
                    command
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null()),
                )
                .and_then(|mut child| Ok(child.wait()?))
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
