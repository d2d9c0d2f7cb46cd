//! The layers of the agent, as `agent/src/lib.rs` tells them: who may name whom. Needs nothing, not even root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/src");

const VOCABULARY: &[&str] = &[
    "account",
    "allowlist",
    "ban",
    "checkpoint",
    "decision",
    "event",
    "honeypot",
    "lanes",
    "limit",
    "line",
    "penalty",
    "providers",
    "regular",
    "tally",
];
const CORE: &[&str] = &["bans", "dialect", "envelope", "judge", "rule"];
const EDGES: &[&str] = &[
    "control",
    "filter",
    "host",
    "journald",
    "kick",
    "metrics",
    "netlink",
    "notify",
    "policy",
    "service_manager",
    "source",
    "store",
];
const OPERATION: &[&str] = &[
    "clock",
    "config",
    "doctor",
    "duration",
    "exchange",
    "privilege",
    "report",
];
/// Named by nobody but `main`; `mailwall run` of the command line starts the daemon.
const TOP: &[&str] = &["cli", "daemon"];

#[test]
fn every_module_has_a_layer() {
    for (module, _) in sources() {
        let known = [VOCABULARY, CORE, EDGES, OPERATION, TOP]
            .iter()
            .any(|layer| layer.contains(&module.as_str()));
        assert!(
            known || matches!(module.as_str(), "lib" | "main"),
            "{module} is new: give it a layer here and in agent/src/lib.rs"
        );
    }
}

#[test]
fn the_vocabulary_names_nothing_but_itself() {
    assert_layer(VOCABULARY, &[VOCABULARY]);
}

#[test]
fn the_core_names_no_edge() {
    assert_layer(CORE, &[VOCABULARY, CORE]);
}

#[test]
fn edges_do_not_name_each_other() {
    for edge in EDGES {
        assert_layer(
            &[edge],
            &[VOCABULARY, &["clock", "journald", "netlink"], &[edge]],
        );
    }
}

#[test]
fn nobody_names_the_command_line_and_only_it_the_daemon() {
    for (module, file) in sources() {
        for named in named_modules(&code(&file)) {
            let is_top = TOP.contains(&named.as_str());
            let starts_it = module == "cli" && named == "daemon";
            assert!(
                !is_top || named == module || module == "main" || starts_it,
                "{} names {named}",
                file.display()
            );
        }
    }
}

#[test]
fn only_the_filter_names_aya() {
    for (module, file) in sources() {
        let names_it = code(&file).lines().any(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| matches!(word, "aya" | "aya_obj" | "aya_log"))
        });
        assert!(
            !names_it || module == "filter",
            "{} names aya",
            file.display()
        );
    }
}

#[test]
fn the_core_reads_no_clock_and_does_no_io() {
    for (module, file) in sources() {
        if !CORE.contains(&module.as_str()) && !VOCABULARY.contains(&module.as_str()) {
            continue;
        }
        for line in code(&file).lines() {
            for forbidden in [
                "std::fs",
                "std::io",
                "std::process",
                "std::thread",
                "std::env",
                "tokio",
                "rusqlite",
                "nix::",
                "::now()",
                "println!",
            ] {
                assert!(!line.contains(forbidden), "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn references_are_found_in_every_form() {
    let text = "use crate::{\n    ban::{Ban, crate_name},\n    clock::Clock,\n    filter,\n};\nlet x = crate::judge::Judge;";
    let named: Vec<_> = named_modules(text).into_iter().collect();
    assert_eq!(named, ["ban", "clock", "filter", "judge"]);
}

#[track_caller]
fn assert_layer(layer: &[&str], may_name: &[&[&str]]) {
    for (module, file) in sources() {
        if !layer.contains(&module.as_str()) {
            continue;
        }
        for named in named_modules(&code(&file)) {
            let allowed = may_name.iter().any(|layer| layer.contains(&named.as_str()));
            assert!(allowed, "{} names {named}", file.display());
        }
    }
}

/// Source files of the agent, each with its top module; tests may name whom they need.
fn sources() -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    collect(Path::new(AGENT), &mut files);
    let mut sources = Vec::new();
    for file in files {
        let inside = file.strip_prefix(AGENT).unwrap();
        if inside
            .with_extension("")
            .components()
            .any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        let first = Path::new(inside.components().next().unwrap().as_os_str());
        let module = first.file_stem().unwrap().to_string_lossy().into_owned();
        sources.push((module, file));
    }
    assert!(!sources.is_empty());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A file without its comments and its tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Top modules that stand behind `crate::`.
fn named_modules(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, mark) in text.match_indices("crate::") {
        let is_whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if !is_whole {
            continue;
        }
        let rest = &text[at + mark.len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(group_heads(group)),
            None => named.extend(head(rest)),
        }
    }
    named
}

/// The first name of each member of a `use` group, up to its end.
fn group_heads(group: &str) -> BTreeSet<String> {
    let mut heads = BTreeSet::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                heads.extend(head(&group[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    heads
}

/// A module's name at the beginning of `text`; types and functions of the crate's root do not count.
fn head(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}
