//! `[metrics]`: where metrics are served, if at all.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    document::{Field, Section},
    error::ConfigError,
};
use crate::metrics::Listen;

/// Most bytes of a socket's path (`sun_path` of unix(7), with the zero at its end).
const SOCKET_PATH_MAX: usize = 107;

/// `[metrics]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MetricsConfig {
    /// Where they are served; `None` for nowhere.
    pub listen: Option<Listen>,
    /// Whether that may be where other hosts reach it.
    pub allow_remote: bool,
}

pub(super) fn read(top: &Section<'_>) -> Result<MetricsConfig, ConfigError> {
    let mut metrics = MetricsConfig::default();
    let Some(section) = top.table("metrics", &["listen", "group", "allow_remote"])? else {
        return Ok(metrics);
    };
    if let Some(field) = section.field("allow_remote") {
        metrics.allow_remote = field.truth()?;
    }
    let group = section.field("group");
    if let Some(field) = section.field("listen") {
        let text = field.text()?;
        metrics.listen = match text.split_once(':') {
            Some(("unix", path)) => Some(unix(&field, path, group.as_ref())?),
            Some(("inet", address)) => Some(inet(&field, address, metrics.allow_remote)?),
            _ if text.is_empty() => None,
            _ => return Err(no_socket(&field, text)),
        };
    }
    if let Some(group) = group
        && !matches!(metrics.listen, Some(Listen::Unix { .. }))
    {
        return Err(group.mistake(format!(
            "{} goes with listen = \"unix:...\" only",
            group.name()
        )));
    }
    Ok(metrics)
}

fn no_socket(field: &Field<'_>, text: &str) -> ConfigError {
    field.mistake(format!(
        "{text:?} is no socket; write \"unix:/run/mailwall/metrics.sock\" or \"inet:127.0.0.1:9464\""
    ))
}

fn unix(field: &Field<'_>, path: &str, group: Option<&Field<'_>>) -> Result<Listen, ConfigError> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(field.mistake(format!("{path:?} is not the absolute path of a socket")));
    }
    if path.len() > SOCKET_PATH_MAX {
        return Err(field.mistake(format!(
            "the path of a socket has at most {SOCKET_PATH_MAX} bytes"
        )));
    }
    let group = match group {
        Some(group) => Some(group.text()?.to_owned()),
        None => None,
    };
    Ok(Listen::Unix {
        path: PathBuf::from(path),
        group,
    })
}

fn inet(field: &Field<'_>, address: &str, allow_remote: bool) -> Result<Listen, ConfigError> {
    let Ok(address) = address.parse::<SocketAddr>() else {
        return Err(no_socket(field, &format!("inet:{address}")));
    };
    if !address.ip().is_loopback() && !allow_remote {
        return Err(field.mistake(format!(
            "{address} can be reached by other hosts, and metrics tell how mail is guarded; listen on a loopback address, or \
             write allow_remote = true where a firewall lets nobody else through"
        )));
    }
    Ok(Listen::Inet(address))
}

#[cfg(test)]
mod tests {
    use super::{Listen, MetricsConfig};
    use crate::config::Config;

    fn read(text: &str) -> Result<MetricsConfig, String> {
        Config::parse(text, "test")
            .map(|config| config.metrics)
            .map_err(|err| err.to_string())
    }

    #[test]
    fn sockets_are_read() {
        assert_eq!(read("").unwrap().listen, None);
        let unix =
            read("[metrics]\nlisten = \"unix:/run/m.sock\"\ngroup = \"prometheus\"\n").unwrap();
        assert_eq!(
            unix.listen,
            Some(Listen::Unix {
                path: "/run/m.sock".into(),
                group: Some("prometheus".to_owned())
            })
        );
        let inet = read("[metrics]\nlisten = \"inet:[::1]:9464\"\n").unwrap();
        assert_eq!(inet.listen.unwrap().to_string(), "inet:[::1]:9464");
        read("[metrics]\nlisten = \"inet:0.0.0.0:9464\"\nallow_remote = true\n").unwrap();
    }

    #[test]
    fn what_others_reach_and_what_is_no_socket_is_refused() {
        for (text, wanted) in [
            (
                "listen = \"inet:192.0.2.1:9464\"",
                "can be reached by other hosts",
            ),
            ("listen = \"inet:localhost:9464\"", "is no socket; write"),
            ("listen = \"9464\"", "is no socket; write"),
            ("listen = \"unix:metrics.sock\"", "not the absolute path"),
            (
                "listen = \"inet:127.0.0.1:9464\"\ngroup = \"x\"",
                "goes with listen = \"unix:...\" only",
            ),
            ("lisen = \"\"", "listen"),
        ] {
            let error = read(&format!("[metrics]\n{text}\n")).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
