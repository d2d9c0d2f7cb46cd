//! An excerpt of an IMail log, as an operator showed it and asked whom to block, replayed with the preset `imail`: one host is
//! banned for two minutes, and nobody else. The lines are wrapped as that mail was, and typed anew.

use std::{fs, process::Command};

use serde_json::Value;

const EXCERPT: &str = "\
[85.141.173.226] RCPT TO: <u1@example.com>
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] ERR example.com invalid
user <u1@example.com
06:27 00:00 SMTPD(0aef162101265d10) [89.79.92.147] EHLO a.example.net
06:27 00:00 SMTPD(0aed087701505d0e) [85.141.173.226] RCPT TO:
<u2@example.com>
06:27 00:00 SMTPD(0aed087701505d0e) [85.141.173.226] ERR example.com invalid
user <u2@example.com
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] RCPT TO:
<u3@example.com>
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] ERR example.com invalid
user <u3@example.com
06:27 00:00 SMTPD(0aed087701505d0e) [85.141.173.226] RCPT TO:
<u4@example.com>
06:27 00:00 SMTPD(0aed087701505d0e) [85.141.173.226] ERR example.com invalid
user <u4@example.com
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] RCPT TO:
<u5@example.com>
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] ERR example.com invalid
user <u5@example.com
06:27 00:00 SMTPD(0aef162101265d10) [89.79.92.147] MAIL
FROM:<s@example.net>
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] RCPT TO:
<u6@example.com>
06:27 00:00 SMTPD(0aed11ee00d45d0f) [85.141.173.226] ERR example.com invalid
user <u6@example.com
06:27 00:00 SMTPD(0af211ef00d45d11) [64.7.202.222] connect 89.139.133.234
port 4085
06:27 00:00 SMTPD(0af211f000d45d12) [64.7.202.222] connect 85.141.173.226
port 2534
06:27 00:00 SMTPD(0aef162101265d10) [89.79.92.147] RCPT
TO:<u@example.com>
06:27 00:00 SMTPD(0af211f000d45d12) [85.141.173.226] HELO host
06:27 00:00 SMTPD(0af211f000d45d12) [85.141.173.226] MAIL FROM:
<s@example.org>
06:27 00:00 SMTPD(0af3087801505d13) [64.7.202.222] connect 213.22.68.9 port
4542
06:27 00:00 SMTPD(0af211f000d45d12) [85.141.173.226] RCPT TO:
<u7@example.com>
06:27 00:00 SMTPD(0af211f000d45d12) [85.141.173.226] ERR example.com invalid
user <u7@example.com
06:27 00:00 SMTPD(0af306da00f45d14) [64.7.202.222] connect 76.100.6.86 port
12919
06:27 00:00 SMTPD(0af3141100525d15) [64.7.202.222] connect 62.123.101.18
port 10190
06:27 00:00 SMTPD(0af3087801505d13) [213.22.68.9] EHLO b.example.net
06:27 00:00 SMTPD(0af306da00f45d14) [76.100.6.86] EHLO
c.example.net.
06:27 00:00 SMTPD(0aef162101265d10) [89.79.92.147] RCPT
TO:<u@example.com>
";

#[test]
fn the_excerpt_bans_one_host_for_two_minutes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mailwall.toml"), "").unwrap();
    fs::write(folder.path().join("imail.log"), EXCERPT).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mailwall"))
        .current_dir(folder.path())
        .args(["--config", "mailwall.toml", "analyze", "--json"])
        .args(["--preset", "imail", "imail.log"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let decisions = json["decisions"].as_array().unwrap();
    let bans: Vec<_> = decisions
        .iter()
        .map(|ban| (ban["net"].as_str(), ban["for_s"].as_u64()))
        .collect();
    assert_eq!(bans, [(Some("85.141.173.226/32"), Some(120))], "{json}");
}
