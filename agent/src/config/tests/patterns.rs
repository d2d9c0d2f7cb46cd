//! Patterns for lines of other programs.

use super::*;

#[test]
fn patterns_that_are_wrong_are_refused() {
    let pattern = |rest: &str| format!("[[pattern]]\nname = \"x\"\n{rest}");
    let full = |matches: &str| {
        pattern(&format!(
            "program = \"x\"\nevent = \"auth-failure\"\nservice = \"imap\"\nmatch = '{matches}'"
        ))
    };
    check(
        &pattern("programm = \"x\""),
        expect![[r#"f:3:1: unknown key "programm" in [[pattern]]; did you mean "program"?"#]],
    );
    check(
        &pattern("event = \"auth-failed\""),
        expect![[r#"f:3:9: unknown event "auth-failed"; did you mean "auth-failure"?"#]],
    );
    check(
        &pattern("event = { a = \"auth-failure\", b = \"conect\" }\nservice = \"imap\""),
        expect![[r#"f:3:35: unknown event "conect"; did you mean "connect"?"#]],
    );
    check(
        &pattern("event = \"auth-failure\"\nservice = \"imap\"\nmatch = 'x'"),
        expect![[
            r#"f:1:1: [[pattern]] needs either "program", for lines of syslog, or "stamp", for a log file without"#
        ]],
    );
    check(
        &full("from (?<adress>)"),
        expect![[
            r#"f:6:9: "match" in [[pattern]]: unknown part "adress"; known: address, account, recipient, event, stamp"#
        ]],
    );
    check(
        &full("user (?<account>.*) from (?<address>) .*"),
        expect![[
            r#"f:6:9: "match" in [[pattern]]: a client's text may stand on one side of (?<address>) only, or it could name another's: before it or after it use nothing but literal text and repeated classes without blank, "." and ":"; if the program writes exactly one address into each such line, sole_address = true refuses those with more"#
        ]],
    );
    check(
        &format!("{}\nscore = 1.25", full("from (?<address>)")),
        expect![[r#"f:7:9: "score" in [[pattern]] must be a number from 0 to 10 such as 1.5"#]],
    );
    check(
        "[patterns]\nuse = [\"rondcube\"]",
        expect![[r#"f:2:8: unknown patterns "rondcube"; did you mean "roundcube"?"#]],
    );
}

#[test]
fn patterns_are_read_from_files_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[[pattern]]\nname = \"x\"\nprogram = \"x\"\nmatch = 'from (?<address>)'\nevent = \"connect\"\nservice = \"imap\"\n";
    fs::write(dir.path().join("a.toml"), text).unwrap();
    fs::write(dir.path().join("b.txt"), "no pattern").unwrap();
    let config = format!("[patterns]\nuse = []\nfiles = {:?}", dir.path());
    let config = Config::parse(&config, "f").unwrap();
    assert_eq!(config.patterns.set.settings().count(), 1);
    assert_eq!(Config::parse(&config.to_toml(), "shown").unwrap(), config);
    let wrong = dir.path().join("c.toml");
    fs::write(&wrong, text.replace("from", "^from")).unwrap();
    let text = format!("[patterns]\nfiles = {:?}", dir.path());
    let error = Config::parse(&text, "f").unwrap_err().to_string();
    let expected = format!(
        "{}:4:9: \"match\" in [[pattern]]: leave out ^",
        wrong.display()
    );
    assert!(error.starts_with(&expected), "{error}");
}
