//! `mailwall doctor`: whether this host can run the agent. It does not ask the agent.

use std::path::Path;

use serde::Serialize;

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::count,
    paint::Tone,
    table::{Cell, Table},
};
use crate::{
    config::{Config, Interfaces, Log},
    control::protocol::SCHEMA,
    doctor::{self, Finding, Level, Patient},
    host,
    source::FILES_MAX,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall doctor                                 # before the first start, or when it fails
  mailwall doctor --config ./mailwall.toml        # with another configuration
  mailwall doctor --plain | grep '^problem'       # only what stands in the way";

/// Look whether this host can run mailwall, and what stands in the way
///
/// It only looks and changes nothing. The worst comes first, with what helps below it. Run it as root: for others most of the
/// kernel is out of sight, which it says then. Exit code 0 when nothing stands in the way, 1 when something does.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {}

/// What `--json` prints.
#[derive(Serialize)]
struct Findings<'a> {
    schema: u32,
    findings: &'a [Finding],
}

pub(super) fn run(_: Args, console: &mut Console) -> Result<Exit, Failure> {
    let findings = examine(console);
    let answer = Findings {
        schema: SCHEMA,
        findings: &findings,
    };
    let human = console.format == Format::Human;
    let table = if human {
        for_people(&findings)
    } else {
        for_scripts(&findings)
    };
    console.list(&answer, &table, &footer(&findings))?;
    let healthy = findings
        .iter()
        .all(|finding| finding.level < Level::Problem);
    Ok(if healthy { Exit::Done } else { Exit::Failed })
}

/// The host as the configuration wants to use it; where that is wrong, as the default one does.
fn examine(console: &Console) -> Vec<Finding> {
    let paths = &console.paths;
    let (config, mut findings) = match Config::load(&paths.config) {
        Ok(config) => (config, Vec::new()),
        Err(error) => (
            Config::default(),
            vec![wrong(
                "configuration",
                &error,
                "mailwall config default shows a right one",
            )],
        ),
    };
    let interfaces = match &config.filter.interfaces {
        Interfaces::Named(names) => names.clone(),
        Interfaces::Auto => host::default_route_interfaces().unwrap_or_else(|error| {
            findings.push(wrong(
                "routes",
                &error,
                "name the interfaces in [filter] interfaces",
            ));
            Vec::new()
        }),
    };
    let sources: Vec<_> = config
        .sources
        .iter()
        .flat_map(|source| match &source.log {
            Log::One(origin) => origin.path().map(Path::to_owned).into_iter().collect(),
            Log::Files(pattern) => pattern.files(FILES_MAX).0,
        })
        .collect();
    findings.extend(doctor::examine(&Patient {
        bpffs_dir: &paths.bpffs_dir,
        interfaces: &interfaces,
        attach: config.filter.attach,
        ports: &config.filter.ports,
        state_dir: &paths.state_dir,
        run_dir: &paths.run_dir,
        sources: &sources,
        patterns: &config.patterns.set,
    }));
    doctor::sort(&mut findings);
    findings
}

fn wrong(topic: &str, error: &dyn std::error::Error, advice: &str) -> Finding {
    Finding {
        topic: topic.to_owned(),
        level: Level::Problem,
        text: super::failure::chain(error),
        advice: Some(advice.to_owned()),
    }
}

/// What helps stands below what was found.
fn for_people(findings: &[Finding]) -> Table {
    let mut table = Table::new(&["LEVEL", "TOPIC", "FOUND"]);
    for finding in findings {
        table.push(vec![
            level(finding),
            Cell::text(&finding.topic),
            Cell::text(&finding.text),
        ]);
        if let Some(advice) = &finding.advice {
            let advice = format!("=> {advice}");
            table.push(vec![Cell::text(""), Cell::text(""), Cell::text(&advice)]);
        }
    }
    table
}

fn for_scripts(findings: &[Finding]) -> Table {
    let mut table = Table::new(&["LEVEL", "TOPIC", "FOUND", "ADVICE"]);
    for finding in findings {
        table.push(vec![
            level(finding),
            Cell::text(&finding.topic),
            Cell::text(&finding.text),
            Cell::maybe(finding.advice.as_deref()),
        ]);
    }
    table
}

fn level(finding: &Finding) -> Cell {
    Cell::text(finding.level.as_str()).tone(match finding.level {
        Level::Ok => Tone::Good,
        Level::Warning => Tone::Odd,
        Level::Problem => Tone::Bad,
    })
}

fn footer(findings: &[Finding]) -> String {
    let of = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let problems = count(of(Level::Problem), "problem", "problems");
    format!(
        "{problems}, {}",
        count(of(Level::Warning), "warning", "warnings")
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::cli::paint::Paint;

    #[test]
    fn what_helps_stands_below_what_was_found() {
        let finding = |level, topic: &str, text: &str, advice: Option<&str>| Finding {
            topic: topic.to_owned(),
            level,
            text: text.to_owned(),
            advice: advice.map(str::to_owned),
        };
        let findings = [
            finding(
                Level::Problem,
                "privileges",
                "not root",
                Some("sudo mailwall doctor"),
            ),
            finding(Level::Warning, "listeners", "none", Some("start it")),
            finding(Level::Ok, "memory", "the maps take 53 MiB", None),
        ];
        let mut out = Vec::new();
        let table = for_people(&findings);
        table.write_human(&mut out, Paint::Plain).unwrap();
        out.extend(footer(&findings).bytes().chain(*b"\n--\n"));
        for_scripts(&findings).write_plain(&mut out).unwrap();
        expect![[r#"
            LEVEL    TOPIC       FOUND
            problem  privileges  not root
                                 => sudo mailwall doctor
            warning  listeners   none
                                 => start it
            ok       memory      the maps take 53 MiB
            1 problem, 1 warning
            --
            problem	privileges	not root	sudo mailwall doctor
            warning	listeners	none	start it
            ok	memory	the maps take 53 MiB	
        "#]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }
}
