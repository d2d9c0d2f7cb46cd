//! What is said when there is no agent, or no understanding it.

use std::os::unix::net::UnixListener;

use expect_test::expect;
use mailwall::control::{protocol::Answer, socket_path};
use tempfile::TempDir;

use crate::{
    agent::{Agent, command, mailwall},
    answers,
};

#[test]
fn no_agent_is_exit_code_3() {
    let dir = TempDir::new().unwrap();
    expect![[r#"
        error: cannot reach mailwall at DIR/control.sock: no such file
        hint: systemctl start mailwall, or mailwall run
        [3]"#]]
    .assert_eq(&mailwall(dir.path(), &["status"], b"").to_string());
    drop(UnixListener::bind(socket_path(dir.path())).unwrap());
    expect![[r#"
        error: cannot reach mailwall at DIR/control.sock: connection refused
        hint: systemctl start mailwall, or mailwall run
        [3]"#]]
    .assert_eq(&mailwall(dir.path(), &["ban", "list"], b"").to_string());
}

#[test]
fn every_command_that_asks_says_so() {
    let dir = TempDir::new().unwrap();
    for words in [
        "status",
        "ban list",
        "ban add 203.0.113.7",
        "ban remove 203.0.113.7",
        "ban check 203.0.113.7",
        "allow list",
        "allow add 203.0.113.7",
        "allow remove 203.0.113.7",
        "rule list",
        "rule show x",
        "source list",
        "events",
        "events --follow",
        "counters",
        "counters --watch",
        "reload",
    ] {
        let outcome = mailwall(dir.path(), &words.split(' ').collect::<Vec<_>>(), b"");
        assert_eq!(outcome.code, 3, "{words}");
    }
}

#[test]
fn an_agent_that_goes_away_is_exit_code_3() {
    let agent = Agent::new(|_| Vec::new());
    expect![[r#"
        error: mailwall ended the connection
        hint: its log says why it stopped: journalctl -u mailwall
        [3]"#]]
    .assert_eq(&agent.run(&["status"]).to_string());
}

#[test]
fn an_answer_to_something_else_is_not_taken() {
    let agent = Agent::saying(Answer::Status(Box::new(answers::status())));
    expect![[r#"
        error: mailwall answered something else
        hint: the agent may be of another version than this command: restart it, then try again
        [1]"#]]
    .assert_eq(&agent.run(&["ban", "list"]).to_string());
}

#[test]
fn json_and_plain_exclude_each_other() {
    let dir = TempDir::new().unwrap();
    expect![[r#"
        error: --json and --plain exclude each other
        [2]"#]]
    .assert_eq(&mailwall(dir.path(), &["--json", "status", "--plain"], b"").to_string());
    expect![[r#"
        error: -q and -v exclude each other
        [2]"#]]
    .assert_eq(&mailwall(dir.path(), &["-v", "status", "-q"], b"").to_string());
}

#[test]
fn an_unknown_word_gets_the_nearest_one() {
    let dir = TempDir::new().unwrap();
    expect![[r#"
        error: unrecognized subcommand 'bann'
        hint: a similar subcommand exists: 'ban'
        [2]"#]]
    .assert_eq(&mailwall(dir.path(), &["bann"], b"").to_string());
    expect![[r#"
        error: unrecognized subcommand 'ad'
        hint: a similar subcommand exists: 'add'
        [2]"#]]
    .assert_eq(&mailwall(dir.path(), &["ban", "ad", "203.0.113.7"], b"").to_string());
}

#[test]
fn a_noun_alone_shows_its_commands() {
    let dir = TempDir::new().unwrap();
    // A directory of the environment counts as an argument for clap.
    let output = command(dir.path())
        .env_remove("MAILWALL_RUN_DIR")
        .arg("ban")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("List, add, remove, replace and look up bans"),
        "{stderr}"
    );
}

#[test]
fn a_full_disk_is_said() {
    let agent = Agent::saying(answers::ban_list(3, answers::bans()));
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command(agent.dir())
        .args(["ban", "list"])
        .stdout(full)
        .output()
        .unwrap();
    expect![[r#"
        error: cannot write the output: No space left on device
    "#]]
    .assert_eq(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_config_that_is_wrong_is_exit_code_78_of_run_and_2_of_check() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mailwall.toml");
    std::fs::write(&path, "[filter]\nprots = [25]\n").unwrap();
    let config = path.to_str().unwrap();
    let run = mailwall(dir.path(), &["run", "--config", config], b"");
    expect![[r#"
        error: DIR/mailwall.toml:2:1: unknown key "prots" in [filter]; did you mean "ports"?
        [78]"#]]
    .assert_eq(&run.to_string());
    let check = mailwall(dir.path(), &["config", "check", "--config", config], b"");
    assert_eq!((check.stderr, check.code), (run.stderr, 2));
}

#[test]
fn a_config_that_cannot_be_read_is_said() {
    let dir = TempDir::new().unwrap();
    expect![[r#"
        error: cannot read the configuration none.toml: No such file or directory
        [2]"#]]
    .assert_eq(&mailwall(dir.path(), &["config", "check", "none.toml"], b"").to_string());
}

#[test]
fn a_rule_that_is_not_there_is_exit_code_5() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mailwall.toml");
    std::fs::write(&path, "").unwrap();
    let words = [
        "rule",
        "reset",
        "nosuch",
        "--config",
        path.to_str().unwrap(),
    ];
    expect![[r#"
        error: no rule is named "nosuch"
        hint: mailwall rule list shows the rules, and where each comes from
        [5]"#]]
    .assert_eq(&mailwall(dir.path(), &words, b"").to_string());
}

#[test]
fn a_log_that_cannot_be_read_has_no_heading() {
    let dir = TempDir::new().unwrap();
    expect![[r#"
        error: cannot read missing.log: No such file or directory
        [1]"#]]
    .assert_eq(&mailwall(dir.path(), &["parse", "missing.log"], b"").to_string());
}
