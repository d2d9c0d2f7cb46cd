//! Metrics in Prometheus' text format, for whoever scrapes them: `GET /metrics` on a socket of their own.
//!
//! [`FAMILIES`] is every metric there is. Labels are verdicts, rules, sources and other names that the configuration or the
//! program bounds; never addresses, accounts or anything else that comes from a log.

mod exposition;
mod family;
mod http;
mod listener;
mod process;
mod server;

use std::{fmt, net::SocketAddr, path::PathBuf};

pub use self::{
    exposition::Exposition,
    family::{FAMILIES, Family, Kind, families},
    listener::{Listener, listen},
    process::Usage,
    server::{CONNECTIONS_MAX, Scrape, serve},
};

/// Where metrics are served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// At a path, for root and, if there is one, a group.
    Unix {
        /// Where.
        path: PathBuf,
        /// Whose members may scrape it, beside root.
        group: Option<String>,
    },
    /// On TCP.
    Inet(SocketAddr),
}

/// As in the configuration.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::Inet(address) => write!(f, "inet:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FAMILIES;

    /// Names of metrics in an expression.
    fn names(expression: &str) -> impl Iterator<Item = &str> {
        expression
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("mailwall_") || word.starts_with("process_"))
    }

    #[test]
    fn the_dashboard_names_metrics_that_exist_and_all_of_them() {
        let text = include_str!("../dashboards/grafana.json");
        let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let targets = panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().unwrap());
        let expressions: Vec<&str> = targets
            .map(|target| target["expr"].as_str().unwrap())
            .collect();
        for expression in &expressions {
            assert!(names(expression).next().is_some(), "{expression}");
            for name in names(expression) {
                let is_known = FAMILIES.iter().any(|family| family.name == name);
                assert!(is_known, "{name} in {expression}");
            }
        }
        for family in FAMILIES {
            // For `changes()` and alerts.
            if family.name == "process_start_time_seconds" {
                continue;
            }
            let is_shown = expressions
                .iter()
                .any(|e| names(e).any(|name| name == family.name));
            assert!(is_shown, "{} is on no panel", family.name);
        }
    }

    #[test]
    fn the_dashboard_loads_on_any_grafana_whatever_its_data_source_is_called() {
        let text = include_str!("../dashboards/grafana.json");
        let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
        // A later Grafana brings it up to date by itself, an earlier one cannot.
        assert_eq!(dashboard["schemaVersion"], 39);
        assert!(dashboard.get("__inputs").is_none(), "nothing is asked");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(variables[0]["name"], "datasource");
        assert_eq!(variables[0]["type"], "datasource");
        assert_eq!(variables[0]["query"], "prometheus");
        assert_eq!(variables[1]["datasource"]["uid"], "${datasource}");
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: std::collections::HashSet<u64> =
            panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "ids of panels differ");
        let mut places = std::collections::HashSet::new();
        for panel in panels {
            let title = &panel["title"];
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            let mut queries = std::collections::HashSet::new();
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
                assert!(queries.insert(target["refId"].as_str().unwrap()), "{title}");
            }
            let [x, y, w, h] =
                ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
            assert!(x + w <= 24 && w > 0 && h > 0, "{title}");
            for (x, y) in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(places.insert((x, y)), "{title} covers another panel");
            }
        }
    }
}
