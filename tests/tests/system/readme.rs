//! Every command in README.md and in the guides of `docs` is run, in the order it stands there, as a new user would. What would
//! change this machine is led into the test bed: the files of `/etc` and `/var` are the test bed's, `mailwall` is the one under test.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use mailwall_tests::{Agent, MailServer, Setup, Testbed};
use tempfile::TempDir;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_command_of_the_readme_works() {
    run_page("README.md");
}

#[test]
fn every_command_of_the_guide_from_fail2ban_works() {
    run_page("docs/from-fail2ban.md");
}

#[test]
fn every_command_of_the_guide_from_postscreen_works() {
    run_page("docs/from-postscreen.md");
}

#[test]
fn every_command_of_the_guide_from_crowdsec_works() {
    run_page("docs/from-crowdsec.md");
}

#[test]
fn every_command_of_the_troubleshooting_page_works() {
    run_page("docs/troubleshooting.md");
}

#[test]
fn no_page_is_left_out() {
    for entry in fs::read_dir(Path::new(REPOSITORY).join("docs")).unwrap() {
        let page = format!("docs/{}", entry.unwrap().file_name().display());
        let run = format!("run_page({page:?})");
        assert!(include_str!("readme.rs").contains(&run), "{page}");
    }
}

/// Runs the commands of a page; the agent is started by `mailwall run` on it, or else before the first.
fn run_page(page: &str) {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    bed.client("203.0.113.7").guess(3).unwrap();
    let others = OtherPrograms::new();
    // A new user has no config; here one says where the test bed's log is, and nothing else.
    let first = format!("[[source]]\nfile = \"{}\"\n", server.log().display());
    let mut setup = Some(Setup::new(&bed, &first).unwrap());
    let config = setup.as_ref().unwrap().config().to_owned();
    let mut agent: Option<Agent<'_>> = None;
    let text = fs::read_to_string(Path::new(REPOSITORY).join(page)).unwrap();
    let lines = commands(&text);
    assert!(
        lines.iter().any(|line| line.starts_with("mailwall ")),
        "no command found"
    );
    if !lines.iter().any(|line| line == "mailwall run") {
        agent = Some(setup.take().unwrap().start().unwrap());
    }
    for line in lines {
        if let Some(rest) = line.strip_prefix("cargo ") {
            assert_cargo_knows(rest);
        } else if line == "mailwall run" {
            agent = Some(setup.take().expect("it is run once").start().unwrap());
        } else {
            let setup = agent
                .as_ref()
                .map_or_else(|| setup.as_ref().unwrap(), Agent::setup);
            let mut shell = shell(setup, &others.place(&line), &server);
            let answer = setup.run(shell.current_dir(others.folder.path())).unwrap();
            assert_eq!(answer.code, Some(0), "{page}: {line}: {answer:?}");
            follow_the_test_beds_log(&config, &server);
        }
    }
    assert!(agent.is_some(), "{page} starts the agent");
}

/// What those have who come from another program.
struct OtherPrograms {
    folder: TempDir,
}

impl OtherPrograms {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("fail2ban")).unwrap();
        let jails = "[DEFAULT]\nignoreip = 198.51.100.9\nbantime = 1h\n\n[postfix-sasl]\nenabled = true\nport = smtp,465,submission\n\
                     filter = postfix[mode=auth]\nlogpath = /var/log/mail.log\nmaxretry = 3\n";
        fs::write(path("fail2ban/jail.local"), jails).unwrap();
        let database = "import sqlite3, sys, time\nc = sqlite3.connect(sys.argv[1])\n\
            c.execute('CREATE TABLE bips (ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON)')\n\
            c.execute('INSERT INTO bips VALUES (?, ?, ?, 3600, 1, NULL)', ('203.0.113.20', 'postfix-sasl', int(time.time())))\n\
            c.commit()\n";
        let made = Command::new("python3")
            .args(["-c", database])
            .arg(path("fail2ban.sqlite3"))
            .status()
            .unwrap();
        assert!(made.success(), "python3: {made}");
        let access = "198.51.100.0/24 permit\n203.0.113.21 reject\n";
        fs::write(path("postscreen_access.cidr"), access).unwrap();
        let decisions = r#"[{"decisions": [{"duration": "3h59m", "origin": "crowdsec", "scenario": "crowdsecurity/postfix-spam",
            "scope": "Ip", "type": "ban", "value": "203.0.113.22"}]}]"#;
        fs::write(path("decisions.json"), decisions).unwrap();
        Self { folder }
    }

    /// The same command with the places of the test bed.
    fn place(&self, line: &str) -> String {
        let places = [
            ("/etc/fail2ban", "fail2ban"),
            ("/var/lib/fail2ban/fail2ban.sqlite3", "fail2ban.sqlite3"),
            (
                "/etc/postfix/postscreen_access.cidr",
                "postscreen_access.cidr",
            ),
        ];
        let place = |line: String, (theirs, ours): (&str, &str)| {
            line.replace(theirs, &self.folder.path().join(ours).to_string_lossy())
        };
        places.into_iter().fold(line.to_owned(), place)
    }
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
