//! CrowdSec's decisions, as `cscli decisions list -o json` prints them: alerts with their decisions.

use std::{
    io::{self, BufRead},
    time::Duration,
};

use serde::Deserialize;

use super::{
    Entry, Format, Imported, Options, Read,
    imported::{Place, shown},
    json::parsed,
    net,
};

pub(super) const FORMAT: Format = Format {
    name: "crowdsec",
    about: "CrowdSec's decisions, of cscli decisions list -o json (import only)",
    read: Read::Text(read),
    write: None,
    has_origins: false,
};

#[derive(Deserialize)]
struct Alert {
    /// `null` where all of them are over.
    decisions: Option<Vec<Record>>,
}

/// A decision.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    scope: String,
    value: String,
    duration: String,
    #[serde(default)]
    scenario: String,
    #[serde(default)]
    simulated: bool,
}

fn read(input: &mut dyn BufRead, options: &Options, into: &mut Imported) -> io::Result<()> {
    let hint = "make it with cscli decisions list -o json";
    // Without any decision it prints null.
    let Some(alerts) = parsed::<Option<Vec<Alert>>>(input, "list of alerts", hint, into)? else {
        return Ok(());
    };
    let records = alerts
        .unwrap_or_default()
        .into_iter()
        .flat_map(|alert| alert.decisions.unwrap_or_default());
    for (record, number) in records.zip(1_u64..) {
        into.lines = number;
        take(&record, number, options, into);
    }
    Ok(())
}

fn take(record: &Record, number: u64, options: &Options, into: &mut Imported) {
    let place = || Place::At(format!("decision {number}"));
    let scope = record.scope.to_ascii_lowercase();
    if record.simulated || record.kind != "ban" || !["ip", "range"].contains(&scope.as_str()) {
        into.left_alone += 1;
        let what = if record.simulated {
            "simulated"
        } else {
            record.kind.as_str()
        };
        let of = format!("{what} of {} {}", record.scope, record.value);
        return into.note(
            place(),
            format!("{}: no ban of an address", shown(of.as_bytes())),
        );
    }
    let net = match net::parse(&record.value) {
        Ok(net) => net,
        Err(error) => {
            let text = format!("{}: {error}", shown(record.value.as_bytes()));
            return into.mistake_with(place(), text, error.hint());
        }
    };
    match left(&record.duration) {
        Some(Left::For(left)) => {
            let entry = Entry::new(net, &record.scenario);
            into.ban_until(entry, options.now.checked_add(left), options.now, place());
        }
        Some(Left::Over) => into.over += 1,
        None => into.mistake_with(
            place(),
            format!("{} is no length of time", shown(record.duration.as_bytes())),
            "cscli writes it like 3h59m12s",
        ),
    }
}

/// What is left of a decision.
#[derive(Debug, PartialEq)]
enum Left {
    For(Duration),
    Over,
}

/// A duration as Go writes it: `3h59m12.5s`, `-1m0s`.
fn left(text: &str) -> Option<Left> {
    let (is_over, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let of_unit = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * of_unit;
        rest = behind;
    }
    if text.is_empty() {
        return None;
    }
    if is_over || seconds < 1.0 {
        return Some(Left::Over);
    }
    Duration::try_from_secs_f64(seconds).ok().map(Left::For)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::{Left, left};
    use crate::exchange::tests::{options, read_with, told};

    #[test]
    fn decisions_are_bans_with_what_is_left_of_them() {
        let text = r#"[
            {"id": 1, "scenario": "crowdsecurity/postfix-spam", "decisions": [
                {"duration": "3h59m12.5s", "id": 1, "origin": "crowdsec", "scenario": "crowdsecurity/postfix-spam",
                 "scope": "Ip", "type": "ban", "value": "203.0.113.7", "simulated": false},
                {"duration": "1m0s", "scenario": "x", "scope": "Range", "type": "ban", "value": "198.51.100.0/24"},
                {"duration": "-2m0s", "scenario": "x", "scope": "Ip", "type": "ban", "value": "203.0.113.8"}]},
            {"id": 2, "decisions": null},
            {"id": 3, "decisions": [
                {"duration": "4h", "scenario": "x", "scope": "Country", "type": "ban", "value": "XX"},
                {"duration": "4h", "scenario": "x", "scope": "Ip", "type": "captcha", "value": "203.0.113.9"},
                {"duration": "4h", "scenario": "x", "scope": "Ip", "type": "ban", "value": "203.0.113.10", "simulated": true},
                {"duration": "soon", "scenario": "x", "scope": "Ip", "type": "ban", "value": "203.0.113.11"},
                {"duration": "4h", "scenario": "x", "scope": "Ip", "type": "ban", "value": "\u001bx"}]}]"#;
        expect![[r#"
            ban 203.0.113.7/32 14352s (crowdsecurity/postfix-spam)
            ban 198.51.100.0/24 60s (x)
            note  decision 4: "ban of Country XX": no ban of an address
            note  decision 5: "captcha of Ip 203.0.113.9": no ban of an address
            note  decision 6: "simulated of Ip 203.0.113.10": no ban of an address
            mistake  decision 7: "soon" is no length of time; cscli writes it like 3h59m12s
            mistake  decision 8: "\x1bx": neither an address nor a network; write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            8 lines, 3 left alone, 1 over
        "#]].assert_eq(&told(&read_with("crowdsec", text, &options())));
    }

    #[test]
    fn nothing_is_nothing_and_something_else_is_said() {
        for text in ["null", "[]"] {
            let imported = read_with("crowdsec", text, &options());
            assert!(
                imported.bans.is_empty() && imported.mistakes.is_empty(),
                "{text}"
            );
        }
        let imported = read_with("crowdsec", "id,source,ip", &options());
        let mistake = imported.mistakes.iter().next().unwrap().to_string();
        assert!(
            mistake.contains("cscli decisions list -o json"),
            "{mistake}"
        );
    }

    #[test]
    fn durations_of_go_are_read() {
        let length = |seconds| Some(Left::For(Duration::from_secs(seconds)));
        assert_eq!(left("4h"), length(14_400));
        assert_eq!(left("1h0m1s"), length(3_601));
        assert_eq!(left("0s"), Some(Left::Over));
        assert_eq!(left("999999999999999999999999h"), None);
        assert_eq!(left(""), None);
        assert_eq!(left("7"), None);
        assert_eq!(left("1x"), None);
    }
}
