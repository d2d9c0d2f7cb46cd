//! Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;

use super::Family;

/// Most samples of one metric: what is beyond is left out, so that no configuration floods who scrapes.
const SAMPLES_MAX: usize = 1024;
/// Most bytes of a label's value.
const VALUE_MAX: usize = 256;

/// Metrics that are being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    samples: usize,
}

impl Exposition {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a metric: what follows are its samples. Each is begun once.
    pub fn family(&mut self, family: &Family) -> Samples<'_> {
        let (name, kind) = (family.name, family.kind.as_str());
        let _ = writeln!(
            self.text,
            "# HELP {name} {}\n# TYPE {name} {kind}",
            family.help
        );
        self.samples = 0;
        Samples { of: self, name }
    }

    /// A metric of one number.
    pub fn number(&mut self, family: &Family, value: f64) {
        self.family(family).sample(&[], value);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// The samples of a metric.
#[derive(Debug)]
pub struct Samples<'e> {
    of: &'e mut Exposition,
    name: &'static str,
}

impl Samples<'_> {
    /// Adds one; no other has the same labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        if self.of.samples == SAMPLES_MAX {
            return;
        }
        self.of.samples += 1;
        let text = &mut self.of.text;
        text.push_str(self.name);
        for (i, (label, value)) in labels.iter().enumerate() {
            text.push(if i == 0 { '{' } else { ',' });
            let _ = write!(text, "{label}=\"");
            escape(value, text);
            text.push('"');
        }
        text.push_str(if labels.is_empty() { "" } else { "}" });
        // Whole numbers are written without a point, and all of their digits.
        let _ = writeln!(text, " {value}");
    }
}

fn escape(value: &str, out: &mut String) {
    let end = value.floor_char_boundary(VALUE_MAX);
    for c in value[..end].chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            // The format knows no others, and nobody wants them on a terminal.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposition, SAMPLES_MAX};
    use crate::metrics::families::{BANS, BUILD_INFO};

    #[test]
    fn labels_are_escaped() {
        let mut exposition = Exposition::new();
        exposition.number(&BUILD_INFO, 1.0);
        let mut bans = exposition.family(&BANS);
        bans.sample(&[("origin", "a\\b\"c\nd\x1be"), ("x", "y")], 1.5);
        bans.sample(&[("origin", &"ü".repeat(200))], 1e6);
        let text = exposition.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "# TYPE mailwall_build_info gauge");
        assert_eq!(lines[2], "mailwall_build_info 1");
        assert_eq!(
            lines[5],
            "mailwall_bans{origin=\"a\\\\b\\\"c\\nd\u{fffd}e\",x=\"y\"} 1.5"
        );
        assert_eq!(
            lines[6],
            format!("mailwall_bans{{origin=\"{}\"}} 1000000", "ü".repeat(128))
        );
    }

    #[test]
    fn samples_are_bounded() {
        let mut exposition = Exposition::new();
        let mut bans = exposition.family(&BANS);
        for i in 0..SAMPLES_MAX + 5 {
            bans.sample(&[("origin", &i.to_string())], 1.0);
        }
        assert_eq!(exposition.finish().lines().count(), SAMPLES_MAX + 2);
    }
}
