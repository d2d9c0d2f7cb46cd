//! Metrics, read by the parser that Prometheus' own Python library brings.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
};

use mailwall_tests::{Setup, Testbed};
use serde_json::Value;

use crate::must;

/// Reads the text format, and gives types and samples.
const PARSER: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families as parse
found = {}
for family in parse(sys.stdin.read()):
    assert family.documentation, family
    for sample in family.samples:
        key = sample.name + '{' + ','.join(k + '=' + v for k, v in sorted(sample.labels.items())) + '}'
        assert key not in found, key
        found[key] = {'type': family.type, 'value': sample.value}
print(json.dumps(found))
";

/// What a scrape of the socket answers: its head and its body.
fn ask(socket: &Path, request: &str) -> (String, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn parse(body: &str) -> Value {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "not Prometheus' format:\n{body}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn metrics_are_what_a_prometheus_reads() {
    let bed = Testbed::new().unwrap();
    let log = bed.dir().join("mail.log");
    fs::write(&log, "").unwrap();
    let socket = bed.dir().join("metrics.sock");
    let config = format!(
        "[metrics]\nlisten = \"unix:{}\"\n\n[[source]]\nfile = \"{}\"\n",
        socket.display(),
        log.display()
    );
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody but root");
    must(&agent, &["ban", "add", "203.0.113.7", "203.0.113.0/28"]);

    let (head, body) = ask(&socket, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let found = parse(&body);
    let source = format!("{{source={}}}", log.display());
    for (key, kind, value) in [
        ("mailwall_bans{origin=manual}".to_owned(), "gauge", 2.0),
        (
            "mailwall_ban_map_entries{map=addresses-v4}".to_owned(),
            "gauge",
            1.0,
        ),
        (
            "mailwall_decisions_total{decision=ban}".to_owned(),
            "counter",
            2.0,
        ),
        ("mailwall_enforcing{}".to_owned(), "gauge", 1.0),
        (
            "mailwall_database_limit_bytes{}".to_owned(),
            "gauge",
            512.0 * 1024.0 * 1024.0,
        ),
        ("mailwall_filter_loaded{}".to_owned(), "gauge", 1.0),
        (format!("mailwall_source_up{source}"), "gauge", 1.0),
        (format!("mailwall_source_lag_seconds{source}"), "gauge", 0.0),
    ] {
        assert_eq!(found[&key]["value"], value, "{key} of {body}");
        assert_eq!(found[&key]["type"], kind, "{key}");
    }
    let database = &found["mailwall_database_bytes{}"]["value"];
    assert!(database.as_f64().unwrap() >= 4096.0, "{database}");
    assert!(!body.contains("203.0.113."), "no addresses");

    let (head, _) = ask(&socket, "POST /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");

    // Without the section they are gone, and so is the socket.
    let setup = agent.setup();
    let config = format!("[[source]]\nfile = \"{}\"\n", log.display());
    setup.write_config(&config).unwrap();
    must(&agent, &["reload"]);
    mailwall_tests::eventually(
        "end of the metrics",
        std::time::Duration::from_secs(30),
        || Ok((!socket.exists()).then_some(())),
    )
    .unwrap();
}
