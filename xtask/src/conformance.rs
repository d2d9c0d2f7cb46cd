//! `cargo xtask conformance`: how well log lines are understood, program by program, by what `mailwall parse --json` says.

mod attacks;
mod cases;
mod lines;
mod own;
mod report;
mod servers;
mod understanding;

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::{command, repository};

use self::{report::Table, understanding::Parser};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Folder with `lines.jsonl`, `adversarial.jsonl` and `servers/` [env: MAILWALL_CORPUS]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Prints one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When a bound is missed.
pub fn run(options: Options) -> Result<()> {
    command::run(&mut repository::cargo(&[
        "build",
        "--quiet",
        "--package",
        "mailwall",
    ]))?;
    let parser = Parser::new()?;
    let mut tables = vec![own::judge(&parser)?];
    let named = || env::var_os("MAILWALL_CORPUS").map(PathBuf::from);
    let corpus = options.corpus.or_else(named);
    if let Some(folder) = &corpus {
        ensure!(folder.is_dir(), "{} is no folder", folder.display());
        let context = || format!("read the corpus in {}", folder.display());
        tables.extend(lines::judge(&parser, folder).with_context(context)?);
        tables.push(attacks::judge(&parser, folder).with_context(context)?);
        tables.push(servers::judge(&parser, folder).with_context(context)?);
    }
    let met = tables.iter().all(Table::is_met);
    if options.json {
        let answer = json!({
            "schema": 1,
            "corpus": corpus,
            "met": met,
            "tables": tables.iter().map(Table::to_json).collect::<Vec<_>>(),
        });
        println!("{answer}");
    } else {
        for table in &tables {
            table.print();
        }
        if corpus.is_none() {
            println!(
                "\nonly the project's own lines: neither --corpus nor MAILWALL_CORPUS names others"
            );
        }
    }
    let missed: Vec<&str> = tables
        .iter()
        .filter(|table| !table.is_met())
        .map(Table::title)
        .collect();
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}
