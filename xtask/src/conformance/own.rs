//! The project's own lines, `tests/corpus/*.txt`, as a user of the command line sees them.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{report::Table, understanding::Parser};
use crate::repository;

/// A block of a corpus: lines of one log, each with its number in the corpus and what it says.
#[derive(Default)]
struct Block {
    log: Vec<u8>,
    expected: Vec<(usize, String)>,
}

/// Every line must say what stands under it.
pub fn judge(parser: &Parser) -> Result<Table> {
    let mut table = Table::new("the project's own lines", &["lines", "right", "wrong"]);
    for path in corpora()? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let blocks = blocks(&text).with_context(|| format!("read {}", path.display()))?;
        let logs: Vec<Vec<u8>> = blocks.iter().map(|block| block.log.clone()).collect();
        for (block, said) in blocks.iter().zip(parser.read(&logs)?) {
            for ((number, expected), said) in block.expected.iter().zip(said) {
                table.count(&name, "lines");
                let told = said.told();
                if told == *expected {
                    table.count(&name, "right");
                } else {
                    table.count(&name, "wrong");
                    table.miss(format!("{name}.txt:{number}: {told} instead of {expected}"));
                }
            }
        }
    }
    ensure!(table.sum("lines") > 0, "there are no lines");
    table.none("wrong");
    Ok(table)
}

fn corpora() -> Result<Vec<PathBuf>> {
    let folder = repository::root().join("tests/corpus");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn blocks(text: &[u8]) -> Result<Vec<Block>> {
    let mut blocks = vec![Block::default()];
    let mut lines = text.split(|&byte| byte == b'\n').enumerate();
    while let Some((index, line)) = lines.next() {
        if line.is_empty() {
            blocks.push(Block::default());
        } else if line != b"#" && !line.starts_with(b"# ") {
            let (_, expected) = lines
                .next()
                .context("each line has what it says under it")?;
            let expected = String::from_utf8_lossy(expected);
            let expected = expected
                .strip_prefix("= ")
                .context("`= ` begins what a line says")?;
            let block = blocks.last_mut().context("there is a block")?;
            block.log.extend_from_slice(line);
            block.log.push(b'\n');
            block.expected.push((index + 1, expected.to_owned()));
        }
    }
    blocks.retain(|block| !block.expected.is_empty());
    Ok(blocks)
}
