//! Whose addresses a log shows. A log in which all clients are one private address is that of a mail server behind a proxy, a
//! bridge or address rewriting: a ban of that address shuts everybody out or, as it is allowlisted, nobody.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    net::IpAddr,
    path::Path,
    sync::Arc,
};

use jiff::tz::TimeZone;

use super::{Finding, warning};
use crate::{
    clock::Clock,
    dialect::{DIALECTS, Reader, Reading, pattern::PatternSet},
};

/// How much of a log's end is looked at.
const TAIL: u64 = 64 * 1024;
/// Fewer lines prove nothing.
const LINES_MIN: usize = 20;
/// Nearly all, in percent: monitoring and the host itself write lines too.
const NEARLY_ALL: usize = 95;

/// What the end of a log tells.
#[derive(Debug, Default)]
struct Sample {
    lines: usize,
    /// Lines of programs that are read.
    known: usize,
    /// Lines that name a client, by client.
    clients: HashMap<IpAddr, usize>,
}

/// What is wrong with the clients in the log at `path`, if anything is.
///
/// # Errors
/// When it cannot be read.
pub(super) fn clients(
    topic: &str,
    path: &Path,
    patterns: &Arc<PatternSet>,
) -> io::Result<Option<Finding>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(TAIL).read_to_end(&mut text)?;
    let mut lines = text.split(|byte| *byte == b'\n');
    if start > 0 {
        // Cut somewhere.
        lines.next();
    }
    Ok(judge(topic, &sample(lines, patterns)))
}

fn sample<'a>(lines: impl Iterator<Item = &'a [u8]>, patterns: &Arc<PatternSet>) -> Sample {
    // Dates do not matter here, so neither does the zone.
    let mut reader = Reader::new(TimeZone::UTC).with_patterns(patterns.clone());
    let now = Clock::start().now();
    let mut sample = Sample::default();
    for line in lines.filter(|line| !line.is_empty()) {
        let reading = reader.read(line, now);
        sample.lines += 1;
        sample.known += usize::from(reader.recognition().dialect.is_some());
        if let Reading::Event(event) = reading
            && let Some(client) = event.address
        {
            *sample.clients.entry(client.to_canonical()).or_default() += 1;
        }
    }
    sample
}

fn judge(topic: &str, sample: &Sample) -> Option<Finding> {
    if sample.lines >= LINES_MIN && sample.known == 0 {
        let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
        return Some(warning(
            topic,
            format!(
                "none of its last {} lines is of a known mail program",
                sample.lines
            ),
            &format!(
                "name the mail log in [[source]]; known: {}",
                names.join(", ")
            ),
        ));
    }
    let all: usize = sample.clients.values().sum();
    // Of several with as many lines any will do: none of them is nearly all.
    let (client, most) = sample.clients.iter().max_by_key(|(_, lines)| **lines)?;
    let is_one = all >= LINES_MIN && most * 100 >= all * NEARLY_ALL;
    (is_one && is_private(*client)).then(|| {
        warning(
            topic,
            format!("shows {client} as the client in {most} of {all} lines: real ones are hidden"),
            "a proxy, bridge or relay hides them: have it pass addresses on, or guard there",
        )
    })
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // RFC 6598: shared by carriers, and by some container networks.
            let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{super::tests::shown, *};

    #[track_caller]
    fn check(lines: &[String], expected: &Expect) {
        let sample = sample(lines.iter().map(String::as_bytes), &Arc::default());
        let found: Vec<Finding> = judge("source", &sample).into_iter().collect();
        expected.assert_eq(&shown(&found));
    }

    fn connections(count: usize, address: &str) -> Vec<String> {
        let line = format!("Feb 10 13:26:34 mx postfix/smtpd[12]: connect from unknown[{address}]");
        vec![line; count]
    }

    #[test]
    fn one_private_client_hides_the_others() {
        check(
            &[connections(39, "172.18.0.1"), connections(1, "192.0.2.7")].concat(),
            &expect![[r#"
                warning source: shows 172.18.0.1 as the client in 39 of 40 lines: real ones are hidden
                  => a proxy, bridge or relay hides them: have it pass addresses on, or guard there
            "#]],
        );
    }

    #[test]
    fn other_logs_are_fine() {
        let none = expect![""];
        check(&connections(40, "192.0.2.7"), &none);
        check(&connections(LINES_MIN - 1, "172.18.0.1"), &none);
        check(
            &[connections(30, "172.18.0.1"), connections(10, "192.0.2.7")].concat(),
            &none,
        );
        check(&[], &none);
    }

    #[test]
    fn a_log_of_something_else_is_a_warning() {
        let line = "Feb 10 13:26:34 mx sshd[12]: Connection closed by 192.0.2.7 port 4711";
        let lines = vec![line; 20];
        let sample = sample(lines.iter().map(|line| line.as_bytes()), &Arc::default());
        let found: Vec<Finding> = judge("source", &sample).into_iter().collect();
        // The names of the known programs follow.
        let expected = expect![[r#"
            warning source: none of its last 20 lines is of a known mail program
              => name the mail log in [[source]]; known: postfix"#]];
        let shown = shown(&found);
        expected.assert_eq(shown.split_inclusive("postfix").next().unwrap());
    }

    #[test]
    fn only_the_end_of_a_log_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let old = connections(4000, "192.0.2.7").join("\n");
        let new = connections(2000, "10.0.0.1").join("\n");
        std::fs::write(file.path(), format!("{old}\n{new}\n")).unwrap();
        let found = clients("source", file.path(), &Arc::default())
            .unwrap()
            .unwrap();
        assert!(found.text.starts_with("shows 10.0.0.1"), "{}", found.text);
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for (address, expected) in [
            ("10.1.2.3", true),
            ("172.17.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("fd00::1", true),
            ("2001:db8::1", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }
}
