//! Every command in README.md is run, in the order it stands there, as a new user would. What would change this machine is
//! led into the test bed: the files of `/etc` and `/var/log` are the test bed's, `mailwall` is the one under test.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use mailwall_tests::{Agent, MailServer, Setup, Testbed};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_command_of_the_readme_works() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    bed.client("203.0.113.7").guess(3).unwrap();
    // A new user has no config; here one says where the test bed's log is, and nothing else.
    let first = format!("[[source]]\nfile = \"{}\"\n", server.log().display());
    let mut setup = Some(Setup::new(&bed, &first).unwrap());
    let config = setup.as_ref().unwrap().config().to_owned();
    let mut agent: Option<Agent<'_>> = None;
    let text = fs::read_to_string(Path::new(REPOSITORY).join("README.md")).unwrap();
    let lines = commands(&text);
    assert!(
        lines.iter().any(|line| line.starts_with("mailwall ")),
        "no command found"
    );
    for line in lines {
        if let Some(rest) = line.strip_prefix("cargo ") {
            assert_cargo_knows(rest);
        } else if line == "mailwall run" {
            agent = Some(setup.take().expect("it is run once").start().unwrap());
        } else {
            let setup = agent
                .as_ref()
                .map_or_else(|| setup.as_ref().unwrap(), Agent::setup);
            let answer = setup.run(&mut shell(setup, &line, &server)).unwrap();
            assert_eq!(answer.code, Some(0), "{line}: {answer:?}");
            follow_the_test_beds_log(&config, &server);
        }
    }
    assert!(agent.is_some(), "README.md starts the agent");
}

/// Lines of the `console` and `sh` blocks.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "```console" | "```sh" => inside = true,
            "```" => inside = false,
            "" => {}
            command if inside && !command.starts_with('#') => {
                commands.push(command.trim_start_matches("$ ").to_owned());
            }
            _ => {}
        }
    }
    commands
}

/// These take long or change the machine, and are tried by CI itself: `cargo xtask test` is what runs this.
fn assert_cargo_knows(words: &str) {
    let repository = Path::new(REPOSITORY);
    match words.split_whitespace().collect::<Vec<_>>()[..] {
        ["xtask", task, ..] => {
            let file = format!("xtask/src/{}.rs", task.replace('-', "_"));
            assert!(repository.join(&file).is_file(), "cargo {words}: no {file}");
        }
        ["install", "--path", folder, ..] => {
            assert!(
                repository.join(folder).join("src/main.rs").is_file(),
                "cargo {words}"
            );
        }
        _ => panic!("README.md names `cargo {words}`, and this test does not know how to try it"),
    }
}

fn shell(setup: &Setup<'_>, line: &str, server: &MailServer) -> Command {
    let line = line
        .replace(
            "/etc/mailwall/mailwall.toml",
            &setup.config().to_string_lossy(),
        )
        .replace(
            "/etc/mailwall",
            &setup.config().with_extension("d").to_string_lossy(),
        )
        .replace("/var/log/mail.log", &server.log().to_string_lossy());
    assert!(
        !line.contains("/etc/") && !line.contains("/var/"),
        "{line} would touch this machine"
    );
    // A function takes the place of the installed program, with the folders of the test bed.
    let agent = setup.command(&[]);
    let words: Vec<_> = [agent.get_program()]
        .into_iter()
        .chain(agent.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c"])
        .arg(format!(
            "mailwall() {{ {} \"$@\"; }}\n{line}",
            words.join(" ")
        ))
        .stdin(Stdio::null());
    shell
}

/// The default config names the host's own log.
fn follow_the_test_beds_log(config: &Path, server: &MailServer) {
    let text = fs::read_to_string(config).unwrap();
    let log = server.log().to_string_lossy().into_owned();
    fs::write(
        config,
        text.replace("\"/var/log/mail.log\"", &format!("\"{log}\"")),
    )
    .unwrap();
}
