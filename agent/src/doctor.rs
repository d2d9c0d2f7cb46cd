//! Whether this host can run mailwall, and what stands in the way. Only looks; changes nothing.

mod file;
mod interface;
mod kernel;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use file::{folder, source};
use interface::interfaces;
use kernel::{bpffs, btf, jit, kernel, privileges, program};

/// What is to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a> {
    /// Folder of the pins.
    pub bpffs_dir: &'a Path,
    /// Interfaces to guard.
    pub interfaces: &'a [String],
    /// Folder of the database.
    pub state_dir: &'a Path,
    /// Folder of the control socket.
    pub run_dir: &'a Path,
    /// Log files.
    pub sources: &'a [PathBuf],
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

/// Looks at everything that `mailwall run` needs, in the order in which it needs it.
pub fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![
        privileges(),
        kernel(),
        jit(),
        btf(),
        bpffs(patient.bpffs_dir),
        program(),
    ];
    findings.extend(interfaces(patient.bpffs_dir, patient.interfaces));
    findings.push(folder("state folder", patient.state_dir));
    findings.push(folder("run folder", patient.run_dir));
    findings.extend(patient.sources.iter().map(|path| source(path)));
    findings
}

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
