//! What holds for every command: help in one form, examples that work.

use std::fs;

use clap::{Command, Parser as _};
use expect_test::expect_file;

use super::*;

/// Widest line of the help: it is not wrapped on a usual terminal.
const WIDTH_MAX: usize = 100;

/// Every command with its path, such as `mailwall ban add`.
fn commands() -> Vec<(String, Command)> {
    let mut root = command().term_width(WIDTH_MAX);
    root.build();
    let mut found = Vec::new();
    collect("mailwall".to_owned(), &root, &mut found);
    found
}

fn collect(path: String, command: &Command, found: &mut Vec<(String, Command)>) {
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        collect(format!("{path} {}", sub.get_name()), sub, found);
    }
    found.push((path, command.clone()));
}

fn help(command: &Command) -> String {
    command
        .clone()
        .term_width(WIDTH_MAX)
        .render_long_help()
        .to_string()
}

/// The help of a command without the options that all have.
fn own_help(command: &Command) -> String {
    let text = help(command);
    let Some((before, rest)) = text.split_once("Global options:\n") else {
        panic!("no global options: {text}")
    };
    let (_, after) = rest.split_once("\n\nEXAMPLES").unwrap();
    format!("{before}[Global options]\n\nEXAMPLES{after}")
}

#[test]
fn every_command_has_its_help() {
    for (path, command) in commands() {
        let text = if path == "mailwall" {
            help(&command)
        } else {
            own_help(&command)
        };
        let file = format!("tests/help/{}.txt", path.replace(' ', "-"));
        expect_file![file].assert_eq(&text);
    }
}

#[test]
fn no_help_is_kept_of_commands_that_are_gone() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/tests/help");
    let mut kept: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let mut known: Vec<String> = commands()
        .iter()
        .map(|(path, _)| format!("{}.txt", path.replace(' ', "-")))
        .collect();
    known.sort();
    assert_eq!(kept, known);
}

#[test]
fn every_command_has_three_examples_that_work() {
    for (path, command) in commands() {
        let closing = command.get_after_long_help().unwrap().to_string();
        let examples: Vec<&str> = closing
            .lines()
            .skip_while(|line| *line != "EXAMPLES")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .collect();
        assert_eq!(examples.len(), 3, "{path}");
        for example in examples {
            assert!(example.len() <= WIDTH_MAX, "would be wrapped: {example}");
            check_example(example);
        }
    }
}

/// Parses what of an example is a command line of ours.
fn check_example(example: &str) {
    let ours: Vec<Vec<String>> = words(example)
        .split(|word| matches!(word.as_str(), "|" | "&&"))
        .filter(|command| command.first().is_some_and(|word| word == "mailwall"))
        .map(|command| {
            command
                .iter()
                .take_while(|word| *word != ">")
                .cloned()
                .collect()
        })
        .collect();
    assert!(!ours.is_empty(), "not ours: {example}");
    for command_line in ours {
        if let Err(error) = Cli::try_parse_from(command_line) {
            panic!("{example}\n{error}");
        }
    }
}

/// Words as a shell has them, as far as the examples need it: quotes around words, a comment at the end.
fn words(line: &str) -> Vec<String> {
    let code = line.split_once(" #").map_or(line, |(code, _)| code);
    let mut words = Vec::new();
    for (i, part) in code.split(['"', '\'']).enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn flags_of_every_command_stand_before_or_after_it() {
    for line in ["mailwall --json -v ban list", "mailwall ban list --json -v"] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let console = cli.global.console().unwrap();
        assert_eq!(console.format, Format::Json, "{line}");
        assert_eq!(console.volume, console::Volume::Verbose, "{line}");
    }
}

#[test]
fn directories_of_every_command_stand_before_or_after_it() {
    for line in [
        "mailwall --run-dir /x ban list",
        "mailwall ban list --run-dir /x",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let console = cli.global.console().unwrap();
        assert_eq!(console.paths.run_dir, std::path::Path::new("/x"), "{line}");
    }
}
