//! Commands that need no agent: the configuration and completions.

use expect_test::expect;
use tempfile::TempDir;

use crate::agent::mailwall;

#[test]
fn the_default_configuration_is_right() {
    let dir = TempDir::new().unwrap();
    let default = mailwall(dir.path(), &["config", "default"], b"").stdout;
    std::fs::write(dir.path().join("mailwall.toml"), default).unwrap();
    let check = |words: &[&str]| mailwall(dir.path(), words, b"").to_string();
    expect![[r#"
        mailwall.toml is right (1 source, 19 rules)
        [0]"#]]
    .assert_eq(&check(&["config", "check", "mailwall.toml"]));
    expect![[r#"
        {"schema":1,"file":"mailwall.toml","valid":true,"warnings":[]}
        [0]"#]]
    .assert_eq(&check(&["config", "check", "mailwall.toml", "--json"]));
    expect![[r#"
        mailwall.toml	valid
        [0]"#]]
    .assert_eq(&check(&["config", "check", "mailwall.toml", "--plain"]));
}

#[test]
fn a_configuration_that_is_shown_is_the_same_again() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("a.toml"), "[filter]\nports = [2525]\n").unwrap();
    let shown = mailwall(dir.path(), &["config", "show", "--config", "a.toml"], b"").stdout;
    assert!(shown.contains("ports = [2525]"), "{shown}");
    std::fs::write(dir.path().join("b.toml"), &shown).unwrap();
    assert_eq!(
        mailwall(dir.path(), &["config", "show", "--config", "b.toml"], b"").stdout,
        shown
    );
}

#[test]
fn settings_are_shown_as_json() {
    let dir = TempDir::new().unwrap();
    let outcome = mailwall(dir.path(), &["config", "default", "--json"], b"");
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(
        json["config"]["filter"]["ports"],
        serde_json::json!([25, 465, 587])
    );
}

#[test]
fn a_wrong_configuration_stands_in_the_way() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("a.toml"), "[filter]\nprots = [25]\n").unwrap();
    let outcome = mailwall(
        dir.path(),
        &["doctor", "--plain", "--config", "a.toml"],
        b"",
    );
    assert_eq!(outcome.code, 1, "{outcome}");
    let first = outcome.stdout.lines().next().unwrap();
    assert!(
        first.starts_with("problem\tconfiguration\ta.toml:2:1: unknown key"),
        "{first}"
    );
    let outcome = mailwall(dir.path(), &["doctor", "--json", "--config", "a.toml"], b"");
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["findings"][0]["level"], "problem");
}

#[test]
fn lines_of_a_log_are_parsed_without_the_agent() {
    let dir = TempDir::new().unwrap();
    let line = "Aug 22 08:14:03 mx postfix/smtpd[77]: warning: unknown[203.0.113.7]: SASL LOGIN \
                authentication failed: authentication failure\n";
    let outcome = mailwall(dir.path(), &["parse", "--json", "-"], line.as_bytes());
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&json["event"], &json["address"]),
        (&"auth-failure".into(), &"203.0.113.7".into())
    );
    let outcome = mailwall(dir.path(), &["parse", "none.log"], b"");
    assert_eq!(outcome.code, 1, "{outcome}");
}

#[test]
fn completions_name_the_commands() {
    let dir = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let outcome = mailwall(dir.path(), &["completions", shell], b"");
        assert_eq!(outcome.code, 0);
        for word in ["ban", "allow", "counters", "bpffs-dir"] {
            assert!(outcome.stdout.contains(word), "{shell}: {word}");
        }
    }
    expect![[r#"
        error: invalid value 'tcsh' for '<SHELL>' [possible values: bash, zsh, fish]
        hint: a similar value exists: 'zsh'
        [2]"#]]
    .assert_eq(&mailwall(dir.path(), &["completions", "tcsh"], b"").to_string());
}

#[test]
fn the_version_is_that_of_the_package() {
    let dir = TempDir::new().unwrap();
    let version = concat!("mailwall ", env!("CARGO_PKG_VERSION"), "\n[0]");
    assert_eq!(
        mailwall(dir.path(), &["--version"], b"").to_string(),
        version
    );
}
