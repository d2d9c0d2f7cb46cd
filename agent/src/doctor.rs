//! Whether this host can run mailwall, and what stands in the way. Only looks; changes nothing.

mod caller;
mod card;
mod clients;
mod container;
mod device;
mod file;
mod flow;
mod interface;
mod kernel;
mod kick;
mod listener;
mod memory;
mod netlink;
mod process;

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{config::Attach, dialect::pattern::PatternSet, host};

use self::caller::Caller;

/// What is to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a> {
    /// Folder of the pins.
    pub bpffs_dir: &'a Path,
    /// Interfaces to guard.
    pub interfaces: &'a [String],
    /// How the filter is to be attached to them.
    pub attach: Attach,
    /// TCP ports to guard.
    pub ports: &'a [u16],
    /// Folder of the database.
    pub state_dir: &'a Path,
    /// Folder of the control socket.
    pub run_dir: &'a Path,
    /// Log files.
    pub sources: &'a [PathBuf],
    /// Patterns of lines in them that no dialect knows.
    pub patterns: &'a Arc<PatternSet>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but could be better or may surprise.
    Warning,
    /// It does not work.
    Problem,
}

impl Level {
    /// As output shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What: a word or two.
    pub topic: String,
    /// How bad.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What helps; `None` when nothing has to.
    pub advice: Option<String>,
}

/// Looks at everything that `mailwall run` needs. What only root can find out is left out for others, and the finding about
/// their privileges says so.
pub fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let root = Path::new("/");
    let caller = Caller::this_process();
    let mut findings = vec![caller.privileges()];
    if caller.may_use_bpf() {
        let features = kernel::try_features();
        findings.extend(kernel::features(&features));
        findings.extend(kernel::lockdown(root));
        findings.push(kernel::program());
        findings.push(memory::memory(caller, &features));
        findings.push(kernel::tracepoint());
        findings.push(kick::kicks());
    }
    findings.push(kernel::types(root));
    findings.push(kernel::bpffs(patient.bpffs_dir));

    let holders = process::holders(Path::new("/proc"));
    findings.extend(interface::interfaces(patient, &holders));
    let own = host::own_addresses().unwrap_or_default();
    let flows = flow::flows(root, patient.ports, &own);
    let forwarded = flow::forwarded(&flows);
    findings.extend(listener::listeners(
        patient.ports,
        &host::listeners(),
        &holders,
        |port| forwarded.contains(&port),
    ));
    findings.extend(flow::disguise(&flows));

    findings.push(file::folder(caller, "state folder", patient.state_dir));
    findings.push(file::folder(caller, "run folder", patient.run_dir));
    let sources = patient.sources.iter();
    findings.extend(sources.map(|path| file::source(caller, path, patient.patterns)));
    findings
}

/// Puts the worst first. Of what is as bad, first comes what the rest depends on, so that the first line is what to mend first.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| Reverse(finding.level));
}

/// What findings are about, the first word or words of [`Finding::topic`]: each is a heading of `docs/troubleshooting.md`.
pub const TOPICS: [&str; 18] = [
    "privileges",
    "configuration",
    "kernel",
    "program",
    "memory",
    "lockdown",
    "tracepoint",
    "kernel types",
    "BPF file system",
    "kicks",
    "routes",
    "interface",
    "container",
    "listeners",
    "clients",
    "state folder",
    "run folder",
    "source",
];

fn ok(topic: &str, text: impl Into<String>) -> Finding {
    Finding {
        topic: topic.to_owned(),
        level: Level::Ok,
        text: text.into(),
        advice: None,
    }
}

fn warning(topic: &str, text: impl Into<String>, advice: &str) -> Finding {
    Finding {
        level: Level::Warning,
        advice: Some(advice.to_owned()),
        ..ok(topic, text)
    }
}

fn problem(topic: &str, text: impl Into<String>, advice: &str) -> Finding {
    Finding {
        level: Level::Problem,
        ..warning(topic, text, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings as people read them.
    pub(super) fn shown(findings: &[Finding]) -> String {
        let lines = findings.iter().map(|finding| {
            let advice = finding.advice.as_ref();
            let advice = advice.map(|advice| format!("  => {advice}\n"));
            format!(
                "{} {}: {}\n{}",
                finding.level.as_str(),
                finding.topic,
                finding.text,
                advice.unwrap_or_default()
            )
        });
        lines.collect()
    }

    /// The text of a file of this part of the agent, without its tests.
    fn code(path: &Path) -> String {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_finding_has_its_heading_in_the_troubleshooting_page() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(here.join("../docs/troubleshooting.md")).unwrap();
        for topic in TOPICS {
            assert!(page.contains(&format!("\n## {topic}\n")), "{topic}");
        }
        // Every topic that the code names is one of them.
        let folder = std::fs::read_dir(here.join("src/doctor")).unwrap();
        let files = folder.map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.is_file());
        let mut found = 0;
        for file in files.chain([here.join("src/cli/doctor.rs")]) {
            let code = code(&file);
            let openings = [
                "TOPIC: &str = \"",
                "ok( \"",
                "warning( \"",
                "problem( \"",
                "wrong( \"",
            ];
            let inline = ["ok(\"", "warning(\"", "problem(\"", "wrong(\""];
            for opening in openings.into_iter().chain(inline) {
                for rest in code.split(opening).skip(1) {
                    let topic = rest.split('"').next().unwrap();
                    let is_known = TOPICS.contains(&topic);
                    assert!(is_known, "{topic:?} of {} is not in TOPICS", file.display());
                    found += 1;
                }
            }
        }
        assert!(found >= 8, "only {found} topics were found in the code");
    }

    #[test]
    fn the_worst_comes_first_and_of_it_what_others_depend_on() {
        let mut findings = [
            ok("a", ""),
            problem("b", "", ""),
            warning("c", "", ""),
            problem("d", "", ""),
            ok("e", ""),
        ];
        sort(&mut findings);
        let topics: Vec<&str> = findings
            .iter()
            .map(|finding| finding.topic.as_str())
            .collect();
        assert_eq!(topics, ["b", "d", "c", "a", "e"]);
    }
}
