//! A configuration to start from on one host: the default one with the logs that are there, and nothing enforced.

use std::fmt::Write as _;

use super::Config;
use crate::host::{MailLog, MailLogPlace};

const MODE: &str = "mode = \"enforce\"\n";
const OBSERVE: &str = "# Nothing is dropped before this says \"enforce\".\nmode = \"observe\"\n";
const SOURCE: &str = "file = \"/var/log/mail.log\"\n";
const GROUP: &str = "# group = \"mailwall\"\n";

impl Config {
    /// [`Config::default_text`] with these logs and `mode = "observe"`; `group` may use the control socket.
    pub fn text_for_host(logs: &[MailLog], group: Option<&str>) -> String {
        let mut text = Self::default_text().replacen(MODE, OBSERVE, 1);
        if !logs.is_empty() {
            text = text.replacen(SOURCE, &sources(logs), 1);
        }
        if let Some(group) = group {
            text = text.replacen(GROUP, &format!("group = {group:?}\n"), 1);
        }
        text
    }
}

fn sources(logs: &[MailLog]) -> String {
    let mut text = String::new();
    for (number, log) in logs.iter().enumerate() {
        if number > 0 {
            let _ = writeln!(text, "\n# Found on this host: {}.\n[[source]]", log.what);
        }
        let _ = match &log.place {
            MailLogPlace::File(path) => writeln!(text, "file = {:?}", path.display().to_string()),
            MailLogPlace::Journal => writeln!(text, "journal = true"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_was_found_is_read_and_nothing_is_dropped() {
        let logs = [
            MailLog {
                place: MailLogPlace::File("/var/log/exim4/mainlog".into()),
                what: "Exim",
            },
            MailLog {
                place: MailLogPlace::Journal,
                what: "the journal",
            },
        ];
        let text = Config::text_for_host(&logs, Some("mailwall"));
        let config = Config::parse(&text, "for this host").unwrap();
        assert!(config.filter.mode.is_observe());
        assert_eq!(config.control.group.as_deref(), Some("mailwall"));
        assert_eq!(config.sources.len(), 2);
        assert!(config.sources[0].is_of(Path::new("/var/log/exim4/mainlog")));
        assert_eq!(config.sources[1].log.to_string(), "journal");
    }

    #[test]
    fn where_nothing_was_found_the_default_is_waited_for() {
        let config = Config::parse(&Config::text_for_host(&[], None), "for this host").unwrap();
        assert!(config.filter.mode.is_observe());
        assert_eq!(config.sources, Config::default().sources);
    }
}
