//! What clap has to say about a command line, in the form of every other error: one `error:`, at most one `hint:`.

use clap::error::ErrorKind;

use super::{
    exit::Exit,
    failure::Failure,
    paint::{Choice, Paint},
};

/// Prints the help that was asked for, or what is wrong.
pub fn report(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader who has had enough of the help is no failure.
            let _ = error.print();
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            // What was said about colour is lost with the rest of the command line.
            let paint = Paint::of_stderr(Choice::Auto);
            complaint(&error.render().to_string()).report(paint)
        }
    }
}

/// From clap's paragraphs: what is wrong, tips, usage.
fn complaint(text: &str) -> Failure {
    let mut paragraphs = text.split("\n\n");
    let wrong: Vec<&str> = paragraphs
        .next()
        .unwrap_or_default()
        .lines()
        .map(str::trim)
        .collect();
    let wrong = wrong.join(" ");
    let failure = Failure::usage(wrong.strip_prefix("error: ").unwrap_or(&wrong));
    let rest: Vec<&str> = paragraphs.flat_map(str::lines).map(str::trim).collect();
    let tip = rest.iter().find_map(|line| line.strip_prefix("tip: "));
    let usage = rest.iter().find_map(|line| line.strip_prefix("Usage: "));
    match (tip, usage) {
        (Some(tip), _) => failure.hint(tip),
        (None, Some(usage)) => failure.hint(format!("usage: {usage}")),
        (None, None) => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use expect_test::{Expect, expect};

    use super::*;
    use crate::cli::Cli;

    fn check(command_line: &str, expected: &Expect) {
        let error = Cli::try_parse_from(command_line.split(' ')).unwrap_err();
        let Failure::Said { error, hint, .. } = complaint(&error.render().to_string()) else {
            panic!("clap always says something");
        };
        let hint = hint.map(|hint| format!("\nhint: {hint}"));
        expected.assert_eq(&format!("error: {error}{}", hint.unwrap_or_default()));
    }

    #[test]
    fn an_unknown_word_gets_the_nearest_one() {
        check(
            "mailwall ruel list",
            &expect![[r#"
            error: unrecognized subcommand 'ruel'
            hint: some similar subcommands exist: 'run', 'reload', 'rule'"#]],
        );
        check(
            "mailwall ban lst",
            &expect![[r#"
            error: unrecognized subcommand 'lst'
            hint: a similar subcommand exists: 'list'"#]],
        );
        check(
            "mailwall ban list --sord drops",
            &expect![[r#"
            error: unexpected argument '--sord' found
            hint: a similar argument exists: '--sort'"#]],
        );
        check(
            "mailwall ban list --sort drop",
            &expect![[r#"
            error: invalid value 'drop' for '--sort <ORDER>' [possible values: added, ends, drops]
            hint: a similar value exists: 'drops'"#]],
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        check(
            "mailwall ban add",
            &expect![[r#"
            error: the following required arguments were not provided: <NET>...
            hint: usage: mailwall ban add <NET>..."#]],
        );
        check(
            "mailwall ban list --limit",
            &expect!["error: a value is required for '--limit <N>' but none was supplied"],
        );
    }

    #[test]
    fn what_excludes_each_other_is_named() {
        check(
            "mailwall ban add 192.0.2.1 --permanent --for 1h",
            &expect![[r#"
                error: the argument '--permanent' cannot be used with '--for <LENGTH>'
                hint: usage: mailwall ban add --permanent <NET>..."#]],
        );
        check(
            "mailwall ban add 192.0.2.1 --for 1",
            &expect![[
                r#"error: invalid value '1' for '--for <LENGTH>': "1" lacks a unit; write it like 1s, 1m, 1h or 1d"#
            ]],
        );
    }
}
