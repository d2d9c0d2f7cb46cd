//! Limits on connections, and who need not wait for the greeting, as the configuration has them.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::exchange::Imported;

/// `[[limit]]` and `[spare]` of what was read; nothing when there is none.
pub(super) fn toml(imported: &Imported) -> String {
    let mut text = String::new();
    for limit in &imported.limits {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[[limit]]");
        if let Some(network) = limit.network {
            let _ = writeln!(text, "network = \"{network}\"");
        }
        let _ = writeln!(text, "per_minute = {}", limit.per_minute);
        let _ = writeln!(text, "concurrent = {}\n", limit.concurrent);
    }
    if !imported.exempt.is_empty() {
        // Several files may name the same.
        let nets: Vec<String> = IpNet::aggregate(&imported.exempt)
            .iter()
            .map(|net| format!("\"{net}\""))
            .collect();
        let _ = writeln!(
            text,
            "# These need not wait for the greeting (GreetPause: 0)\n[spare]\nearly_talkers = [{}]",
            nets.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::toml;
    use crate::exchange::{Format, Imported, Options, Read};

    /// What is shown is what the configuration takes.
    #[test]
    fn the_fragment_is_a_configuration() {
        let text = "ClientRate:206.81.85\t2\nClientRate: 10\nClientConn: 5\nClientConn:127.0.0.1 0\nClientRate:127.0.0.1 0\nGreetPause:127.0.0.1 0\n";
        let options = Options {
            now: std::time::SystemTime::UNIX_EPOCH,
            only: Vec::new(),
            all: false,
        };
        let mut imported = Imported::default();
        let Read::Text(read) = Format::named("sendmail-access").unwrap().read else {
            panic!()
        };
        read(&mut text.as_bytes(), &options, &mut imported).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailwall.toml");
        std::fs::write(&path, toml(&imported)).unwrap();
        let config = crate::config::Config::load(&path).unwrap();
        assert_eq!(config.limits, imported.limits);
        assert_eq!(config.clemency.early_talkers, imported.exempt);
        assert_eq!(
            imported.exempt,
            ["127.0.0.1/32".parse::<ipnet::IpNet>().unwrap()]
        );
        let shown: Vec<String> = config.limits.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "10 a minute, 5 open for each source",
                "no limit for each source in 127.0.0.1/32",
                "2 a minute, 5 open for each source in 206.81.85.0/24",
            ]
        );
    }
}
